import type { Periods } from './agent-context.ts'
import { DAY, HOUR, type Instant, MINUTE, SECOND } from './time.ts'

/**
 * Periods and retry waits as data, and the pure predicates over stored instants: is it due, when next.
 * Every instant is milliseconds since 1970 UTC; every wait is milliseconds.
 */

/** Periods of a product that sets none: those of the guide and of the field. */
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

/** Waits after the first, second, … failed attempt; the last one repeats. Short first, then longer, capped. */
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

/** No attempt follows another sooner, however the dice fall. */
export const MIN_RETRY_DELAY_MS = 5 * SECOND

/**
 * When to try again after a failed attempt.
 *
 * Full jitter: anywhere between the shortest wait and the table's, decided once and stored, so that ten
 * thousand boxes whose authority returns do not arrive together and a restart continues the schedule.
 * `Retry-After` moves it later, up to its ceiling, and by up to a tenth more, so that those who were asked together
 * do not return together; nothing moves it past the deadline.
 *
 * @param failures how many attempts in a row have failed, this one included: 1 or more
 * @param jitter a random number from 0 up to 1
 * @param deadline the instant by which an attempt must have been made; null without one
 */
export function nextRetryAt(
  at: Instant,
  failures: number,
  jitter: number,
  options: { retryAfter: number | null; ceiling: number; deadline: Instant | null },
): Instant {
  const wait = RETRY_DELAYS_MS[Math.min(failures, RETRY_DELAYS_MS.length) - 1] ?? HOUR
  const jittered = MIN_RETRY_DELAY_MS + Math.floor(jitter * (wait - MIN_RETRY_DELAY_MS))
  const requestedDelay = Math.min(Math.max(options.retryAfter ?? 0, 0), options.ceiling)
  const jitteredRequest = Math.min(
    requestedDelay + Math.floor((jitter * requestedDelay) / 10),
    options.ceiling,
  )
  const next = at + Math.max(jittered, jitteredRequest)
  if (options.deadline === null || options.deadline <= at) return next
  return Math.min(next, Math.max(options.deadline - MINUTE, at + MIN_RETRY_DELAY_MS))
}

/** Whether an instant that may not be set has come. */
export const isDue = (instant: Instant | null, at: Instant): boolean => instant !== null && at >= instant

/**
 * Whether a wait is over: its end has come, or lies further ahead than it was ever set. The latter is so when
 * the wait was begun by a clock that was ahead, and the authority has corrected it since.
 *
 * @param maxWait milliseconds that such a wait lasts at most
 */
export const hasElapsed = (instant: Instant | null, at: Instant, maxWait: number): boolean =>
  isDue(instant, at) || (instant !== null && instant - at > maxWait)

/** The longest wait between two attempts, whatever the other side asked for. */
export const maxRetryDelay = (periods: Periods): number =>
  Math.max(periods.maxRetryAfter, RETRY_DELAYS_MS.at(-1) ?? HOUR)

/**
 * When to authorize next after a success. An authority may wish for less, by at most the reach; nothing
 * passes the deadline.
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

/** The warnings that lie between two readings of the remaining seconds, largest first. */
export const crossedThresholds = (before: number, after: number, warnings: readonly number[]): number[] =>
  warnings.filter((seconds) => before > seconds && after <= seconds && after > 0)
