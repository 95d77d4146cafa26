import {
  closeSync,
  fchmodSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { LicensingError } from '../core/errors.ts'
import { errnoCode } from '../core/errno-code.ts'

/** An error of the file system as one of ours: full, read-only, or not permitted. */
export function toStoreError(error: unknown, doing: string): LicensingError {
  if (error instanceof LicensingError) return error
  const code = errnoCode(error)
  if (/^(ENOSPC|EDQUOT|EFBIG|SQLITE_FULL)$/.test(code)) {
    return new LicensingError('STORE_FULL', `The disk is full: ${doing} failed.`)
  }
  if (/^(EACCES|EPERM|EROFS|EIO|SQLITE_READONLY|SQLITE_CANTOPEN|SQLITE_PERM|SQLITE_IOERR)/.test(code)) {
    return new LicensingError('STORE_UNWRITABLE', `${capitalize(doing)} failed (${code}).`)
  }
  if (/^(SQLITE_NOTADB|SQLITE_CORRUPT)/.test(code)) {
    return new LicensingError(
      'STORE_UNREADABLE',
      `${capitalize(doing)} failed: the file is damaged (${code}).`,
    )
  }
  return new LicensingError(
    'INTERNAL',
    `${capitalize(doing)} failed (${code || (error instanceof Error ? error.message : 'unknown')}).`,
  )
}

const capitalize = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** Whether a file is there. @throws LicensingError STORE_UNWRITABLE when that may not be looked at */
export function fileExists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    if (errnoCode(error) === 'ENOTDIR') return false
    throw toStoreError(error, `looking for ${path}`)
  }
}

/** Makes a directory for this user alone, or checks that an existing one is. Throws DATA_DIR_UNSAFE. */
export function ensurePrivateDirectory(path: string): void {
  try {
    createDirectory(path)
  } catch (error) {
    const code = errnoCode(error)
    if (code === 'EEXIST' || code === 'ENOTDIR')
      throw new LicensingError('DATA_DIR_UNSAFE', `${path} is not a directory.`)
    // Node tells of a read-only or missing parent by several codes: what is to be done is the same.
    const failure = toStoreError(error, `making the directory ${path}`)
    throw failure.code === 'INTERNAL' ? new LicensingError('STORE_UNWRITABLE', failure.message) : failure
  }
  checkPrivateDirectory(path)
}

/**
 * Makes a directory for this user alone where there is none, with those above it that are missing. Node's own way never ends
 * where nothing can be made, such as in /proc.
 *
 * @throws Error of the file system
 */
export function createDirectory(path: string): void {
  const make = () => {
    mkdirSync(path, { mode: 0o700 })
  }
  try {
    make()
  } catch (error) {
    if (errnoCode(error) === 'EEXIST' && statSync(path).isDirectory()) return
    const above = dirname(resolve(path))
    if (errnoCode(error) !== 'ENOENT' || above === resolve(path)) throw error
    createDirectory(above)
    make()
  }
}

/** @throws LicensingError DATA_DIR_UNSAFE when the directory is another's, or open to others */
export function checkPrivateDirectory(path: string): void {
  const stat = lstatSync(path)
  if (!stat.isDirectory()) throw new LicensingError('DATA_DIR_UNSAFE', `${path} is not a directory.`)
  const uid = process.getuid?.()
  if (uid !== undefined && stat.uid !== uid) {
    throw new LicensingError('DATA_DIR_UNSAFE', `${path} belongs to another user.`)
  }
  if ((stat.mode & 0o077) !== 0) {
    throw new LicensingError(
      'DATA_DIR_UNSAFE',
      `${path} is open to other users (mode ${(stat.mode & 0o777).toString(8)}).`,
    )
  }
}

/** Makes a file for this user alone before anybody else opens it; SQLite's side files take its mode. */
export function ensurePrivateFile(path: string): void {
  const fd = openSync(path, 'a', 0o600)
  try {
    fchmodSync(fd, 0o600)
  } finally {
    closeSync(fd)
  }
}

/** Writes the entries of a directory to disk: a file that was renamed into it is there after a power cut. */
export const fsyncDirectory = (path: string): void => {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Secrets as files of mode 0600, never as rows: on disk, with their directory entry, when `put` returns. */
export class SecretFileStore {
  readonly #directory: string

  constructor(directory: string) {
    ensurePrivateDirectory(directory)
    this.#directory = directory
  }

  put(name: string, text: string): void {
    const path = join(this.#directory, name)
    const temporary = `${path}.new`
    try {
      const fd = openSync(temporary, 'w', 0o600)
      try {
        // Not `writeSync`: a disk with a little room left takes a part and reports no error.
        writeFileSync(fd, text)
        fsyncSync(fd)
      } finally {
        closeSync(fd)
      }
      renameSync(temporary, path)
      fsyncDirectory(this.#directory)
    } catch (error) {
      rmSync(temporary, { force: true })
      throw toStoreError(error, 'writing a secret')
    }
  }

  get(name: string): string {
    try {
      return readFileSync(join(this.#directory, name), 'utf8')
    } catch {
      throw new LicensingError('STORE_UNREADABLE', `The secret ${name} is missing from the data directory.`)
    }
  }

  has(name: string): boolean {
    return fileExists(join(this.#directory, name))
  }

  /** Removes every secret that nothing refers to any more; what a crash left behind goes with it. */
  deleteExcept(names: ReadonlySet<string>): void {
    for (const name of readdirSync(this.#directory)) {
      if (!names.has(name)) rmSync(join(this.#directory, name), { force: true })
    }
  }
}
