import { LicensingError } from '../core/errors.ts'
import { GUESS_LIMITS } from './login-attempt-limits.ts'
import { dropOldest } from '../core/evict-oldest.ts'

/** A guess that was counted, or how many milliseconds its address has to wait. */
export type Counted = { readonly guess: number } | { readonly waitMs: number }

/** Where wrong passwords are counted, by address. */
export interface GuessStore {
  count(address: string): Promise<Counted>
  takeBack(address: string, guess: number): Promise<void>
}

/**
 * Counts a guess before it is looked at, so that many at once gain nothing.
 *
 * @returns takes it back: it was right
 * @throws LicensingError TOO_MANY_REQUESTS
 */
export async function beginGuess(store: GuessStore, address: string): Promise<() => Promise<void>> {
  const counted = await store.count(address)
  if ('waitMs' in counted)
    throw new LicensingError('TOO_MANY_REQUESTS', 'Too many wrong passwords came from this address.', {
      retryAfterMs: counted.waitMs,
    })
  return () => store.takeBack(address, counted.guess)
}

interface Guess {
  readonly at: number
  readonly number: number
}

/** Guesses of one process, by the machine's uptime. */
export class MemoryGuesses implements GuessStore {
  readonly #now: () => number
  readonly #wrong = new Map<string, Guess[]>()
  #number = 0

  constructor(now: () => number) {
    this.#now = now
  }

  count(address: string): Promise<Counted> {
    const now = this.#now()
    const recent = (this.#wrong.get(address) ?? []).filter(({ at }) => now - at < GUESS_LIMITS.window)
    const [first = { at: now }] = recent
    if (recent.length >= GUESS_LIMITS.most)
      return Promise.resolve({ waitMs: first.at + GUESS_LIMITS.window - now })
    const guess = { at: now, number: ++this.#number }
    this.#wrong.delete(address)
    this.#wrong.set(address, [...recent, guess])
    dropOldest(this.#wrong, GUESS_LIMITS.known)
    return Promise.resolve({ guess: guess.number })
  }

  takeBack(address: string, guess: number): Promise<void> {
    const others = (this.#wrong.get(address) ?? []).filter(({ number }) => number !== guess)
    if (others.length > 0) this.#wrong.set(address, others)
    else this.#wrong.delete(address)
    return Promise.resolve()
  }
}
