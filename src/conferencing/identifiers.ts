import { z } from 'zod'
import { checked } from '../core/validate.ts'

/** Longest name of a user, in UTF-16 units: an address of e-mail has 254. */
export const LONGEST_USER = 254

/**
 * A user as the product names them: in any script, without control characters and without blanks at either end. One
 * spelling of each (Unicode NFC), so that the same name typed on two keyboards is one user.
 */
const userSchema = z
  .string()
  .transform((text) => text.normalize('NFC').trim())
  .pipe(
    z
      .string()
      .min(1, 'it is empty')
      .max(LONGEST_USER, `it is longer than ${LONGEST_USER} characters`)
      .regex(/^[^\p{Cc}\p{Cs}\u2028\u2029]+$/u, 'it holds control characters'),
  )

/** The id of a meeting: the product's own, one word or more. */
const meetingSchema = z
  .string()
  .trim()
  .min(1, 'it is empty')
  .max(200, 'it is longer than 200 characters')
  .regex(/^[^\p{Cc}\p{Cs}\u2028\u2029]+$/u, 'it holds control characters')

/** @throws LicensingError INVALID_ARGUMENT */
export const parseUser = (value: unknown): string => checked(userSchema, value, 'user name')

/** @throws LicensingError INVALID_ARGUMENT */
export const parseDataCenter = (value: unknown): string =>
  checked(userSchema, value, 'name of the data center')

/** @throws LicensingError INVALID_ARGUMENT */
export const parseMeetingId = (value: unknown): string => checked(meetingSchema, value, 'meeting id')
