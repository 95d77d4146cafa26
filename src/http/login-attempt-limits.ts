import { HOUR, MINUTE } from '../core/time.ts'

/** How long somebody stays signed in at a page, and how many may be: milliseconds of use, without use, and sessions. */
export const SESSION_LIMITS = {
  maxAgeMs: 12 * HOUR,
  maxIdleMs: HOUR,
  /** Use is noted as often as this. */
  touchIntervalMs: MINUTE,
  maxSessions: 1_000,
  /** And of one user: nobody signs the others out by signing in. */
  maxPerUser: 20,
} as const

/** How many wrong passwords one address may try, in how many milliseconds; and of how many guesses is known. */
export const LOGIN_ATTEMPT_LIMITS = { maxFailures: 10, windowMs: MINUTE, maxRemembered: 10_000 } as const
