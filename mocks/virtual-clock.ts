import type { Clock } from '../src/core/clock.ts'
import type { Instant } from '../src/core/time.ts'

/**
 * Clock that moves only by `advance`. Pass it to `SmartAgent.open` and `Authority.open` to simulate a year in a second.
 * The wall clock can be set independently of the elapsed time.
 */
export class VirtualClock implements Clock {
  #wall: Instant
  #monotonic = 1_000
  #uptime = 1_000
  #boots = 1
  constructor(start: Instant = Date.parse('2027-01-01T00:00:00Z')) {
    this.#wall = start
  }
  wall = (): number => this.#wall
  monotonic = (): number => this.#monotonic
  uptime = (): number => this.#uptime
  bootId = (): string => `boot ${this.#boots}`
  /** Advances every clock. */
  advance(milliseconds: number): void {
    this.#wall += milliseconds
    this.#monotonic += milliseconds
    this.#uptime += milliseconds
  }
  /** Sets only the wall clock. */
  setWall(instant: Instant): void {
    this.#wall = instant
  }
  /**
   * Restarts the machine, which resets its uptime.
   *
   * @param offMs milliseconds without power, which pass only on the wall clock
   */
  reboot(offMs = 0): void {
    this.#wall += offMs
    this.#uptime = 1_000
    this.#boots += 1
  }
}
