import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { LicensingError } from '../domain/errors.ts'
import { readNamedFile, readStandardInput } from './secrets.ts'

/** What people carry between a box and its authority: codes to read, type and scan, and files. */

/** Groups of a code in a line: a line is read out in one breath, and the seventh group is found without counting far. */
const GROUPS_IN_LINE = 5

/** A code in lines of five groups. */
export function codeLines(code: string): string {
  const groups = code.split('-')
  const lines: string[] = []
  for (let at = 0; at < groups.length; at += GROUPS_IN_LINE)
    lines.push(groups.slice(at, at + GROUPS_IN_LINE).join('-'))
  return lines.join('-\n')
}

/**
 * A code as a QR code made of text, for a phone that carries it. On a terminal its colours are said, so that it is dark on
 * light whatever the colours of the terminal are.
 */
export async function qrText(code: string, { colours }: { colours: boolean }): Promise<string> {
  const { renderUnicodeCompact } = await import('uqr')
  const text = renderUnicodeCompact(code, { border: 4, ecc: 'L' })
  if (!colours) return text
  return text
    .split('\n')
    .map((line) => `\u001b[38;5;231;48;5;16m${line}\u001b[0m`)
    .join('\n')
}

/** Whether a code is also drawn: told so, or printed to a terminal where nobody said no. */
export interface QrOptions {
  readonly qr?: boolean
}

/** A code for people: what it is, in lines, drawn where it can be scanned, and what to do with it. */
export async function codeText(
  what: string,
  code: string,
  whatToDo: readonly string[],
  options: QrOptions,
): Promise<string> {
  const terminal = process.stdout.isTTY
  const drawn = (options.qr ?? terminal) ? ['', await qrText(code, { colours: terminal })] : []
  return [`${what}:`, '', codeLines(code), ...drawn, '', ...whatToDo].join('\n')
}

/** A code from where it was given: argument, file, or standard input for `-`. @throws LicensingError USAGE, FILE_UNREADABLE */
export async function readCarriedCode(given: {
  argument?: string | undefined
  file?: string | undefined
  what: string
}): Promise<string> {
  const { argument, file, what } = given
  if (argument !== undefined && file !== undefined)
    throw new LicensingError('USAGE', `The ${what} was given twice: as an argument and as a file.`)
  if (file !== undefined) return readNamedFile(file)
  if (argument === '-') return readStandardInput()
  if (argument === undefined) throw new LicensingError('USAGE', `The ${what} is missing.`)
  return argument
}

/** A file that was carried: named, or `-` for standard input. @throws LicensingError FILE_UNREADABLE */
export const readCarriedFile = async (path: string): Promise<string> =>
  path === '-' ? readStandardInput() : readNamedFile(path)

/**
 * Writes a file that is to be carried, for this user alone; `-` is standard output. The place is tried before the work is
 * done, so that nothing is decided whose file cannot be written, and the file is whole or not there.
 *
 * @throws LicensingError FILE_UNWRITABLE
 */
export async function writeCarriedFile<T extends { readonly file: string | null }>(
  path: string,
  work: () => Promise<T>,
): Promise<T> {
  if (path === '-') {
    const done = await work()
    if (done.file !== null) process.stdout.write(done.file)
    return done
  }
  const temporary = `${path}.new`
  const unwritable = (thrown: unknown) => {
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown reason'
    return new LicensingError('FILE_UNWRITABLE', `The file ${path} could not be written (${code}).`)
  }
  let fd: number
  try {
    fd = openSync(temporary, 'w', 0o600)
  } catch (thrown) {
    throw unwritable(thrown)
  }
  try {
    const done = await work()
    try {
      writeSync(fd, done.file ?? '')
      fsyncSync(fd)
      if (done.file !== null) {
        renameSync(temporary, path)
        syncDirectory(dirname(path))
      }
    } catch (thrown) {
      throw unwritable(thrown)
    }
    return done
  } finally {
    closeSync(fd)
    rmSync(temporary, { force: true })
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
