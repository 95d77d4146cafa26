import { LicensingError } from '../../src/core/errors.ts'

/** Returns the code and message of the LicensingError that a call throws. */
export function getRefusal(work: () => unknown): string {
  try {
    work()
    return 'not refused'
  } catch (error) {
    return error instanceof LicensingError ? `${error.code}: ${error.message}` : `not ours: ${String(error)}`
  }
}
