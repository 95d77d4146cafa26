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

/** Limits of failed login attempts from one address within a window, and of remembered addresses. */
export const LOGIN_ATTEMPT_LIMITS = { maxFailures: 10, windowMs: MINUTE, maxRemembered: 10_000 } as const
