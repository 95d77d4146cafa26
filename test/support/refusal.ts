import { LicensingError } from '../../src/core/errors.ts'

/** The code and the words with which some work is refused. */
export function getRefusal(work: () => unknown): string {
  try {
    work()
    return 'not refused'
  } catch (error) {
    return error instanceof LicensingError ? `${error.code}: ${error.message}` : `not ours: ${String(error)}`
  }
}
