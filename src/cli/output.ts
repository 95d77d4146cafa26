import { toLicensingError, type ErrorDocument, type LicensingError } from '../core/errors.ts'

/** Hides registration tokens in error output. A usage error repeats the arguments, and an argument may be a token. */
const redactTokens = (text: string): string => text.replace(/SLT1\.[^\s"']+/g, 'SLT1.…')

/** Prints a failure with its remedy as one line on stderr, as JSON or text. @returns the exit code */
export function printFailure(error: unknown, json: boolean): 1 | 2 {
  const failure = toLicensingError(error)
  const document: { error: ErrorDocument } = { error: failure.toJSON() }
  const line = json
    ? JSON.stringify(document)
    : `error: ${document.error.message} ${document.error.remedy} (${failure.code})`.replace(/\s*\n\s*/g, ' ')
  process.stderr.write(`${redactTokens(line)}\n`)
  return failure.exitCode
}

/** Prints a problem that did not end the command as one line on stderr, as JSON or text. @param consequence full sentence */
export function printWarning({ code, message }: LicensingError, consequence: string, json: boolean): void {
  const line = json
    ? JSON.stringify({ warning: { code, message, consequence } })
    : `warning: ${message} ${consequence} (${code})`
  process.stderr.write(`${line}\n`)
}

/** Prints the one JSON document of a command. */
export function printJson(document: unknown): void {
  process.stdout.write(`${JSON.stringify(document, null, 2)}\n`)
}

export function printText(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}
