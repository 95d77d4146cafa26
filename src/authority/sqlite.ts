import { join } from 'node:path'
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  Kysely,
  type SqliteDatabase,
  SqliteDialect,
  type SqliteDialectConfig,
  SqliteDriver,
  type SqliteStatement,
  type TransactionSettings,
} from 'kysely'
import { ensurePrivateFile, fileExists, storeFailure } from '../trust/private-files.ts'
import { Database } from '../trust/sqlite.ts'
import type { Tables } from './schema.ts'

export const DATABASE_FILE = 'authority.db'

export const sqliteExists = (dataDir: string): boolean => fileExists(join(dataDir, DATABASE_FILE))

/** Statements that are kept prepared: more different ones than there are in the hot path. */
const PREPARED = 500

/** Takes the write lock at the beginning: a transaction that reads first and writes later never finds it gone. */
class ImmediateDriver extends SqliteDriver {
  override async beginTransaction(
    connection: DatabaseConnection,
    settings?: TransactionSettings,
  ): Promise<void> {
    const begin = settings?.accessMode === 'read only' ? 'begin' : 'begin immediate'
    await connection.executeQuery(CompiledQuery.raw(begin))
  }
}

class ImmediateDialect extends SqliteDialect {
  readonly #config: SqliteDialectConfig
  constructor(config: SqliteDialectConfig) {
    super(config)
    this.#config = config
  }
  override createDriver(): Driver {
    return new ImmediateDriver(this.#config)
  }
}

/** The database with its statements kept prepared: preparing one costs more than running it. */
function keepPrepared(database: InstanceType<typeof Database>): SqliteDatabase {
  const prepared = new Map<string, SqliteStatement>()
  return {
    prepare(sql) {
      const known = prepared.get(sql)
      if (known) return known
      const statement = database.prepare(sql)
      const [oldest] = prepared.keys()
      if (prepared.size >= PREPARED && oldest !== undefined) prepared.delete(oldest)
      prepared.set(sql, statement)
      return statement
    },
    close: () => database.close(),
  }
}

/** @throws LicensingError STORE_UNWRITABLE, STORE_UNREADABLE, STORE_FULL */
export function openSqlite(dataDir: string): Kysely<Tables> {
  try {
    ensurePrivateFile(join(dataDir, DATABASE_FILE))
    const database = new Database(join(dataDir, DATABASE_FILE), { timeout: 10_000 })
    database.pragma('journal_mode = WAL')
    database.pragma('synchronous = FULL')
    database.pragma('foreign_keys = ON')
    const dialect: Dialect = new ImmediateDialect({ database: keepPrepared(database) })
    return new Kysely<Tables>({ dialect })
  } catch (thrown) {
    throw storeFailure(thrown, `opening the database in ${dataDir}`)
  }
}
