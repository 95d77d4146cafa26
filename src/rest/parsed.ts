import type { z } from 'zod'
import { LicensingError } from '../domain/errors.ts'

/** What came in, in its form. @throws LicensingError INVALID_ARGUMENT, naming the field */
export function parsed<S extends z.ZodType>(schema: S, raw: unknown, what: string): z.output<S> {
  const result = schema.safeParse(raw)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const field = issue?.path.map(String).join('.') ?? ''
  throw new LicensingError(
    'INVALID_ARGUMENT',
    `${field === '' ? `The ${what}` : field} cannot be used: ${issue?.message ?? 'it is not of its form'}.`,
  )
}
