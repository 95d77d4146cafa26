import { createRequire } from 'node:module'
import type Sqlite from 'better-sqlite3'

/**
 * better-sqlite3, of the version this Node can run: 12 crashes the process on Node 24 when its objects are collected,
 * and 13 needs Node 22. Both have the same interface, and one of them is there.
 */
const [major = 0] = process.versions.node.split('.').map(Number)

export const Database = createRequire(import.meta.url)(
  major >= 22 ? 'better-sqlite3-node22' : 'better-sqlite3',
) as typeof Sqlite

/** Whether another process has what this one wanted to lock. */
export const isBusy = (thrown: unknown): boolean =>
  thrown instanceof Database.SqliteError && thrown.code.startsWith('SQLITE_BUSY')
