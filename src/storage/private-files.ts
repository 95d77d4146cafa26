import {
  closeSync,
  fchmodSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { LicensingError } from '../core/errors.ts'
import { errnoCode } from '../core/errno-code.ts'
import { replaceFile } from './atomic-file.ts'

/**
 * Converts an error of the file system or SQLite to a LicensingError.
 *
 * @param operation operation that failed, for the message: `writing a secret`
 */
export function toStoreError(error: unknown, operation: string): LicensingError {
  if (error instanceof LicensingError) return error
  const code = errnoCode(error)
  // SQLite reports a full disk as SHMSIZE when it enlarges the index of its log.
  if (/^(ENOSPC|EDQUOT|EFBIG|SQLITE_FULL|SQLITE_IOERR_SHMSIZE)$/.test(code)) {
    return new LicensingError('STORE_FULL', `The disk is full: ${operation} failed.`)
  }
  if (/^(EACCES|EPERM|EROFS|EIO|SQLITE_READONLY|SQLITE_CANTOPEN|SQLITE_PERM|SQLITE_IOERR)/.test(code)) {
    return new LicensingError('STORE_UNWRITABLE', `${capitalize(operation)} failed (${code}).`)
  }
  if (/^(SQLITE_NOTADB|SQLITE_CORRUPT)/.test(code)) {
    return new LicensingError(
      'STORE_UNREADABLE',
      `${capitalize(operation)} failed: the file is damaged (${code}).`,
    )
  }
  return new LicensingError(
    'INTERNAL',
    `${capitalize(operation)} failed (${code || (error instanceof Error ? error.message : 'unknown')}).`,
  )
}

const capitalize = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** Returns true if a file exists. @throws LicensingError STORE_UNWRITABLE if its directory cannot be read */
export function fileExists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    if (errnoCode(error) === 'ENOTDIR') return false
    throw toStoreError(error, `looking for ${path}`)
  }
}

/**
 * Creates a directory with mode 0700, or checks that an existing one is private.
 *
 * @throws LicensingError DATA_DIR_UNSAFE, STORE_*
 */
export function ensurePrivateDirectory(path: string): void {
  try {
    createDirectory(path)
  } catch (error) {
    const code = errnoCode(error)
    if (code === 'EEXIST' || code === 'ENOTDIR')
      throw new LicensingError('DATA_DIR_UNSAFE', `${path} is not a directory.`)
    // Node reports a read-only or missing parent directory with various codes, which have the same remedy.
    const failure = toStoreError(error, `creating the directory ${path}`)
    throw failure.code === 'INTERNAL' ? new LicensingError('STORE_UNWRITABLE', failure.message) : failure
  }
  checkPrivateDirectory(path)
}

/**
 * Creates a directory with mode 0700, and its missing parents. `mkdirSync` with `recursive` never returns where no
 * directory can be created, such as in /proc.
 *
 * @throws Error of the file system
 */
export function createDirectory(path: string): void {
  const createOne = () => {
    mkdirSync(path, { mode: 0o700 })
  }
  try {
    createOne()
  } catch (error) {
    if (errnoCode(error) === 'EEXIST' && statSync(path).isDirectory()) return
    const parent = dirname(resolve(path))
    if (errnoCode(error) !== 'ENOENT' || parent === resolve(path)) throw error
    createDirectory(parent)
    createOne()
  }
}

/** @throws LicensingError DATA_DIR_UNSAFE if the directory belongs to another user or is open to other users */
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

/** Creates a file with mode 0600 before another program opens it. SQLite gives its side files the same mode. */
export function ensurePrivateFile(path: string): void {
  const fd = openSync(path, 'a', 0o600)
  try {
    fchmodSync(fd, 0o600)
  } finally {
    closeSync(fd)
  }
}

/** Stores secrets as files of mode 0600. A secret and its directory entry are on disk when `put` returns. */
export class SecretFileStore {
  readonly #directory: string

  constructor(directory: string) {
    ensurePrivateDirectory(directory)
    this.#directory = directory
  }

  put(name: string, text: string): void {
    try {
      replaceFile(join(this.#directory, name), text)
    } catch (error) {
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

  /** Deletes every secret that is not referenced, and temporary files left by a crash. */
  deleteExcept(names: ReadonlySet<string>): void {
    for (const name of readdirSync(this.#directory)) {
      if (!names.has(name)) rmSync(join(this.#directory, name), { force: true })
    }
  }
}
