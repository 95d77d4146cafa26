import type { Clock } from '../../src/core/clock.ts'

/**
 * The clocks of one computer, as good or bad as such clocks are: they run too fast or too slow, are set by people, and stand
 * still while the computer sleeps or is off. The time that really passes is the history's.
 */
export class SimulatedClock implements Clock {
  readonly #now: () => number
  #read: number
  #wall: number
  #monotonic = 1_000
  #uptime = 1_000
  #boots = 1
  #rate = 1
  #power: 'on' | 'asleep' | 'off' = 'on'

  /** @param now the time that really is, milliseconds since 1970 UTC */
  constructor(now: () => number) {
    this.#now = now
    this.#read = now()
    this.#wall = this.#read
  }

  /** Lets what has passed count. */
  #advance(): void {
    const passed = (this.#now() - this.#read) * this.#rate
    this.#read = this.#now()
    this.#wall += passed
    if (this.#power === 'on') this.#monotonic += passed
    if (this.#power !== 'off') this.#uptime += passed
  }

  wall = (): number => {
    this.#advance()
    return Math.floor(this.#wall)
  }
  monotonic = (): number => {
    this.#advance()
    return this.#monotonic
  }
  uptime = (): number => {
    this.#advance()
    return Math.round(this.#uptime)
  }
  bootId = (): string => `boot ${this.#boots}`

  /** How much too fast it runs: 1 is right. */
  set rate(rate: number) {
    this.#advance()
    this.#rate = rate
  }
  /** Somebody sets the wall clock by so many milliseconds. */
  shift(by: number): void {
    this.#advance()
    this.#wall += by
  }
  /** Somebody sets the wall clock right, and it runs as it should. */
  restore(): void {
    this.#advance()
    this.#wall = this.#now()
    this.#rate = 1
  }
  sleep(): void {
    this.#advance()
    this.#power = 'asleep'
  }
  wake(): void {
    this.#advance()
    this.#power = 'on'
  }
  powerOff(): void {
    this.#advance()
    this.#power = 'off'
  }
  /** The computer starts: what counts from the start of it, or of a process, begins anew. */
  boot(): void {
    this.#advance()
    this.#power = 'on'
    this.#uptime = 1_000
    this.#monotonic = 1_000
    this.#boots++
  }
  /** A process starts on a computer that was on all the time. */
  restart(): void {
    this.#advance()
    this.#monotonic = 1_000
  }
}
