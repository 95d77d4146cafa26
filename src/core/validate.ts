import type { z } from 'zod'
import { ENGLISH } from './english.ts'
import { LicensingError } from './errors.ts'

/** Validates an external value. @throws LicensingError INVALID_ARGUMENT */
export function validate<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value, ENGLISH)
  if (parsed.success) return parsed.data
  throw new LicensingError(
    'INVALID_ARGUMENT',
    `The ${what} cannot be used: ${parsed.error.issues[0]?.message ?? 'not valid'}.`,
  )
}
