import type { Clock } from '../src/core/clock.ts'
import type { Instant } from '../src/core/time.ts'

interface Timer {
  /** Monotonic instant at which the timer is due. */
  readonly at: number
  readonly callback: () => void
}

/**
 * Clock that moves only by `advance`. Pass it to `SmartAgent.open` and `Authority.open` to simulate a year in a second.
 * The wall clock can be set independently of the elapsed time.
 */
export class VirtualClock implements Clock {
  #wall: Instant
  #monotonic = 1_000
  #uptime = 1_000
  #boots = 1
  readonly #timers = new Set<Timer>()
  readonly #listeners = new Set<() => void>()

  constructor(start: Instant = Date.parse('2027-01-01T00:00:00Z')) {
    this.#wall = start
  }

  wall = (): number => this.#wall
  monotonic = (): number => this.#monotonic
  uptime = (): number => this.#uptime
  bootId = (): string => `boot ${this.#boots}`

  /** Advances every clock, and calls the timers that are due on the way, each at its instant. */
  advance(milliseconds: number): void {
    const end = this.#monotonic + milliseconds
    for (let timer = this.#findNextTimer(end); timer !== null; timer = this.#findNextTimer(end)) {
      this.#move(Math.max(0, timer.at - this.#monotonic))
      this.#timers.delete(timer)
      timer.callback()
    }
    this.#move(end - this.#monotonic)
    for (const listener of this.#listeners) listener()
  }

  /** Advances to the next timer, and calls it. Returns false if no timer is set. */
  advanceToNextTimer(): boolean {
    const timer = this.#findNextTimer(Infinity)
    if (timer !== null) this.advance(Math.max(0, timer.at - this.#monotonic))
    return timer !== null
  }

  setTimer = (milliseconds: number, callback: () => void): (() => void) => {
    const timer = { at: this.#monotonic + milliseconds, callback }
    this.#timers.add(timer)
    return () => {
      this.#timers.delete(timer)
    }
  }

  /** Sets only the wall clock. */
  setWall(instant: Instant): void {
    this.#wall = instant
    for (const listener of this.#listeners) listener()
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
    for (const listener of this.#listeners) listener()
  }

  /** Calls a listener after each change of the time. Returns a function that removes it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  #move(milliseconds: number): void {
    this.#wall += milliseconds
    this.#monotonic += milliseconds
    this.#uptime += milliseconds
  }

  #findNextTimer(end: number): Timer | null {
    const due = [...this.#timers].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)
    return due[0] ?? null
  }
}
