import type { Instant } from './time.ts'

/**
 * Time source of a program. The default is the operating system. Only the embedding process can replace it: no option,
 * variable or file of these programs can.
 */
export interface Clock {
  /** Returns the wall clock's time. It may be wrong, and may be set back or forward at any time. */
  wall(): Instant
  /** Returns monotonic milliseconds from an arbitrary zero within this process. */
  monotonic(): number
  /** Returns the milliseconds since boot, comparable between processes with the same `bootId`. */
  uptime(): number
  /** Returns an id that changes when the machine restarts. */
  bootId(): string
  /**
   * Calls back after a time of this clock, at most once, and returns a function that cancels it. Without it, time limits are
   * those of the machine alone. A virtual clock ends the time limit of an exchange when it passes the limit.
   */
  setTimer?(milliseconds: number, callback: () => void): () => void
}
