import { fsyncDirectory } from '../storage/private-files.ts'
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { LicensingError } from '../core/errors.ts'
import { fileFailure, readNamedFile, readStandardInput } from './secrets.ts'

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

/** The drawing, where it fits: one that is wrapped cannot be scanned. */
async function drawnOrWhyNot(code: string, terminal: boolean): Promise<string> {
  const drawing = await qrText(code, { colours: false })
  const width = drawing.indexOf('\n')
  if (terminal && process.stdout.columns < width)
    return `(The terminal is too narrow for the QR code: ${width} columns.)`
  return terminal ? qrText(code, { colours: true }) : drawing
}

/** A code for people: what it is, in lines, drawn where it can be scanned, and what to do with it. */
export async function codeText(
  what: string,
  code: string,
  whatToDo: readonly string[],
  options: QrOptions,
): Promise<string> {
  const terminal = process.stdout.isTTY
  const drawn = (options.qr ?? terminal) ? ['', await drawnOrWhyNot(code, terminal)] : []
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

/** No file that is carried is so large, by far. */
const LARGEST = 200_000

/** A file that was carried: named, or `-` for standard input. @throws LicensingError FILE_UNREADABLE, SIGNED_FILE_MALFORMED */
export async function readCarriedFile(path: string): Promise<string> {
  const text = path === '-' ? await readStandardInput() : readNamedFile(path)
  if (text.length > LARGEST)
    throw new LicensingError(
      'SIGNED_FILE_MALFORMED',
      'The file given is no authorization file: it is far too large.',
    )
  return text
}

/**
 * Where a file will be: what a symbolic link leads to. A directory or a device is not written over.
 *
 * @throws LicensingError FILE_UNWRITABLE
 */
function placeOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return path
  if (!stat.isFile())
    throw new LicensingError(
      'FILE_UNWRITABLE',
      `${path} is ${stat.isDirectory() ? 'a directory' : 'no regular file'}.`,
      {
        remedy: 'Name a file, or - for standard output.',
      },
    )
  return realpathSync(path)
}

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
  if (path !== '-') return writeWhole(path, work, ({ file }) => file)
  const done = await work()
  if (done.file !== null) process.stdout.write(done.file)
  return done
}

/** Writes bytes in the same way. @returns how many @throws LicensingError FILE_UNWRITABLE */
export async function writeCarriedBytes(path: string, work: () => Promise<Buffer>): Promise<number> {
  return (await writeWhole(path, work, (bytes) => bytes)).length
}

/** Writes what comes piece by piece in the same way. @returns how many bytes @throws LicensingError FILE_UNWRITABLE */
export function writeCarriedStream(
  path: string,
  work: (write: (chunk: Buffer) => void) => Promise<void>,
): Promise<number> {
  return writeWhole(
    path,
    async (write) => {
      let bytes = 0
      await work((chunk) => {
        write(chunk)
        bytes += chunk.length
      })
      return bytes
    },
    () => WRITTEN,
  )
}

/** What was to be written was, piece by piece. */
const WRITTEN = Buffer.alloc(0)

async function writeWhole<T>(
  path: string,
  work: (write: (chunk: Buffer) => void) => Promise<T>,
  contents: (done: T) => string | Buffer | null,
): Promise<T> {
  if (path === '') throw new LicensingError('INVALID_ARGUMENT', 'The file to write has no name.')
  const unwritable = (thrown: unknown) => fileFailure('FILE_UNWRITABLE', path, thrown)
  let fd: number
  let place: string
  let temporary: string
  try {
    place = placeOf(path)
    temporary = `${place}.${randomBytes(6).toString('hex')}`
    // Made here and now: what lies there already, or leads elsewhere, is not written to.
    fd = openSync(temporary, 'wx', 0o600)
  } catch (thrown) {
    throw unwritable(thrown)
  }
  try {
    const done = await work((chunk) => {
      try {
        writeFileSync(fd, chunk)
      } catch (thrown) {
        throw unwritable(thrown)
      }
    })
    try {
      const whole = contents(done)
      if (whole !== null && whole !== WRITTEN) writeFileSync(fd, whole)
      fsyncSync(fd)
      if (whole !== null) {
        renameSync(temporary, place)
        fsyncDirectory(dirname(place))
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
