import { asLicensingError, type ErrorDocument, type LicensingError } from '../domain/errors.ts'

/** Both programs: 0 done, 1 refused or failed, 2 wrong usage. */
export const exitCodeOf = (failure: LicensingError): 1 | 2 => (failure.kind === 'usage' ? 2 : 1)

/** Prints a failure as one line on stderr, JSON or text, with what to do; gives the exit code. */
export function printFailure(thrown: unknown, json: boolean): 1 | 2 {
  const failure = asLicensingError(thrown)
  const document: { error: ErrorDocument } = { error: failure.toJSON() }
  process.stderr.write(
    json
      ? `${JSON.stringify(document)}\n`
      : `error: ${failure.message} ${failure.remedy} (${failure.code})\n`,
  )
  return exitCodeOf(failure)
}

/** Prints the one JSON document of a command. */
export function printJson(document: unknown): void {
  process.stdout.write(`${JSON.stringify(document, null, 2)}\n`)
}

export function printText(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}
