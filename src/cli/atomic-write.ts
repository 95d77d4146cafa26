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
import { fsyncDirectory } from '../storage/private-files.ts'
import { toFileError } from './secrets.ts'

/**
 * Where a file will be: what a symbolic link leads to. A directory or a device is not written over.
 *
 * @throws LicensingError FILE_UNWRITABLE
 */
function resolveTarget(path: string): string {
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
export async function writeFileAtomically<T extends { readonly file: string | null }>(
  path: string,
  work: () => Promise<T>,
): Promise<T> {
  if (path !== '-') return writeAtomically(path, work, ({ file }) => file)
  const done = await work()
  if (done.file !== null) process.stdout.write(done.file)
  return done
}

/** Writes bytes in the same way. @returns how many @throws LicensingError FILE_UNWRITABLE */
export async function writeBytesAtomically(path: string, work: () => Promise<Buffer>): Promise<number> {
  return (await writeAtomically(path, work, (bytes) => bytes)).length
}

/** Writes what comes piece by piece in the same way. @returns how many bytes @throws LicensingError FILE_UNWRITABLE */
export function writeStreamAtomically(
  path: string,
  work: (write: (chunk: Buffer) => void) => Promise<void>,
): Promise<number> {
  return writeAtomically(
    path,
    async (write) => {
      let bytes = 0
      await work((chunk) => {
        write(chunk)
        bytes += chunk.length
      })
      return bytes
    },
    () => ALREADY_WRITTEN,
  )
}

/** What was to be written was, piece by piece. */
const ALREADY_WRITTEN = Buffer.alloc(0)

async function writeAtomically<T>(
  path: string,
  work: (write: (chunk: Buffer) => void) => Promise<T>,
  contents: (done: T) => string | Buffer | null,
): Promise<T> {
  if (path === '') throw new LicensingError('INVALID_ARGUMENT', 'The file to write has no name.')
  const unwritable = (error: unknown) => toFileError('FILE_UNWRITABLE', path, error)
  let fd: number
  let place: string
  let temporary: string
  try {
    place = resolveTarget(path)
    temporary = `${place}.${randomBytes(6).toString('hex')}`
    // Made here and now: what lies there already, or leads elsewhere, is not written to.
    fd = openSync(temporary, 'wx', 0o600)
  } catch (error) {
    throw unwritable(error)
  }
  try {
    const done = await work((chunk) => {
      try {
        writeFileSync(fd, chunk)
      } catch (error) {
        throw unwritable(error)
      }
    })
    try {
      const whole = contents(done)
      if (whole !== null && whole !== ALREADY_WRITTEN) writeFileSync(fd, whole)
      fsyncSync(fd)
      if (whole !== null) {
        renameSync(temporary, place)
        fsyncDirectory(dirname(place))
      }
    } catch (error) {
      throw unwritable(error)
    }
    return done
  } finally {
    closeSync(fd)
    rmSync(temporary, { force: true })
  }
}
