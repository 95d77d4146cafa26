import { LicensingError } from '../core/errors.ts'
import { readFileArgument, readStandardInput } from './secrets.ts'

/** Codes and files that a person takes from a device to its authority and back: printed, drawn as QR codes, read. */

/** Groups of a code in a line: a line is read out in one breath, and the seventh group is found without counting far. */
const GROUPS_PER_LINE = 5

/** A code in lines of five groups. */
export function formatCode(code: string): string {
  const groups = code.split('-')
  const lines: string[] = []
  for (let at = 0; at < groups.length; at += GROUPS_PER_LINE)
    lines.push(groups.slice(at, at + GROUPS_PER_LINE).join('-'))
  return lines.join('-\n')
}

/**
 * A code as a QR code made of text, for a phone that carries it. On a terminal its colors are said, so that it is dark on
 * light whatever the colors of the terminal are.
 */
export async function encodeQrText(code: string, { colors: colors }: { colors: boolean }): Promise<string> {
  const { renderUnicodeCompact } = await import('uqr')
  const text = renderUnicodeCompact(code, { border: 4, ecc: 'L' })
  if (!colors) return text
  return text
    .split('\n')
    .map((line) => `\u001b[38;5;231;48;5;16m${line}\u001b[0m`)
    .join('\n')
}

/** Whether a code is also drawn: told so, or printed to a terminal where nobody said no. */
export interface QrOptions {
  readonly qr?: boolean
}

/** The drawing, where it fits: one that is wrapped cannot be scanned. */
async function renderQrCode(code: string, terminal: boolean): Promise<string> {
  const drawing = await encodeQrText(code, { colors: false })
  const width = drawing.indexOf('\n')
  if (terminal && process.stdout.columns < width)
    return `(The terminal is too narrow for the QR code: ${width} columns.)`
  return terminal ? encodeQrText(code, { colors: true }) : drawing
}

/** A code for people: what it is, in lines, drawn where it can be scanned, and what to do with it. */
export async function formatCodeNotice(
  what: string,
  code: string,
  whatToDo: readonly string[],
  options: QrOptions,
): Promise<string> {
  const terminal = process.stdout.isTTY
  const drawn = (options.qr ?? terminal) ? ['', await renderQrCode(code, terminal)] : []
  return [`${what}:`, '', formatCode(code), ...drawn, '', ...whatToDo].join('\n')
}

/** A code from where it was given: argument, file, or standard input for `-`. @throws LicensingError USAGE, FILE_UNREADABLE */
export async function readCode(given: {
  argument?: string | undefined
  file?: string | undefined
  what: string
}): Promise<string> {
  const { argument, file, what } = given
  if (argument !== undefined && file !== undefined)
    throw new LicensingError('USAGE', `The ${what} was given twice: as an argument and as a file.`)
  if (file !== undefined) return readFileArgument(file)
  if (argument === '-') return readStandardInput()
  if (argument === undefined) throw new LicensingError('USAGE', `The ${what} is missing.`)
  return argument
}

/** No file that is carried is so large, by far. */
const MAX_FILE_LENGTH = 200_000

/** A file that was carried: named, or `-` for standard input. @throws LicensingError FILE_UNREADABLE, SIGNED_FILE_MALFORMED */
export async function readSignedFile(path: string): Promise<string> {
  const text = path === '-' ? await readStandardInput() : readFileArgument(path)
  if (text.length > MAX_FILE_LENGTH)
    throw new LicensingError(
      'SIGNED_FILE_MALFORMED',
      'The file given is no authorization file: it is far too large.',
    )
  return text
}
