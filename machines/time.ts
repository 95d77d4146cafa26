/** A point in time: milliseconds since 1970-01-01T00:00:00Z. Never a local time, never a duration. */
export type Instant = number

/** Durations in milliseconds. */
export const SECOND = 1_000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR
