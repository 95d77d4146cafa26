import { HOUR, MINUTE } from '../core/time.ts'

/** Limits of the sessions of a console. */
export const SESSION_LIMITS = {
  maxAgeMs: 12 * HOUR,
  maxIdleMs: HOUR,
  /** Minimum interval between updates of the time of last use. */
  touchIntervalMs: MINUTE,
  maxSessions: 1_000,
  /** Limit for one user, so that a user cannot displace the sessions of others. */
  maxPerUser: 20,
} as const

/** Limit of failed login attempts within a window. */
export interface LoginAttemptLimit {
  readonly maxFailures: number
  readonly windowMs: number
}

/** Limits of failed login attempts, and of remembered ones. */
export const LOGIN_ATTEMPT_LIMITS = {
  perAddress: { maxFailures: 10, windowMs: MINUTE },
  /** Limit for one user name from all addresses. It is slow, so that others can hardly lock the user out. */
  perUser: { maxFailures: 100, windowMs: HOUR },
  maxRemembered: 10_000,
} as const
