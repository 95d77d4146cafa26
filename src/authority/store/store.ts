import { randomInt, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Kysely, type KyselyPlugin, sql, type Transaction } from 'kysely'
import { LicensingError } from '../../core/errors.ts'
import { fileExists, SecretFileStore, toStoreError } from '../../storage/private-files.ts'
import { isSqliteError } from '../../storage/sqlite.ts'
import { parseDatabaseUrl } from './database-url.ts'
import { MIGRATION_TIMEOUTS, openPostgres, readTransactionStatus } from './postgres.ts'
import { CommitOutcomeUnknown, isConflict, isConnectionLoss, toDatabaseError } from './postgres-errors.ts'
import { DATA_VERSION, MIGRATION_TABLE, migrateTo, requireSupportedVersion } from './migrations/index.ts'
import { openSqlite, sqliteExists } from './sqlite.ts'
import type { Tables } from './tables.ts'

export type Tx = Transaction<Tables>

/** Runner of atomic transactions. */
export interface TransactionRunner {
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>
}

/** File in the data directory with the URL of the authority's PostgreSQL database. */
const URL_FILE = 'database.url'

/** Attempts at a transaction after connection losses, and the delays between them: about 15 seconds in all. */
const MAX_ATTEMPTS = 8
const RETRY_DELAYS_MS = [50, 200, 500, 1000, 2000, 4000, 8000]

/** Setting that the readiness check writes. */
const CHECK_SETTING = 'readiness-check'

/** Codes of a database that did not take a write. */
const WRITE_FAILURES: ReadonlySet<string> = new Set([
  'STORE_FULL',
  'STORE_UNWRITABLE',
  'STORE_UNREADABLE',
  'STORE_REPLACED',
  'DATABASE_UNREACHABLE',
  'DATABASE_REFUSED',
])

export const storeExists = (dataDir: string): boolean =>
  sqliteExists(dataDir) || fileExists(join(dataDir, URL_FILE))

/** Kind of database: a file in the data directory, or a PostgreSQL database that several processes share. */
export type DatabaseKind = 'sqlite' | 'postgres'

/**
 * The authority's database, through Kysely: SQLite or PostgreSQL. Several processes may use it at a time (servers and
 * commands). Every operation is one transaction, and writing transactions are serialized.
 */
export class AuthorityStore implements TransactionRunner {
  readonly #db: Kysely<Tables>
  readonly kind: DatabaseKind
  #isClosed = false
  /** Receives the duration of each transaction in seconds, including the wait for the database. */
  onTransaction: (seconds: number) => void = () => undefined
  /** Receives the failures of the database to take a write. */
  onWriteFailed: (failure: LicensingError) => void = () => undefined

  private constructor(db: Kysely<Tables>, kind: DatabaseKind) {
    this.#db = db
    this.kind = kind
  }

  /**
   * Opens the database and applies missing migrations. A database that is rejected stays unchanged.
   *
   * @param database `postgres://…`. The default is the database that the data directory names, or else its SQLite
   * database
   * @param version the data version to migrate to. Restoring a backup loads its version before migrating further
   * @throws LicensingError DATA_DIR_EXISTS, DATA_VERSION_UNSUPPORTED, STORE_*, DATABASE_UNREACHABLE, DATABASE_REFUSED
   */
  static async open(
    dataDir: string,
    database?: string,
    version: number = DATA_VERSION,
  ): Promise<AuthorityStore> {
    const named = readDatabaseUrl(dataDir)
    if (database !== undefined && (sqliteExists(dataDir) || (named !== null && named !== database)))
      throw new LicensingError(
        'DATA_DIR_EXISTS',
        `The data directory ${dataDir} belongs to an authority with another database.`,
      )
    const url = database ?? named
    const store =
      url === null
        ? new AuthorityStore(await openSqlite(dataDir), 'sqlite')
        : new AuthorityStore(openPostgres(url), 'postgres')
    try {
      if ((await store.version()) < version) await store.#migrate(url, version)
      return store
    } catch (error) {
      await store.close()
      throw toStoreError(error, `opening the database in ${dataDir}`)
    }
  }

