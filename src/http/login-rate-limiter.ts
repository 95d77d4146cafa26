import { LicensingError } from '../core/errors.ts'
import { LOGIN_ATTEMPT_LIMITS } from './login-attempt-limits.ts'
import { evictOldest } from '../core/evict-oldest.ts'

/** Number of a counted attempt, or the milliseconds that its address must wait. */
export type AttemptResult = { readonly attempt: number } | { readonly retryAfterMs: number }

/** Store of login attempts by address. */
export interface LoginAttemptStore {
  count(address: string): Promise<AttemptResult>
  refund(address: string, attempt: number): Promise<void>
}

/**
 * Counts a login attempt before its password is verified, so that parallel attempts are limited too.
 *
 * @returns function that refunds the attempt after a successful login
 * @throws LicensingError TOO_MANY_REQUESTS
 */
export async function consumeAttempt(
  store: LoginAttemptStore,
  address: string,
): Promise<() => Promise<void>> {
  const counted = await store.count(address)
  if ('retryAfterMs' in counted)
    throw new LicensingError(
      'TOO_MANY_REQUESTS',
      'Too many wrong passwords were entered from this address.',
      {
        retryAfterMs: counted.retryAfterMs,
      },
    )
  return () => store.refund(address, counted.attempt)
}

interface LoginAttempt {
  readonly at: number
  readonly number: number
}

/** Stores the login attempts of one process, by the machine's uptime. */
export class MemoryLoginAttempts implements LoginAttemptStore {
  readonly #now: () => number
  readonly #attempts = new Map<string, LoginAttempt[]>()
  #number = 0

  constructor(now: () => number) {
    this.#now = now
  }

  count(address: string): Promise<AttemptResult> {
    const now = this.#now()
    const recent = (this.#attempts.get(address) ?? []).filter(
      ({ at }) => now - at < LOGIN_ATTEMPT_LIMITS.windowMs,
    )
    const [first = { at: now }] = recent
    if (recent.length >= LOGIN_ATTEMPT_LIMITS.maxFailures)
      return Promise.resolve({ retryAfterMs: first.at + LOGIN_ATTEMPT_LIMITS.windowMs - now })
    const attempt = { at: now, number: ++this.#number }
    this.#attempts.delete(address)
    this.#attempts.set(address, [...recent, attempt])
    evictOldest(this.#attempts, LOGIN_ATTEMPT_LIMITS.maxRemembered)
    return Promise.resolve({ attempt: attempt.number })
  }

  refund(address: string, attempt: number): Promise<void> {
    const others = (this.#attempts.get(address) ?? []).filter(({ number }) => number !== attempt)
    if (others.length > 0) this.#attempts.set(address, others)
    else this.#attempts.delete(address)
    return Promise.resolve()
  }
}
