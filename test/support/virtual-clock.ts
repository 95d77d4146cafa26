import type { Clock } from '../../src/domain/clock.ts'

/** A clock that moves only when a test moves it; the wall may be set apart from the time that passes. */
export class VirtualClock implements Clock {
  #wall: number
  #monotonic = 1_000
  constructor(start = Date.parse('2027-01-01T00:00:00Z')) {
    this.#wall = start
  }
  wall = (): number => this.#wall
  monotonic = (): number => this.#monotonic
  uptime = (): number => this.#monotonic
  bootId = (): string => 'virtual'
  /** Time passes, on every clock. */
  advance(milliseconds: number): void {
    this.#wall += milliseconds
    this.#monotonic += milliseconds
  }
  /** Somebody sets the wall clock. */
  setWall(instant: number): void {
    this.#wall = instant
  }
}
