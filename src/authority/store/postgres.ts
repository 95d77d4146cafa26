import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  PostgresDialect,
  type PostgresDialectConfig,
  type PostgresCursor,
  PostgresDriver,
  type PostgresPool,
  type PostgresPoolClient,
  type PostgresQueryResult,
  sql,
  type TransactionSettings,
} from 'kysely'
import type pg from 'pg'
import { LicensingError } from '../../core/errors.ts'
import { errnoCode } from '../../core/errno-code.ts'
import type { Tables } from './tables.ts'

/** Transactions that write take this lock first (docs/decisions/0020): one writer at a time, as SQLite has it. */
const WRITER_LOCK_ID = 0x5a1_a001
/** Milliseconds that a connection may take, a statement may run, a lock may be waited for, a transaction may lie idle. */
const CONNECT_TIMEOUT_MS = 5000
const STATEMENT_TIMEOUT_MS = 60_000
const LOCK_TIMEOUT_MS = 20_000
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 20_000
/** Connections of one process: one writes at a time, the others read. */
const MAX_CONNECTIONS = 8

/** What a server says of a connection without an open transaction (PostgreSQL documentation, Message Formats, ReadyForQuery). */
const IDLE_STATUS = 'I'

/** Whether the connection went away when a transaction was to be committed: nobody was told whether it was. */
export class CommitOutcomeUnknown extends Error {
  override readonly name = 'CommitOutcomeUnknown'
  /** The transaction's id, by which the database can be asked (`pg_xact_status`). */
  readonly transaction: string
  constructor(transaction: string, cause: unknown) {
    super('the connection was lost at a commit', { cause })
    this.transaction = transaction
  }
}

/** Takes the writers' lock at the beginning of what writes, and knows what is in doubt when the connection is lost. */
class LockingDriver extends PostgresDriver {
  readonly #transactions = new WeakMap<DatabaseConnection, string>()

  override async beginTransaction(
    connection: DatabaseConnection,
    settings: TransactionSettings,
  ): Promise<void> {
    this.#transactions.delete(connection)
    try {
      await super.beginTransaction(connection, settings)
      if (settings.accessMode === 'read only') return
      const { rows } = await connection.executeQuery<{ id: string }>(
        CompiledQuery.raw(
          `select pg_advisory_xact_lock(${WRITER_LOCK_ID}), pg_current_xact_id()::text as id`,
        ),
      )
      this.#transactions.set(connection, rows[0]?.id ?? '')
    } catch (error) {
      // Kysely rolls back only what has begun for it: `begin` may be done, and the statement after it may have failed.
      await this.rollbackTransaction(connection)
      throw error
    }
  }

  override async commitTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await super.commitTransaction(connection)
    } catch (error) {
      const transaction = this.#transactions.get(connection)
      if (transaction === undefined || !isConnectionLoss(error)) throw error
      throw new CommitOutcomeUnknown(transaction, error)
    }
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await super.rollbackTransaction(connection)
    } catch {
      // The error that led here is thrown by the caller, and must not be hidden by a second one. A connection that could
      // not be rolled back is not idle: `CheckedClient` ends it.
    }
  }
}

/**
 * A connection that goes back into the pool only when the server says that no transaction is open on it, and when it
 * leads to a server that can write. In any other state it is ended, whoever gives it back.
 */
class CheckedClient implements PostgresPoolClient {
  readonly #client: pg.PoolClient
  #isLost = false

  constructor(client: pg.PoolClient) {
    this.#client = client
  }

  query<R>(statement: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>
  query<R>(
    statement: string | PostgresCursor<R>,
    parameters?: readonly unknown[],
  ): Promise<PostgresQueryResult<R>> | PostgresCursor<R> {
    if (typeof statement !== 'string') throw new TypeError('The store reads without cursors.')
    return this.#query<R>(statement, parameters ?? [])
  }

  async #query<R>(statement: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> {
    try {
      const result = await this.#client.query(statement, [...parameters])
      // A commit of a transaction in which a statement failed is answered without an error, and has rolled back.
      if (statement === 'commit' && result.command === 'ROLLBACK')
        throw new LicensingError(
          'INTERNAL',
          'The database rolled a transaction back that was to be committed.',
        )
      return result as unknown as PostgresQueryResult<R>
    } catch (error) {
      // A server that became a standby keeps its connections: another server may be found at its address.
      if (isConnectionLoss(error)) this.#isLost = true
      throw error
    }
  }

