import { z } from 'zod'
import { validate } from '../core/validate.ts'

/** Longest name of a user, in UTF-16 units: an address of e-mail has 254. */
export const MAX_USERNAME_LENGTH = 254

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
      .max(MAX_USERNAME_LENGTH, `it is longer than ${MAX_USERNAME_LENGTH} characters`)
      .regex(/^[^\p{Cc}\p{Cs}\u2028\u2029]+$/u, 'it holds control characters'),
  )

/** The id of a meeting: the product's own, one word or more. */
const meetingIdSchema = z
  .string()
  .trim()
  .min(1, 'it is empty')
  .max(200, 'it is longer than 200 characters')
  .regex(/^[^\p{Cc}\p{Cs}\u2028\u2029]+$/u, 'it holds control characters')

/** @throws LicensingError INVALID_ARGUMENT */
export const parseUser = (value: unknown): string => validate(userSchema, value, 'user name')

/** @throws LicensingError INVALID_ARGUMENT */
export const parseDataCenter = (value: unknown): string =>
  validate(userSchema, value, 'name of the data center')

/** @throws LicensingError INVALID_ARGUMENT */
export const parseMeetingId = (value: unknown): string => validate(meetingIdSchema, value, 'meeting id')
