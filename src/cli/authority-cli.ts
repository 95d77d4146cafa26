import type { Authority } from '../authority/authority.ts'
import type { Where } from '../authority/context/authority-context.ts'
import { LicensingError } from '../core/errors.ts'

/** What the commands of the authority share. */
export interface AuthorityCli {
  readonly json: () => boolean
  readonly dataDir: () => string
  /** The PostgreSQL database that was named; undefined for the one the data directory has. */
  readonly database: () => string | undefined
  /** Opens the authority, does the one thing, closes it. */
  readonly withAuthority: <T>(work: (authority: Authority, where: Where) => Promise<T> | T) => Promise<T>
}

/** A whole number of the command line. @throws LicensingError INVALID_ARGUMENT */
export function wholeNumber(text: string, what: string): number {
  if (!/^\d{1,12}$/.test(text))
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `The ${what} ${JSON.stringify(text)} is not a whole number, 0 or more.`,
    )
  return Number(text)
}
