import { LicensingError } from '../../src/core/errors.ts'

/** The code and the words with which some work is refused. */
export function refusal(work: () => unknown): string {
  try {
    work()
    return 'not refused'
  } catch (thrown) {
    return thrown instanceof LicensingError
      ? `${thrown.code}: ${thrown.message}`
      : `not ours: ${String(thrown)}`
  }
}