  release(): void {
    this.#client.release(this.#isLost || this.#client.getTransactionStatus() !== IDLE_STATUS)
  }
}

class LockingDialect extends PostgresDialect {
  readonly #config: PostgresDialectConfig
  constructor(config: PostgresDialectConfig) {
    super(config)
    this.#config = config
  }
  override createDriver(): Driver {
    return new LockingDriver(this.#config)
  }
}

/** @throws LicensingError INVALID_ARGUMENT */
export function checkDatabaseUrl(text: string): string {
  const url = URL.parse(text)
  if (url && /^postgres(ql)?:$/.test(url.protocol)) return text
  // Not said back: it may hold a password.
  throw new LicensingError('INVALID_ARGUMENT', 'A database is given as postgres://USER@HOST[:PORT]/NAME.')
}

/**
 * Connections to a PostgreSQL database, opened when they are wanted.
 *
 * @throws LicensingError INVALID_ARGUMENT
 */
export function openPostgres(url: string): Kysely<Tables> {
  const connectionString = checkDatabaseUrl(url)
  return new Kysely<Tables>({ dialect: new LockingDialect({ pool: () => openPool(connectionString) }) })
}

/** What speaks with PostgreSQL: loaded where there is one. */
let pgModule: typeof pg | null = null

async function openPool(connectionString: string): Promise<PostgresPool> {
  const { default: pg } = await import('pg')
  pgModule = pg
  // Instants and counts: far below 2^53.
  const numbers = new pg.TypeOverrides()
  numbers.setTypeParser(pg.types.builtins.INT8, Number)
  numbers.setTypeParser(pg.types.builtins.NUMERIC, Number)
  const pool = new pg.Pool({
    connectionString,
    application_name: 'smart-authority',
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    allowExitOnIdle: true,
    types: numbers,
  })
  // A connection that is lost while nobody uses it is replaced when one is wanted.
  pool.on('error', () => undefined)
  // One that is lost while it is used says so to whoever uses it, with what they asked; and as an event besides.
  pool.on('connect', (client) => client.on('error', () => undefined))
  return {
    connect: async () => new CheckedClient(await pool.connect()),
    end: () => pool.end(),
  }
}

/** What the database knows of a transaction whose connection was lost. `unknown` when that was too long ago. */
export async function readTransactionStatus(
  db: Kysely<Tables>,
  transaction: string,
): Promise<'committed' | 'aborted' | 'in progress' | 'unknown'> {
  try {
    const { rows } = await sql<{
      status: 'committed' | 'aborted' | 'in progress' | null
    }>`select pg_xact_status(${transaction}::xid8) as status`.execute(db)
    return rows[0]?.status ?? 'unknown'
  } catch (error) {
    // A number of the future: another server answers than the one that was asked, and it never had that transaction.
    if (errnoCode(error) === '22023') return 'aborted'
    throw error
  }
}

/** Whether the database could not be reached, or went away: it may be there again in a moment. */
export function isConnectionLoss(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = errnoCode(error)
  return (
    // Class 08: connection exceptions; 57P01 to 57P03: shut down, crashed, starting; 25006: a standby that does not write yet.
    /^(08...|57P0[1-4]|25006|53300)$/.test(code) ||
    /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT)/.test(code) ||
    /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed)/.test(
      error.message,
    )
  )
}

/** Whether the transaction was undone for another's sake, and may simply be done again. */
export const isConflict = (error: unknown): boolean => /^40(001|P01)$/.test(errnoCode(error))

/** An error of the database as one of ours, without its own words, which may hold anything. */
export function toDatabaseError(error: unknown): unknown {
  const code = errnoCode(error)
  if (isConnectionLoss(error))
    return new LicensingError(
      'DATABASE_UNREACHABLE',
      `The database cannot be reached (${code || 'no connection'}).`,
    )
  if (/^(55P03|57014|25P03)$/.test(code))
    return new LicensingError('DATABASE_UNREACHABLE', `The database did not answer in time (${code}).`)
  if (code.startsWith('28') || code === '3D000' || code === '42501')
    return new LicensingError('DATABASE_REFUSED', `The database does not let this program in (${code}).`)
  if (code === '22021')
    return new LicensingError('INVALID_ARGUMENT', 'A text holds a character that cannot be kept: U+0000.')
  if (code.startsWith('53'))
    return new LicensingError('STORE_FULL', `The database has no room left (${code}).`)
  if (pgModule && error instanceof pgModule.DatabaseError)
    return new LicensingError('INTERNAL', `The database refused a statement (${code}).`)
  return error
}
