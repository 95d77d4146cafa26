import { createRequire } from 'node:module'
import type Sqlite from 'better-sqlite3'
import { LicensingError } from '../core/errors.ts'
import { errnoCode } from '../core/errno-code.ts'
import { ensurePrivateFile } from './private-files.ts'

/**
 * Selects the version of better-sqlite3 for this version of Node. Version 12 crashes on Node 24 when the garbage
 * collector frees its objects. Version 13 requires Node 22. Both have the same interface.
 */
const [major = 0] = process.versions.node.split('.').map(Number)

const MODULE_NAME = major >= 22 ? 'better-sqlite3-node22' : 'better-sqlite3'

/** @throws LicensingError STORE_MODULE_ABSENT, because npm skips an optional dependency that cannot be built */
function loadSqlite(): typeof Sqlite {
  try {
    return createRequire(import.meta.url)(MODULE_NAME) as typeof Sqlite
  } catch (error) {
    if (errnoCode(error) !== 'MODULE_NOT_FOUND') throw error
    throw new LicensingError('STORE_MODULE_ABSENT', `The module ${MODULE_NAME} is not installed.`)
  }
}

export const Database: typeof Sqlite = loadSqlite()

/**
 * Returns true if the native part of the module is missing or was built for another version of Node. A missing
 * part has no error code.
 */
const isNotBuilt = (error: unknown): boolean =>
  ['ERR_DLOPEN_FAILED', 'MODULE_NOT_FOUND'].includes(errnoCode(error)) ||
  (error instanceof Error && error.message.startsWith('Could not locate the bindings file'))

/**
 * Opens a database, and creates it with mode 0600 if there is none.
 *
 * @throws LicensingError STORE_MODULE_ABSENT, because the native part is loaded with the first database
 * @throws Error of SQLite or the file system
 */
export function openDatabase(path: string, options: Sqlite.Options): Sqlite.Database {
  ensurePrivateFile(path)
  try {
    return new Database(path, options)
  } catch (error) {
    if (!isNotBuilt(error)) throw error
    throw new LicensingError(
      'STORE_MODULE_ABSENT',
      `The native module ${MODULE_NAME} is not built for Node ${process.versions.node}.`,
    )
  }
}

/** Returns true if an operation failed because another process holds the lock. */
export const isBusy = (error: unknown): boolean =>
  error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')
