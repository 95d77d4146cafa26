import type { Clock } from '../../src/core/clock.ts'

/**
 * The clocks of one simulated computer. They can drift, be set to another time, and stop while the computer sleeps or is off.
 * The event scheduler supplies the true time.
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

  /** @param now returns the true time in milliseconds since 1970 UTC */
  constructor(now: () => number) {
    this.#now = now
    this.#read = now()
    this.#wall = this.#read
  }

  /** Adds the time since the last reading to each clock that is running. */
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

  /** Sets the speed of the clock relative to true time: 1 is correct. */
  set rate(rate: number) {
    this.#advance()
    this.#rate = rate
  }
  /** Moves the wall clock by an offset in milliseconds, as an administrator does. */
  shift(by: number): void {
    this.#advance()
    this.#wall += by
  }
  /** Sets the wall clock to the true time and removes the drift. */
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
  /** Starts the computer: resets the uptime and the monotonic clock, and counts a new boot. */
  boot(): void {
    this.#advance()
    this.#power = 'on'
    this.#uptime = 1_000
    this.#monotonic = 1_000
    this.#boots++
  }
  /** Starts a new process without a reboot: resets the monotonic clock only. */
  restart(): void {
    this.#advance()
    this.#monotonic = 1_000
  }
}
