import { createHash } from 'node:crypto'
import { LicensingError } from '../core/errors.ts'
import { toClientKey } from '../core/ip-address.ts'
import { LOGIN_ATTEMPT_LIMITS, type LoginAttemptLimit } from './login-attempt-limits.ts'
import { evictOldest } from '../core/evict-oldest.ts'

/** Number of a counted attempt, or the milliseconds that its key must wait. */
export type AttemptResult = { readonly attempt: number } | { readonly retryAfterMs: number }

/** Store of login attempts by key. */
export interface LoginAttemptStore {
  count(key: string, limit: LoginAttemptLimit): Promise<AttemptResult>
  refund(key: string, attempt: number): Promise<void>
}

/** Source of a login attempt. `user` is null for the credentials of a program, which are too long to guess. */
export interface LoginAttemptSource {
  readonly address: string
  readonly user: string | null
}

/**
 * Counts a login attempt before its password is verified, so that parallel attempts are limited too. Counts it for its
 * address or /64 network, and for its user name.
 *
 * @returns function that refunds the attempt after a successful login
 * @throws LicensingError TOO_MANY_REQUESTS
 */
export async function consumeAttempt(
  store: LoginAttemptStore,
  { address, user }: LoginAttemptSource,
): Promise<() => Promise<void>> {
  const refunds: (() => Promise<void>)[] = []
  const consume = async (key: string, limit: LoginAttemptLimit, message: string): Promise<void> => {
    const counted = await store.count(key, limit)
    if ('retryAfterMs' in counted)
      throw new LicensingError('TOO_MANY_REQUESTS', message, { retryAfterMs: counted.retryAfterMs })
    refunds.push(() => store.refund(key, counted.attempt))
  }
  const { perAddress, perUser } = LOGIN_ATTEMPT_LIMITS
  await consume(toClientKey(address), perAddress, 'Too many wrong passwords were entered from this address.')
  if (user !== null)
    await consume(toUserKey(user), perUser, 'Too many wrong passwords were entered for this user.')
  return async () => {
    for (const refund of refunds) await refund()
  }
}

/** Returns the key of a user name. It is a digest, because a user may have typed a password into the name field. */
const toUserKey = (name: string): string =>
  `user:${createHash('sha256').update(name.normalize('NFKC').trim().toLowerCase()).digest('hex')}`

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

  count(key: string, { maxFailures, windowMs }: LoginAttemptLimit): Promise<AttemptResult> {
    const now = this.#now()
    const recent = (this.#attempts.get(key) ?? []).filter(({ at }) => now - at < windowMs)
    const [first = { at: now }] = recent
    if (recent.length >= maxFailures) return Promise.resolve({ retryAfterMs: first.at + windowMs - now })
    const attempt = { at: now, number: ++this.#number }
    this.#attempts.delete(key)
    this.#attempts.set(key, [...recent, attempt])
    evictOldest(this.#attempts, LOGIN_ATTEMPT_LIMITS.maxRemembered)
    return Promise.resolve({ attempt: attempt.number })
  }

  refund(key: string, attempt: number): Promise<void> {
    const others = (this.#attempts.get(key) ?? []).filter(({ number }) => number !== attempt)
    if (others.length > 0) this.#attempts.set(key, others)
    else this.#attempts.delete(key)
    return Promise.resolve()
  }
}
