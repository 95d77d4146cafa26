import type { Clock } from '../src/core/clock.ts'
import type { Instant } from '../src/core/time.ts'

/**
 * A clock that moves only when it is told to: give it to `SmartAgent.open` and `Authority.open`, and a year
 * passes in a second. The wall may be set apart from the time that passes, as people set clocks.
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
  /** Time passes, on every clock. */
  advance(milliseconds: number): void {
    this.#wall += milliseconds
    this.#monotonic += milliseconds
    this.#uptime += milliseconds
  }
  /** Somebody sets the wall clock. */
  setWall(instant: Instant): void {
    this.#wall = instant
  }
  /** The machine restarts: its uptime begins anew, and what passed while it was off is on the wall only. */
  reboot(off = 0): void {
    this.#wall += off
    this.#uptime = 1_000
    this.#boots += 1
  }
}
