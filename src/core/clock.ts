import type { Instant } from './time.ts'

/**
 * Where a program takes its time from: injected in process, the operating system's otherwise.
 * No flag, variable or file of these programs moves it.
 */
export interface Clock {
  /** The wall clock. May be wrong, and may be set either way at any moment. */
  wall(): Instant
  /** Milliseconds that only grow, from an arbitrary zero, within this process. */
  monotonic(): number
  /** Milliseconds since this boot, comparable between processes of the same `bootId`. */
  uptime(): number
  /** What changes when the box restarts. */
  bootId(): string
}
