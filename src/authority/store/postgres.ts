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

/** Advisory lock of writing transactions (docs/decisions/0020). There is one writer at a time, as in SQLite. */
const WRITER_LOCK_ID = 0x5a1_a001
/** Timeouts in milliseconds for connecting, for a statement, for a lock, and for an idle transaction. */
const CONNECT_TIMEOUT_MS = 5000
const STATEMENT_TIMEOUT_MS = 60_000
const LOCK_TIMEOUT_MS = 20_000
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 20_000
/** Connections of one process. One writes at a time, the others read. */
const MAX_CONNECTIONS = 8

/** Status of a connection without an open transaction (PostgreSQL documentation, Message Formats, ReadyForQuery). */
const IDLE_STATUS = 'I'

/** Thrown if the connection was lost during a commit, so that its outcome is not known. */
export class CommitOutcomeUnknown extends Error {
  override readonly name = 'CommitOutcomeUnknown'
  /** The transaction's id, for a query of its status (`pg_xact_status`). */
  readonly transaction: string
  constructor(transaction: string, cause: unknown) {
    super('the connection was lost at a commit', { cause })
    this.transaction = transaction
  }
}

/** Takes the writer lock at the beginning of a writing transaction, and tracks commits whose connection is lost. */
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
      // Kysely rolls back only if `beginTransaction` succeeded. `begin` may have succeeded and the lock statement
      // failed.
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
      // The caller throws the original error, which a second error must not hide. A connection that could not be rolled
      // back is not idle, so `CheckedClient` ends it.
    }
  }
}

/**
 * Pool client that returns its connection only in an idle state and only from a server that can write. Otherwise it
 * ends the connection.
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
      // A commit after a failed statement is a rollback, and the server reports no error.
      if (statement === 'commit' && result.command === 'ROLLBACK')
        throw new LicensingError('INTERNAL', 'The database rolled back a transaction at its commit.')
      return result as unknown as PostgresQueryResult<R>
    } catch (error) {
      // A server that became a standby keeps its connections, while another server may have taken over its address.
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
  // The message omits the text, which may contain a password.
  throw new LicensingError(
    'INVALID_ARGUMENT',
    'The database URL is invalid. Use the form postgres://USER@HOST[:PORT]/NAME.',
  )
}

/**
 * Opens a PostgreSQL database. Connections are made on demand.
 *
 * @throws LicensingError INVALID_ARGUMENT
 */
export function openPostgres(url: string): Kysely<Tables> {
  const connectionString = checkDatabaseUrl(url)
  return new Kysely<Tables>({ dialect: new LockingDialect({ pool: () => openPool(connectionString) }) })
}

/** The PostgreSQL driver, loaded on demand. */
let pgModule: typeof pg | null = null

async function openPool(connectionString: string): Promise<PostgresPool> {
  const { default: pg } = await import('pg')
  pgModule = pg
  // Instants and counts are far below 2^53.
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
  // An idle connection that is lost is replaced on demand.
  pool.on('error', () => undefined)
  // The loss of a busy connection rejects its query. The event needs a listener all the same.
  pool.on('connect', (client) => client.on('error', () => undefined))
  return {
    connect: async () => new CheckedClient(await pool.connect()),
    end: () => pool.end(),
  }
}

/** Returns the status of a transaction whose connection was lost. `unknown` means that it was too long ago. */
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
    // The id is in the future: another server answers, which never had the transaction.
    if (errnoCode(error) === '22023') return 'aborted'
    throw error
  }
}

/** Returns true if the database could not be reached or the connection was lost, so that a retry may succeed. */
export function isConnectionLoss(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = errnoCode(error)
  return (
    // Class 08: connection exceptions. 57P01 to 57P03: shut down, crashed, starting. 25006: a standby, not yet
    // writable.
    /^(08...|57P0[1-4]|25006|53300)$/.test(code) ||
    /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT)/.test(code) ||
    /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed)/.test(
      error.message,
    )
  )
}

/** Returns true if the transaction was rolled back because of a concurrent one, so that a retry may succeed. */
export const isConflict = (error: unknown): boolean => /^40(001|P01)$/.test(errnoCode(error))

/** Converts an error of the database. Its message is dropped, because it may contain data. */
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
    return new LicensingError('DATABASE_REFUSED', `The database denied access (${code}).`)
  if (code === '22021')
    return new LicensingError(
      'INVALID_ARGUMENT',
      'A text contains the character U+0000, which cannot be stored.',
    )
  if (code.startsWith('53'))
    return new LicensingError('STORE_FULL', `The database has no space left (${code}).`)
  if (pgModule && error instanceof pgModule.DatabaseError)
    return new LicensingError('INTERNAL', `The database rejected a statement (${code}).`)
  return error
}