  /** Applies missing migrations. On PostgreSQL they have connections of their own, with longer time limits. */
  async #migrate(url: string | null, version: number): Promise<void> {
    if (url === null) {
      await this.#withRetry(() => migrateTo(this.#db, this.kind, version))
      return
    }
    const db = openPostgres(url, MIGRATION_TIMEOUTS)
    try {
      await this.#withRetry(() => migrateTo(db, this.kind, version))
    } finally {
      await db.destroy()
    }
  }

  /**
   * Returns the data version of the database, or 0 without tables. @throws LicensingError STORE_TOO_NEW,
   * DATA_VERSION_UNSUPPORTED
   */
  version(): Promise<number> {
    return this.read(async (tx) => {
      const { rows } = await (
        this.kind === 'postgres'
          ? sql<{ name: string }>`select tablename as name from pg_tables where schemaname = current_schema()`
          : sql<{ name: string }>`select name from sqlite_master where type = 'table'`
      ).execute(tx)
      const tables = rows.map(({ name }) => name)
      if (!tables.includes(MIGRATION_TABLE)) return requireSupportedVersion({ tables, migrations: [] })
      const applied = await sql<{
        name: string
      }>`select name from ${sql.table(MIGRATION_TABLE)} order by name`.execute(tx)
      return requireSupportedVersion({ tables, migrations: applied.rows.map(({ name }) => name) })
    })
  }

  /**
   * Runs one transaction, which is committed when the promise resolves. After a connection loss `work` runs again, so
   * it must have no side effects outside the transaction.
   *
   * @throws LicensingError STORE_*, DATABASE_UNREACHABLE
   */
  async transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    try {
      return await this.#write(work)
    } catch (error) {
      this.#report(error)
      throw error
    }
  }

  #write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#withRetry(async () => {
      const begun = performance.now()
      const results: T[] = []
      try {
        return await this.#db.transaction().execute(async (tx) => {
          const result = await work(tx)
          results.push(result)
          return result
        })
      } catch (error) {
        if (!(error instanceof CommitOutcomeUnknown) || !(await this.#wasCommitted(error.transaction)))
          throw error
        return results[0] as T
      } finally {
        this.onTransaction((performance.now() - begun) / 1000)
      }
    })
  }

  /** Returns true if the database takes a durable write now. The write is tried once. */
  async canWrite(): Promise<boolean> {
    try {
      // The value changes, because SQLite does not write an unchanged page.
      await this.#db.transaction().execute((tx) => writeSetting(tx, CHECK_SETTING, randomUUID()))
      return true
    } catch (error) {
      this.#report(toTransactionError(error))
      return false
    }
  }

  #report(error: unknown): void {
    if (error instanceof LicensingError && WRITE_FAILURES.has(error.code)) this.onWriteFailed(error)
  }

  /** Reads one consistent snapshot without waiting for writers. @throws LicensingError STORE_*, DATABASE_UNREACHABLE */
  read<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#withRetry(() =>
      this.#db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute(work),
    )
  }

  /**
   * Runs work that usually only reads, as `read` does. If the work writes, it runs again as a writing transaction.
   *
   * @throws LicensingError STORE_*, DATABASE_UNREACHABLE
   */
  async readOnly<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    try {
      return await this.read((tx) => {
        const readOnlyTx = tx.withPlugin(readOnlyPlugin)
        readOnlyTransactions.add(readOnlyTx)
        return work(readOnlyTx)
      })
    } catch (error) {
      if (error instanceof RequiresWrite) return this.transaction(work)
      throw error
    }
  }

  /** Returns true if a transaction was committed although its connection was lost. */
  #wasCommitted(transaction: string): Promise<boolean> {
    return this.#withRetry(async () => {
      const status = await readTransactionStatus(this.#db, transaction)
      // The transaction ends with its connection, but the server may not have detected the loss yet.
      if (status === 'in progress') throw new StillInProgress()
      if (status === 'unknown')
        throw new LicensingError(
          'DATABASE_UNREACHABLE',
          'The connection to the database was lost during a commit, and the database no longer knows the outcome.',
        )
      return status === 'committed'
    })
  }

  async #withRetry<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        const isRetryable =
          isConflict(error) ||
          isConnectionLoss(error) ||
          error instanceof CommitOutcomeUnknown ||
          error instanceof StillInProgress
        if (!isRetryable || attempt === MAX_ATTEMPTS || this.#isClosed) throw toTransactionError(error)
        const wait = RETRY_DELAYS_MS[attempt - 1] ?? 0
        await pause(wait / 2 + randomInt(wait / 2 + 1))
      }
    }
  }

  /** Closes the database. Transactions in progress have two seconds to end, and are not repeated. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#db.destroy()
  }
}

/** Thrown by a read-only transaction that needs to write. */
class RequiresWrite extends Error {}

