import { HOUR, MINUTE } from '../core/time.ts'

/** How long somebody stays signed in at a page, and how many may be: milliseconds of use, without use, and sessions. */
export const SESSION_LIMITS = {
  longest: 12 * HOUR,
  idle: HOUR,
  /** Use is noted as often as this. */
  noted: MINUTE,
  most: 1_000,
  /** And of one user: nobody signs the others out by signing in. */
  mostOfUser: 20,
} as const

/** How many wrong passwords one address may try, in how many milliseconds; and of how many guesses is known. */
export const GUESS_LIMITS = { most: 10, window: MINUTE, known: 10_000 } as const
