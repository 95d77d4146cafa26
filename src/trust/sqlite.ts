import { createRequire } from 'node:module'
import type Sqlite from 'better-sqlite3'
import { LicensingError } from '../domain/errors.ts'
import { codeOf } from '../domain/system-code.ts'

/**
 * better-sqlite3, of the version this Node can run: 12 crashes the process on Node 24 when its objects are collected,
 * and 13 needs Node 22. Both have the same interface, and one of them is there.
 */
const [major = 0] = process.versions.node.split('.').map(Number)

const NAME = major >= 22 ? 'better-sqlite3-node22' : 'better-sqlite3'

/** @throws LicensingError STORE_MODULE_ABSENT: it is optional to npm, which goes on without it where it cannot be built */
function loadSqlite(): typeof Sqlite {
  try {
    return createRequire(import.meta.url)(NAME) as typeof Sqlite
  } catch (thrown) {
    if (codeOf(thrown) !== 'MODULE_NOT_FOUND') throw thrown
    throw new LicensingError('STORE_MODULE_ABSENT', `The module ${NAME} is not installed.`)
  }
}

export const Database: typeof Sqlite = loadSqlite()

/** Whether another process has what this one wanted to lock. */
export const isBusy = (thrown: unknown): boolean =>
  thrown instanceof Database.SqliteError && thrown.code.startsWith('SQLITE_BUSY')
