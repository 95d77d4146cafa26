import { LicensingError } from '../core/errors.ts'

/** Parses the value of an option that is a whole number of 1 or more. @throws LicensingError INVALID_ARGUMENT */
export function parsePositiveInteger(text: string, option: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new LicensingError(
    'INVALID_ARGUMENT',
    `${option} must be a whole number of 1 or more, not ${JSON.stringify(text)}.`,
  )
}
