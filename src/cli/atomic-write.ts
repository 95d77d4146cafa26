import { realpathSync, statSync } from 'node:fs'
import { LicensingError } from '../core/errors.ts'
import { AtomicFile } from '../storage/atomic-file.ts'
import { toFileError } from './secrets.ts'

/**
 * Returns the path to write to. A symbolic link is resolved, because the person who runs the command named it. Directories
 * and device files are refused.
 *
 * @throws LicensingError FILE_UNWRITABLE
 */
function resolveTarget(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return path
  if (!stat.isFile())
    throw new LicensingError(
      'FILE_UNWRITABLE',
      `${path} is ${stat.isDirectory() ? 'a directory' : 'not a regular file'}.`,
      {
        remedy: 'Name a regular file, or - for standard output.',
      },
    )
  return realpathSync(path)
}

/**
 * Writes the file that `work` produces, readable by this user only. The path `-` is standard output. The temporary file is
 * opened before `work` runs, so that no change is committed whose file cannot be written. The rename is atomic.
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

/** Writes bytes atomically. @returns the number of bytes @throws LicensingError FILE_UNWRITABLE */
export async function writeBytesAtomically(path: string, work: () => Promise<Buffer>): Promise<number> {
  return (await writeAtomically(path, work, (bytes) => bytes)).length
}

/** Writes chunks atomically. @returns the number of bytes @throws LicensingError FILE_UNWRITABLE */
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

/** Marker returned when the contents were already written in chunks. */
const ALREADY_WRITTEN = Buffer.alloc(0)

async function writeAtomically<T>(
  path: string,
  work: (write: (chunk: Buffer) => void) => Promise<T>,
  contents: (done: T) => string | Buffer | null,
): Promise<T> {
  if (path === '') throw new LicensingError('INVALID_ARGUMENT', 'The path of the output file is empty.')
  const attempt = <R>(step: () => R): R => {
    try {
      return step()
    } catch (error) {
      throw toFileError('FILE_UNWRITABLE', path, error)
    }
  }
  const file = attempt(() => new AtomicFile(resolveTarget(path)))
  try {
    const done = await work((chunk) => {
      attempt(() => {
        file.write(chunk)
      })
    })
    attempt(() => {
      const whole = contents(done)
      if (whole === null) return
      if (whole !== ALREADY_WRITTEN) file.write(whole)
      file.commit()
    })
    return done
  } finally {
    file.close()
  }
}
