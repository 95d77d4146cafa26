import { join } from 'node:path'
import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  sql,
  SqliteDialect,
  SqliteDriver,
  type SqliteDialectConfig,
  type Transaction,
} from 'kysely'
import { LicensingError } from '../domain/errors.ts'
import { ensurePrivateFile, fileExists, storeFailure } from '../trust/private-files.ts'
import { Database } from '../trust/sqlite.ts'
import { migrations, type Tables } from './schema.ts'

export type Tx = Transaction<Tables>

export const DATABASE_FILE = 'authority.db'

export const storeExists = (dataDir: string): boolean => fileExists(join(dataDir, DATABASE_FILE))

/** Takes the write lock at the beginning: a transaction that reads first and writes later never finds it gone. */
class ImmediateDriver extends SqliteDriver {
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'))
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

/**
 * The authority's data: one SQLite database through Kysely, that several processes may use at a time (the
 * server, and each command). Every operation is one transaction.
 */
export class AuthorityStore {
  readonly #db: Kysely<Tables>
  /** Told how long a transaction took, in seconds, with its wait for the database. */
  observe: (seconds: number) => void = () => undefined

  private constructor(db: Kysely<Tables>) {
    this.#db = db
  }

  /** @throws LicensingError STORE_UNWRITABLE, STORE_UNREADABLE, STORE_FULL, STORE_TOO_NEW */
  static async open(dataDir: string): Promise<AuthorityStore> {
    try {
      ensurePrivateFile(join(dataDir, DATABASE_FILE))
      const database = new Database(join(dataDir, DATABASE_FILE), { timeout: 10_000 })
      database.pragma('journal_mode = WAL')
      database.pragma('synchronous = FULL')
      database.pragma('foreign_keys = ON')
      const store = new AuthorityStore(new Kysely<Tables>({ dialect: new ImmediateDialect({ database }) }))
      await store.#migrate()
      return store
    } catch (thrown) {
      throw storeFailure(thrown, `opening the database in ${dataDir}`)
    }
  }

  /** Brings the tables to this version, once, however many processes start together. */
  async #migrate(): Promise<void> {
    await this.transaction(async (tx) => {
      await sql`create table if not exists migrations (number integer primary key)`.execute(tx)
      const { rows } = await sql<{ last: number | null }>`select max(number) as last from migrations`.execute(
        tx,
      )
      const done = rows[0]?.last ?? 0
      if (done > migrations.length) {
        throw new LicensingError(
          'STORE_TOO_NEW',
          `The database is of version ${done}; this program knows ${migrations.length}.`,
        )
      }
      for (const [index, statements] of migrations.entries()) {
        if (index < done) continue
        for (const statement of statements) await sql.raw(statement).execute(tx)
        await sql`insert into migrations values (${index + 1})`.execute(tx)
      }
    })
  }

  /** One transaction: all of it is on disk when this resolves, or nothing. */
  async transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const begun = performance.now()
    try {
      return await this.#db.transaction().execute(work)
    } catch (thrown) {
      if (thrown instanceof Database.SqliteError) throw storeFailure(thrown, 'writing the database')
      throw thrown
    } finally {
      this.observe((performance.now() - begun) / 1000)
    }
  }

  async close(): Promise<void> {
    await this.#db.destroy()
  }
}

/**
 * A part of a transaction that is done, or undone without undoing the rest: what it throws undoes it, and is thrown on.
 * One at a time.
 */
export async function attempt<T>(tx: Tx, work: () => Promise<T>): Promise<T> {
  await sql`savepoint attempt`.execute(tx)
  try {
    const done = await work()
    await sql`release savepoint attempt`.execute(tx)
    return done
  } catch (thrown) {
    await sql`rollback to savepoint attempt`.execute(tx)
    await sql`release savepoint attempt`.execute(tx)
    throw thrown
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

const CORRECTIONS = 'time-corrections'

/** Notes that time has gone back: what a process of this authority remembers of it holds no more. */
export async function countCorrection(tx: Tx): Promise<void> {
  await writeSetting(tx, CORRECTIONS, String((await countedCorrections(tx)) + 1))
}

/** How often time has gone back. */
export async function countedCorrections(tx: Tx): Promise<number> {
  return Number((await readSetting(tx, CORRECTIONS)) ?? 0)
}
