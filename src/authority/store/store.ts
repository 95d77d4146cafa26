import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Kysely, type KyselyPlugin, sql, type Transaction } from 'kysely'
import { LicensingError } from '../../core/errors.ts'
import { fileExists, SecretFileStore, toStoreError } from '../../storage/private-files.ts'
import { Database } from '../../storage/sqlite.ts'
import {
  checkDatabaseUrl,
  CommitOutcomeUnknown,
  toDatabaseError,
  isConflict,
  isConnectionLoss,
  openPostgres,
  readTransactionStatus,
} from './postgres.ts'
import { DATA_VERSION, MIGRATION_TABLE, migrateTo, requireSupportedVersion } from './migrations/index.ts'
import { openSqlite, sqliteExists } from './sqlite.ts'
import type { Tables } from './tables.ts'

export type Tx = Transaction<Tables>

/** A place to run a transaction: its work is kept as a whole, or not at all. */
export interface TransactionRunner {
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>
}

/** Says which database an authority has that is not in its data directory. */
const URL_FILE = 'database.url'

/** Attempts at a transaction whose connection was lost, and milliseconds between them: some fifteen seconds in all. */
const MAX_ATTEMPTS = 8
const RETRY_DELAYS_MS = [50, 200, 500, 1000, 2000, 4000, 8000]

export const storeExists = (dataDir: string): boolean =>
  sqliteExists(dataDir) || fileExists(join(dataDir, URL_FILE))

/** Where an authority's data is: in a file of its data directory, or in a PostgreSQL database that several processes share. */
export type DatabaseKind = 'sqlite' | 'postgres'

/**
 * The authority's data, through Kysely: one SQLite database, or one of PostgreSQL, that several processes may use at a
 * time (servers, and each command). Every operation is one transaction; those that write come one after the other.
 */
export class AuthorityStore implements TransactionRunner {
  readonly #db: Kysely<Tables>
  readonly kind: DatabaseKind
  /** Told how long a transaction took, in seconds, with its wait for the database. */
  onTransaction: (seconds: number) => void = () => undefined

  private constructor(db: Kysely<Tables>, kind: DatabaseKind) {
    this.#db = db
    this.kind = kind
  }

  /**
   * Opens the database and applies the migrations that are missing. A database that is refused is left as it is.
   *
   * @param version the data version to migrate to: that of a backup, which is migrated further after it was loaded
   * @param database `postgres://…`; without it the one that the data directory names, or else its own SQLite database
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
        ? new AuthorityStore(openSqlite(dataDir), 'sqlite')
        : new AuthorityStore(openPostgres(url), 'postgres')
    try {
      if ((await store.version()) < version)
        await store.#withRetry(() => migrateTo(store.#db, store.kind, version))
      return store
    } catch (error) {
      await store.close()
      throw toStoreError(error, `opening the database in ${dataDir}`)
    }
  }

  /** Returns the data version of the database, 0 without tables. @throws LicensingError STORE_TOO_NEW, DATA_VERSION_UNSUPPORTED */
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
   * One transaction: all of it is on disk when this resolves, or nothing. Done again where the connection was lost before
   * its end, so that the work must do nothing beside it.
   *
   * @throws LicensingError STORE_*, DATABASE_UNREACHABLE
   */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
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

  /** Reads in one moment of the database, and waits for nobody who writes. @throws LicensingError STORE_*, DATABASE_UNREACHABLE */
  read<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#withRetry(() =>
      this.#db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute(work),
    )
  }

  /**
   * Reads like `read`, where reading is all there is to do; what turns out to write is begun again as a transaction.
   *
   * @throws LicensingError STORE_*, DATABASE_UNREACHABLE
   */
  async readOnly<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    try {
      return await this.read((tx) => {
        const looking = tx.withPlugin(readOnlyPlugin)
        readOnlyTransactions.add(looking)
        return work(looking)
      })
    } catch (error) {
      if (error instanceof RequiresWrite) return this.transaction(work)
      throw error
    }
  }

  /** Whether a transaction was committed whose connection was lost meanwhile: the database knows. */
  #wasCommitted(transaction: string): Promise<boolean> {
    return this.#withRetry(async () => {
      const status = await readTransactionStatus(this.#db, transaction)
      // It ends with its connection, which the server may not have noticed yet.
      if (status === 'in progress') throw new StillInProgress()
      if (status === 'unknown')
        throw new LicensingError(
          'DATABASE_UNREACHABLE',
          'The connection to the database was lost at a commit, and the database does not know any more whether it took place.',
        )
      return status === 'committed'
    })
  }

  async #withRetry<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        const again =
          isConflict(error) ||
          isConnectionLoss(error) ||
          error instanceof CommitOutcomeUnknown ||
          error instanceof StillInProgress
        if (!again || attempt === MAX_ATTEMPTS) throw toTransactionError(error)
        const wait = RETRY_DELAYS_MS[attempt - 1] ?? 0
        await pause(wait / 2 + randomInt(wait / 2 + 1))
      }
    }
  }

  async close(): Promise<void> {
    await this.#db.destroy()
  }
}

/** Begins a look again as a transaction that writes. */
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
 * Called before anything is changed that this process remembers of the database: it is in step with the writers, and one who looks
 * may see what was before the last of them.
 */
export function assertWritable(tx: Tx): void {
  if (readOnlyTransactions.has(tx)) throw new RequiresWrite()
}

/** A transaction that was to be committed, of which the server does not know yet that its connection is gone. */
class StillInProgress extends Error {}

function toTransactionError(error: unknown): unknown {
  if (error instanceof Database.SqliteError) return toStoreError(error, 'writing the database')
  if (error instanceof CommitOutcomeUnknown || error instanceof StillInProgress)
    return new LicensingError('DATABASE_UNREACHABLE', 'The connection to the database was lost at a commit.')
  return toDatabaseError(error)
}

/** The database that a data directory names; null for its own. */
function readDatabaseUrl(dataDir: string): string | null {
  const path = join(dataDir, URL_FILE)
  return fileExists(path) ? readFileSync(path, 'utf8').trim() : null
}

/** Has a data directory name its database, for every command after: in a file of this user alone, since it may hold a password. */
export function saveDatabaseUrl(dataDir: string, database: string): void {
  new SecretFileStore(dataDir).put(URL_FILE, `${checkDatabaseUrl(database)}\n`)
}

/**
 * A part of a transaction that is done, or undone without undoing the rest: what it throws undoes it, and is thrown on.
 * One at a time.
 */
export async function withSavepoint<T>(tx: Tx, work: () => Promise<T>): Promise<T> {
  await sql`savepoint attempt`.execute(tx)
  try {
    const done = await work()
    await sql`release savepoint attempt`.execute(tx)
    return done
  } catch (error) {
    await sql`rollback to savepoint attempt`.execute(tx)
    await sql`release savepoint attempt`.execute(tx)
    throw error
  }
}

/** A named setting; null when it was never written. */
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
