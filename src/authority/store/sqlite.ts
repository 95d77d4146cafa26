import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type Sqlite from 'better-sqlite3'
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
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
import { fileExists, toStoreError } from '../../storage/private-files.ts'
import { isBusy, openDatabase } from '../../storage/sqlite.ts'
import { MIGRATION_TABLE, type StoredSchema, requireSupportedVersion } from './migrations/index.ts'
import type { Tables } from './tables.ts'

export const DATABASE_FILE = 'authority.db'

export const sqliteExists = (dataDir: string): boolean => fileExists(join(dataDir, DATABASE_FILE))

/** Statements that are kept prepared: more different ones than there are in the hot path. */
const MAX_PREPARED_STATEMENTS = 500

/** Milliseconds of the machine's uptime that another process's transaction is waited for, and between two looks. */
const BUSY_TIMEOUT_MS = 10 * SECOND
const POLL_INTERVAL_MS = 3

/**
 * Takes the write lock at the beginning: a transaction that reads first and writes later never finds it gone. While another
 * process has it, this one goes on with what it can do without: SQLite's own way to wait would stop it altogether.
 */
class ImmediateDriver extends SqliteDriver {
  readonly #setBusyTimeout: (milliseconds: number) => void
  readonly #isOpen: () => boolean
  constructor(
    config: SqliteDialectConfig,
    setBusyTimeout: (milliseconds: number) => void,
    isOpen: () => boolean,
  ) {
    super(config)
    this.#setBusyTimeout = setBusyTimeout
    this.#isOpen = isOpen
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // SQLite rolls back by itself where the disk is full or fails: another rollback would hide why.
    if (this.#isOpen()) await super.rollbackTransaction(connection)
  }

  override async beginTransaction(
    connection: DatabaseConnection,
    settings?: TransactionSettings,
  ): Promise<void> {
    if (settings?.accessMode === 'read only') {
      await connection.executeQuery(CompiledQuery.raw('begin'))
      return
    }
    const since = systemClock.uptime()
    while (!(await this.#begin(connection))) {
      if (systemClock.uptime() - since > BUSY_TIMEOUT_MS)
        throw new LicensingError(
          'STORE_UNWRITABLE',
          'Another process holds the database, and does not let go.',
        )
      await sleep(POLL_INTERVAL_MS * (0.5 + Math.random()))
    }
  }

  /** @returns whether the lock was free */
  async #begin(connection: DatabaseConnection): Promise<boolean> {
    this.#setBusyTimeout(0)
    try {
      await connection.executeQuery(CompiledQuery.raw('begin immediate'))
      return true
    } catch (error) {
      if (isBusy(error)) return false
      throw error
    } finally {
      this.#setBusyTimeout(BUSY_TIMEOUT_MS)
    }
  }
}

/** SQLite runs data definition in transactions. Kysely does not use that by itself. */
class TransactionalDdlAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

class ImmediateDialect extends SqliteDialect {
  readonly #config: SqliteDialectConfig
  readonly #setBusyTimeout: (milliseconds: number) => void
  readonly #isOpen: () => boolean
  constructor(
    config: SqliteDialectConfig,
    setBusyTimeout: (milliseconds: number) => void,
    isOpen: () => boolean,
  ) {
    super(config)
    this.#config = config
    this.#setBusyTimeout = setBusyTimeout
    this.#isOpen = isOpen
  }
  override createAdapter(): SqliteAdapter {
    return new TransactionalDdlAdapter()
  }
  override createDriver(): Driver {
    return new ImmediateDriver(this.#config, this.#setBusyTimeout, this.#isOpen)
  }
}

/** The database with its statements kept prepared: preparing one costs more than running it. */
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
export function openSqlite(dataDir: string): Kysely<Tables> {
  let opened: Sqlite.Database | undefined
  try {
    const database = openDatabase(join(dataDir, DATABASE_FILE), { timeout: BUSY_TIMEOUT_MS })
    opened = database
    // Before anything is written: a database that is refused stays as it is.
    requireSupportedVersion(readSchema(database))
    database.pragma('journal_mode = WAL')
    database.pragma('synchronous = FULL')
    database.pragma('foreign_keys = ON')
    const dialect: Dialect = new ImmediateDialect(
      { database: cacheStatements(database) },
      (milliseconds) => {
        database.pragma(`busy_timeout = ${milliseconds}`)
      },
      () => database.inTransaction,
    )
    return new Kysely<Tables>({ dialect })
  } catch (error) {
    opened?.close()
    throw toStoreError(error, `opening the database in ${dataDir}`)
  }
}