const WRITE_NODES: ReadonlySet<string> = new Set([
  'InsertQueryNode',
  'UpdateQueryNode',
  'DeleteQueryNode',
  'MergeQueryNode',
])

const readOnlyPlugin: KyselyPlugin = {
  transformQuery: ({ node }) => {
    if (WRITE_NODES.has(node.kind)) throw new RequiresWrite()
    return node
  },
  transformResult: ({ result }) => Promise.resolve(result),
}

const readOnlyTransactions = new WeakSet<Tx>()

/**
 * Must be called before a change of cached data. A read-only transaction may see an older state than the last writer's,
 * so it is repeated as a writing one.
 */
export function assertWritable(tx: Tx): void {
  if (readOnlyTransactions.has(tx)) throw new RequiresWrite()
}

/** Thrown while the server has not detected the connection loss of a transaction. */
class StillInProgress extends Error {}

function toTransactionError(error: unknown): unknown {
  if (isSqliteError(error)) return toStoreError(error, 'writing the database')
  if (error instanceof CommitOutcomeUnknown || error instanceof StillInProgress)
    return new LicensingError(
      'DATABASE_UNREACHABLE',
      'The connection to the database was lost during a commit.',
    )
  return toDatabaseError(error)
}

/** Returns the database URL that a data directory names, or null. */
function readDatabaseUrl(dataDir: string): string | null {
  const path = join(dataDir, URL_FILE)
  return fileExists(path) ? readFileSync(path, 'utf8').trim() : null
}

/**
 * Stores the database URL in the data directory for later commands. The file is private, since the URL may contain a
 * password.
 */
export function saveDatabaseUrl(dataDir: string, database: string): void {
  parseDatabaseUrl(database)
  new SecretFileStore(dataDir).put(URL_FILE, `${database}\n`)
}

/**
 * Runs a part of a transaction that can be rolled back alone. If `work` throws, the part is rolled back and the error
 * is thrown again. Savepoints must not be nested.
 */
export async function withSavepoint<T>(tx: Tx, work: () => Promise<T>): Promise<T> {
  await sql`savepoint attempt`.execute(tx)
  try {
    const done = await work()
    await sql`release savepoint attempt`.execute(tx)
    return done
  } catch (error) {
    try {
      await sql`rollback to savepoint attempt`.execute(tx)
      await sql`release savepoint attempt`.execute(tx)
    } catch {
      // SQLite rolls back the whole transaction if the disk is full, and a lost connection does too. The first error is
      // the cause.
    }
    throw error
  }
}

/** Returns a setting, or null if it does not exist. */
export async function readSetting(tx: Tx, name: string): Promise<string | null> {
  const row = await tx.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirst()
  return row?.value ?? null
}

export async function writeSetting(tx: Tx, name: string, value: string): Promise<void> {
  await tx
    .insertInto('settings')
    .values({ name, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute()
}
