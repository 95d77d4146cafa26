import { z } from 'zod'
import { validate } from '../core/validate.ts'

/** Maximum length of a user name in UTF-16 units: that of an e-mail address. */
export const MAX_USERNAME_LENGTH = 254

/**
 * User name in any script, without control characters and outer whitespace. Normalized to Unicode NFC, so that the same
 * name typed on two keyboards is the same user.
 */
const userSchema = z
  .string()
  .transform((text) => text.normalize('NFC').trim())
  .pipe(
    z
      .string()
      .min(1, 'it is empty')
      .max(MAX_USERNAME_LENGTH, `it is longer than ${MAX_USERNAME_LENGTH} characters`)
      .regex(/^[^\p{Cc}\p{Cs}\u2028\u2029]+$/u, 'it contains control characters'),
  )

/** Meeting id, defined by the product. */
const meetingIdSchema = z
  .string()
  .trim()
  .min(1, 'it is empty')
  .max(200, 'it is longer than 200 characters')
  .regex(/^[^\p{Cc}\p{Cs}\u2028\u2029]+$/u, 'it contains control characters')

/** @throws LicensingError INVALID_ARGUMENT */
export const parseUser = (value: unknown): string => validate(userSchema, value, 'user name')

/** @throws LicensingError INVALID_ARGUMENT */
export const parseDataCenter = (value: unknown): string =>
  validate(userSchema, value, 'name of the data center')

/** @throws LicensingError INVALID_ARGUMENT */
export const parseMeetingId = (value: unknown): string => validate(meetingIdSchema, value, 'meeting id')
