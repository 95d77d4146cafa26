import { LicensingError } from '../domain/errors.ts'
import { dropOldest } from '../domain/drop-oldest.ts'

/** Wrong passwords from one address in so many milliseconds. */
const MOST = 10
const WINDOW = 60_000
const ADDRESSES = 10_000

interface Guess {
  readonly at: number
}

/** Slows down who guesses passwords: by address, in this process, by the machine's uptime. */
export class Guesses {
  readonly #now: () => number
  readonly #wrong = new Map<string, Guess[]>()

  constructor(now: () => number) {
    this.#now = now
  }

  /** @throws LicensingError TOO_MANY_REQUESTS: as many were wrong as may be, a short while ago */
  requireOpen(address: string): void {
    const now = this.#now()
    const recent = this.#recent(address, now)
    const [first = { at: now }] = recent
    if (recent.length >= MOST)
      throw new LicensingError('TOO_MANY_REQUESTS', 'Too many wrong passwords came from this address.', {
        retryAfterMs: first.at + WINDOW - now,
      })
  }

  /**
   * Counts a guess before it is looked at, so that many at once gain nothing.
   *
   * @returns takes it back: it was right
   * @throws LicensingError TOO_MANY_REQUESTS
   */
  begin(address: string): () => void {
    this.requireOpen(address)
    const now = this.#now()
    const guess = { at: now }
    const recent = this.#recent(address, now)
    this.#wrong.delete(address)
    this.#wrong.set(address, [...recent, guess])
    dropOldest(this.#wrong, ADDRESSES)
    return () => {
      const others = (this.#wrong.get(address) ?? []).filter((one) => one !== guess)
      if (others.length > 0) this.#wrong.set(address, others)
      else this.#wrong.delete(address)
    }
  }

  #recent(address: string, now: number): Guess[] {
    return (this.#wrong.get(address) ?? []).filter(({ at }) => now - at < WINDOW)
  }
}
