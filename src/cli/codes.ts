import { LicensingError } from '../core/errors.ts'
import { readFileArgument, readStandardInput } from './secrets.ts'

// Prints and reads the codes and files that an administrator transfers between a device and its authority.

/** Groups per line. Short lines are easy to read aloud and to compare. */
const GROUPS_PER_LINE = 5

/** Formats a code in lines of five groups. */
export function formatCode(code: string): string {
  const groups = code.split('-')
  const lines: string[] = []
  for (let at = 0; at < groups.length; at += GROUPS_PER_LINE)
    lines.push(groups.slice(at, at + GROUPS_PER_LINE).join('-'))
  return lines.join('-\n')
}

/**
 * Encodes a code as a QR code of text characters. With `colors`, escape sequences set the colors, so that a scanner can
 * read the QR code on any terminal theme.
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

/** Options of QR codes. The default draws a QR code on a terminal only. */
export interface QrOptions {
  readonly qr?: boolean
}

/** Returns the QR code, or a note when the terminal is too narrow: a wrapped QR code cannot be scanned. */
async function renderQrCode(code: string, terminal: boolean): Promise<string> {
  const drawing = await encodeQrText(code, { colors: false })
  const width = drawing.indexOf('\n')
  if (terminal && process.stdout.columns < width)
    return `(The terminal is too narrow for the QR code: ${width} columns.)`
  return terminal ? encodeQrText(code, { colors: true }) : drawing
}

/** Formats a code with its title, an optional QR code and instructions. */
export async function formatCodeNotice(
  what: string,
  code: string,
  whatToDo: readonly string[],
  options: QrOptions,
): Promise<string> {
  const terminal = process.stdout.isTTY
  const drawing = (options.qr ?? terminal) ? ['', await renderQrCode(code, terminal)] : []
  return [`${what}:`, '', formatCode(code), ...drawing, '', ...whatToDo].join('\n')
}

/** Reads a code from an argument, a file, or standard input for `-`. @throws LicensingError USAGE, FILE_UNREADABLE */
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

/** Maximum length of a signed file in characters. Real files are far smaller. */
const MAX_FILE_LENGTH = 200_000

/** Reads a signed file by its path, or standard input for `-`. @throws LicensingError FILE_UNREADABLE, SIGNED_FILE_MALFORMED */
export async function readSignedFile(path: string): Promise<string> {
  const text = path === '-' ? await readStandardInput() : readFileArgument(path)
  if (text.length > MAX_FILE_LENGTH)
    throw new LicensingError('SIGNED_FILE_MALFORMED', 'The file is too large for an authorization file.')
  return text
}
