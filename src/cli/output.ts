import { toLicensingError, type ErrorDocument } from '../core/errors.ts'

/** A token in what is printed, wherever it came from: a mistyped option is repeated in the message that names it. */
const redactTokens = (text: string): string => text.replace(/SLT1\.[^\s"']+/g, 'SLT1.…')

/** Prints a failure as one line on stderr, JSON or text, with what to do; gives the exit code. */
export function printFailure(thrown: unknown, json: boolean): 1 | 2 {
  const failure = toLicensingError(thrown)
  const document: { error: ErrorDocument } = { error: failure.toJSON() }
  const line = json
    ? JSON.stringify(document)
    : `error: ${failure.message} ${failure.remedy} (${failure.code})`.replace(/\s*\n\s*/g, ' ')
  process.stderr.write(`${redactTokens(line)}\n`)
  return failure.exitCode
}

/** Prints the one JSON document of a command. */
export function printJson(document: unknown): void {
  process.stdout.write(`${JSON.stringify(document, null, 2)}\n`)
}

export function printText(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}
