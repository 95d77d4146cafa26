import type { Periods } from './agent-context.ts'
import { DAY, HOUR, type Instant, MINUTE, SECOND } from './time.ts'

/**
 * Periods, retry delays, and pure functions that compute deadlines from stored instants. Instants are milliseconds
 * since 1970 UTC. Delays are milliseconds.
 */

/** Periods of a product that sets none, as in Cisco Smart Licensing. */
export const defaultPeriods: Periods = {
  evaluationSeconds: (90 * DAY) / SECOND,
  registrationRenewal: 180 * DAY,
  authorizationRenewal: 30 * DAY,
  outOfComplianceRecheck: 12 * HOUR,
  usageReportDelay: 30 * SECOND,
  maxEarlyContact: 3 * DAY,
  maxRetryAfter: DAY,
  evaluationWarnings: [30, 14, 7, 3, 1].map((days) => (days * DAY) / SECOND),
  termWarnings: [60, 30, 14, 7, 3, 1].map((days) => (days * DAY) / SECOND),
}

/** Upper bounds of the delay after the first, second, … failed attempt. Later attempts use the last entry. */
export const RETRY_DELAYS_MS: readonly number[] = [
  30 * SECOND,
  MINUTE,
  2 * MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  20 * MINUTE,
  30 * MINUTE,
  HOUR,
  2 * HOUR,
  4 * HOUR,
]

/** Minimum delay between two attempts, whatever the jitter. */
export const MIN_RETRY_DELAY_MS = 5 * SECOND

/**
 * Returns the instant of the next attempt after a failed one.
 *
 * The delay is random, between the minimum delay and the entry of `RETRY_DELAYS_MS`, so that ten thousand devices do
 * not reconnect together. The jitter is drawn once and stored, so that a restart continues the schedule. A longer
 * `Retry-After` replaces the delay, plus up to a tenth of `Retry-After` as jitter, within `options.ceiling`. The
 * deadline always limits the delay.
 *
 * @param failures number of consecutive failed attempts, this one included: 1 or more
 * @param jitter random number in [0, 1)
 * @param options.retryAfter delay requested by the server, in milliseconds
 * @param options.ceiling limit for `retryAfter`, in milliseconds
 * @param options.deadline instant before which an attempt must be made, or null
 */
export function nextRetryAt(
  at: Instant,
  failures: number,
  jitter: number,
  options: { retryAfter: number | null; ceiling: number; deadline: Instant | null },
): Instant {
  const maxDelay = RETRY_DELAYS_MS[Math.min(failures, RETRY_DELAYS_MS.length) - 1] ?? HOUR
  const jittered = MIN_RETRY_DELAY_MS + Math.floor(jitter * (maxDelay - MIN_RETRY_DELAY_MS))
  const requestedDelay = Math.min(Math.max(options.retryAfter ?? 0, 0), options.ceiling)
  const jitteredRequest = Math.min(
    requestedDelay + Math.floor((jitter * requestedDelay) / 10),
    options.ceiling,
  )
  const next = at + Math.max(jittered, jitteredRequest)
  if (options.deadline === null || options.deadline <= at) return next
  return Math.min(next, Math.max(options.deadline - MINUTE, at + MIN_RETRY_DELAY_MS))
}

/** Checks whether an instant has come. Returns false for null. */
export const isDue = (instant: Instant | null, at: Instant): boolean => instant !== null && at >= instant

/**
 * Checks whether a wait is over. A wait is also over when its end is further away than `maxWait`. In that case the
 * clock was ahead when the wait began, and the authority has corrected the clock since.
 *
 * @param instant end of the wait, or null when nothing waits
 * @param maxWait longest duration of such a wait, in milliseconds
 */
export const hasElapsed = (instant: Instant | null, at: Instant, maxWait: number): boolean =>
  isDue(instant, at) || (instant !== null && instant - at > maxWait)

/** Returns the longest delay between two attempts, in milliseconds, including any `Retry-After`. */
export const maxRetryDelay = (periods: Periods): number =>
  Math.max(periods.maxRetryAfter, RETRY_DELAYS_MS.at(-1) ?? HOUR)

/**
 * Returns the instant of the next authorization after a success. The authority may request an earlier contact, by at
 * most `maxEarlyContact`. The result never lies after the deadline.
 */
export function nextAuthorizationAt(
  at: Instant,
  compliant: boolean,
  periods: Periods,
  answer: { deadlineAt: Instant; nextContactAt: Instant | null },
): Instant {
  const regular = at + (compliant ? periods.authorizationRenewal : periods.outOfComplianceRecheck)
  const suggestedAt = answer.nextContactAt ?? regular
  const earliest = Math.max(regular - periods.maxEarlyContact, at + MINUTE)
  const next = Math.min(regular, Math.max(suggestedAt, Math.min(earliest, regular)))
  return answer.deadlineAt > at ? Math.min(next, answer.deadlineAt) : next
}

/** Returns the warning thresholds crossed between two readings of the remaining seconds, largest first. */
export const findCrossedThresholds = (before: number, after: number, warnings: readonly number[]): number[] =>
  warnings.filter((seconds) => before > seconds && after <= seconds && after > 0)
