import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type Sqlite from 'better-sqlite3'
import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDialect,
  type SqliteDialectConfig,
  SqliteDriver,
  type SqliteStatement,
  type TransactionSettings,
} from 'kysely'
import { LicensingError } from '../../core/errors.ts'
import { SECOND } from '../../core/time.ts'
import { systemClock } from '../../core/system-clock.ts'
import { DatabaseFiles } from '../../storage/database-files.ts'
import { fileExists, toStoreError } from '../../storage/private-files.ts'
import { isBusy, openDatabase } from '../../storage/sqlite.ts'
import { MIGRATION_TABLE, type StoredSchema, requireSupportedVersion } from './migrations/index.ts'
import type { Tables } from './tables.ts'

export const DATABASE_FILE = 'authority.db'

export const sqliteExists = (dataDir: string): boolean => fileExists(join(dataDir, DATABASE_FILE))

/** The size of the statement cache, which is larger than the number of frequent statements. */
const MAX_PREPARED_STATEMENTS = 500

/** Timeout for the transaction of another process and the interval of attempts, in milliseconds. */
const BUSY_TIMEOUT_MS = 10 * SECOND
const POLL_INTERVAL_MS = 3

/**
 * Driver that takes the write lock at the beginning of a transaction, so that a transaction which reads first can
 * always write. It waits for the lock asynchronously, since SQLite's own busy timeout would block the process.
 */
class ImmediateDriver extends SqliteDriver {
  readonly #database: Sqlite.Database
  readonly #files: DatabaseFiles
  constructor(config: SqliteDialectConfig, database: Sqlite.Database, files: DatabaseFiles) {
    super(config)
    this.#database = database
    this.#files = files
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // SQLite rolls back by itself if the disk is full or fails. A second rollback would hide the cause.
    if (this.#database.inTransaction) await super.rollbackTransaction(connection)
  }

  override async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await super.commitTransaction(connection)
    // A commit to a file that is gone must not be acknowledged.
    this.#files.assertUnchanged()
  }

  override async beginTransaction(
    connection: DatabaseConnection,
    settings?: TransactionSettings,
  ): Promise<void> {
    this.#files.assertUnchanged()
    if (settings?.accessMode === 'read only') {
      await connection.executeQuery(CompiledQuery.raw('begin'))
      return
    }
    const since = systemClock.uptime()
    while (!(await this.#begin(connection))) {
      if (systemClock.uptime() - since > BUSY_TIMEOUT_MS)
        throw new LicensingError('STORE_UNWRITABLE', 'Another process has locked the database.')
      await sleep(POLL_INTERVAL_MS * (0.5 + Math.random()))
    }
  }

  /** @returns true if the lock was free */
  async #begin(connection: DatabaseConnection): Promise<boolean> {
    this.#setBusyTimeoutMs(0)
    try {
      await connection.executeQuery(CompiledQuery.raw('begin immediate'))
      return true
    } catch (error) {
      if (isBusy(error)) return false
      throw error
    } finally {
      this.#setBusyTimeoutMs(BUSY_TIMEOUT_MS)
    }
  }

  #setBusyTimeoutMs(milliseconds: number): void {
    this.#database.pragma(`busy_timeout = ${milliseconds}`)
  }
}

/** SQLite supports data definition in transactions, but Kysely's adapter does not enable that. */
class TransactionalDdlAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

class ImmediateDialect extends SqliteDialect {
  readonly #config: SqliteDialectConfig
  readonly #database: Sqlite.Database
  readonly #files: DatabaseFiles
  constructor(database: Sqlite.Database, files: DatabaseFiles) {
    const config = { database: cacheStatements(database) }
    super(config)
    this.#config = config
    this.#database = database
    this.#files = files
  }
  override createAdapter(): SqliteAdapter {
    return new TransactionalDdlAdapter()
  }
  override createDriver(): Driver {
    return new ImmediateDriver(this.#config, this.#database, this.#files)
  }
}

/** Wraps a database with a cache of prepared statements. Preparing a statement costs more than running it. */
function cacheStatements(database: Sqlite.Database): SqliteDatabase {
  const prepared = new Map<string, SqliteStatement>()
  return {
    prepare(sql) {
      const known = prepared.get(sql)
      if (known) return known
      const statement = database.prepare(sql)
      const [oldest] = prepared.keys()
      if (prepared.size >= MAX_PREPARED_STATEMENTS && oldest !== undefined) prepared.delete(oldest)
      prepared.set(sql, statement)
      return statement
    },
    close: () => database.close(),
  }
}

function readSchema(database: Sqlite.Database): StoredSchema {
  const tables = database
    .prepare<[], string>(`select name from sqlite_master where type = 'table'`)
    .pluck()
    .all()
  const migrations = tables.includes(MIGRATION_TABLE)
    ? database.prepare<[], string>(`select name from ${MIGRATION_TABLE} order by name`).pluck().all()
    : []
  return { tables, migrations }
}

/**
 * Opens the SQLite database of a data directory.
 *
 * @throws LicensingError STORE_*, DATA_VERSION_UNSUPPORTED
 */
export async function openSqlite(dataDir: string): Promise<Kysely<Tables>> {
  let opened: Sqlite.Database | undefined
  try {
    const path = join(dataDir, DATABASE_FILE)
    const database = await openDatabase(path, { timeout: BUSY_TIMEOUT_MS })
    opened = database
    const files = new DatabaseFiles(path)
    // The check comes before the first write, so that an unsupported database stays unchanged.
    requireSupportedVersion(readSchema(database))
    database.pragma('journal_mode = WAL')
    database.pragma('synchronous = FULL')
    database.pragma('foreign_keys = ON')
    return new Kysely<Tables>({ dialect: new ImmediateDialect(database, files) })
  } catch (error) {
    opened?.close()
    throw toStoreError(error, `opening the database in ${dataDir}`)
  }
}
