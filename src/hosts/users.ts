import { z } from 'zod'
import { LicensingError } from '../domain/errors.ts'

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

const parse = (schema: z.ZodType<string>, what: string, value: unknown): string => {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new LicensingError(
    'INVALID_ARGUMENT',
    `The ${what} cannot be used: ${parsed.error.issues[0]?.message ?? 'it is not of its form'}.`,
  )
}

/** @throws LicensingError INVALID_ARGUMENT */
export const parseUser = (value: unknown): string => parse(userSchema, 'user name', value)

/** @throws LicensingError INVALID_ARGUMENT */
export const parseDataCenter = (value: unknown): string => parse(userSchema, 'name of the data center', value)

/** @throws LicensingError INVALID_ARGUMENT */
export const parseMeetingId = (value: unknown): string => parse(meetingSchema, 'meeting id', value)
