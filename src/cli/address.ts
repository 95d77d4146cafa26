import { LicensingError } from '../core/errors.ts'
import { quoteForError } from '../core/text.ts'

/** Parses `HOST:PORT`. Without a host, returns the address of all interfaces. @throws LicensingError INVALID_ARGUMENT */
export function parseAddress(text: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  if (!match || host === undefined || Number(match[3]) > 65_535)
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `The address ${quoteForError(text)} is not of the form HOST:PORT.`,
    )
  return { host: host === '' ? '0.0.0.0' : host, port: Number(match[3]) }
}
