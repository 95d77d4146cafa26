import { toDisplayLines, toDisplayText } from '../core/display-text.ts'
import { toLicensingError, type ErrorDocument, type LicensingError } from '../core/errors.ts'

/** Hides registration tokens in error output. A usage error repeats the arguments, and an argument may be a token. */
const redactTokens = (text: string): string => text.replace(/SLT1\.[^\s"']+/g, 'SLT1.…')

/** Prints a failure with its remedy as one line on stderr, as JSON or text. @returns the exit code */
export function printFailure(error: unknown, json: boolean): 1 | 2 {
  const failure = toLicensingError(error)
  const document: { error: ErrorDocument } = { error: failure.toJSON() }
  const line = json
    ? toVisibleJson(document)
    : toDisplayText(
        `error: ${document.error.message} ${document.error.remedy} (${failure.code})`.replace(
          /\s*\n\s*/g,
          ' ',
        ),
      )
  process.stderr.write(`${redactTokens(line)}\n`)
  return failure.exitCode
}

/** Prints a problem that did not end the command as one line on stderr, as JSON or text. @param consequence full sentence */
export function printWarning({ code, message }: LicensingError, consequence: string, json: boolean): void {
  const line = json
    ? toVisibleJson({ warning: { code, message, consequence } })
    : toDisplayText(`warning: ${message} ${consequence} (${code})`)
  process.stderr.write(`${line}\n`)
}

/** Prints the one JSON document of a command. */
export function printJson(document: unknown): void {
  process.stdout.write(`${toVisibleJson(document, 2)}\n`)
}

/** Styles that the programs use: bold states, and the colors of QR codes. They hide nothing. */
const OWN_STYLES = /(\u001b\[(?:0|1|22|38;5;231;48;5;16)m)/

/** Prints lines of text. Names and messages in it may come from other machines, so control characters are replaced. */
export function printText(text: string): void {
  const lines = text
    .split(OWN_STYLES)
    .map((part) => (OWN_STYLES.test(part) ? part : toDisplayLines(part)))
    .join('')
  process.stdout.write(lines.endsWith('\n') ? lines : `${lines}\n`)
}

/** Formats JSON with escapes for the characters that would change a terminal. */
const toVisibleJson = (document: unknown, indent?: number): string =>
  JSON.stringify(document, null, indent).replace(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from({ length: character.length }, (_, index) => toUnicodeEscape(character.charCodeAt(index))).join(
      '',
    ),
  )

const toUnicodeEscape = (unit: number): string => `\\u${unit.toString(16).padStart(4, '0')}`
