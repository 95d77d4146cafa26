import type { z } from 'zod'
import { ENGLISH } from '../core/english.ts'
import { LicensingError } from '../core/errors.ts'

/** What came in, in its form. @throws LicensingError INVALID_ARGUMENT, naming the field */
export function parsed<S extends z.ZodType>(schema: S, raw: unknown, what: string): z.output<S> {
  const result = schema.safeParse(raw, ENGLISH)
  if (result.success) return result.data
  const { field, reason } = foremost(result.error.issues) ?? { field: '', reason: 'it is not of its form' }
  throw new LicensingError(
    'INVALID_ARGUMENT',
    `${field === '' ? `The ${what}` : field} cannot be used: ${reason}.`,
  )
}

interface Fault {
  readonly field: string
  readonly reason: string
  readonly isMissing: boolean
}

/** What is wrong first; where one of several forms was asked for, with the one that was meant: of which most is there. */
function foremost(
  issues: readonly z.core.$ZodIssue[],
  within: readonly PropertyKey[] = [],
): Fault | undefined {
  const faults = issues.map((issue): Fault => {
    const path = [...within, ...issue.path]
    if (issue.code === 'invalid_union' && issue.message === 'Invalid input') {
      const meant = issue.errors.flatMap((branch) => foremost(branch, path) ?? [])
      const one = meant.find(({ isMissing }) => !isMissing) ?? meant[0]
      if (one) return one
    }
    const isMissing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined')
    return {
      field: path.map(String).join('.'),
      reason: isMissing ? 'it is missing' : issue.message,
      isMissing,
    }
  })
  return faults.find(({ isMissing }) => !isMissing) ?? faults[0]
}
