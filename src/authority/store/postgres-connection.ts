import { Socket } from 'node:net'
import type { CompiledQuery, DatabaseConnection, QueryResult, TransactionSettings } from 'kysely'
import type pg from 'pg'
import { LicensingError } from '../../core/errors.ts'
import { SECOND } from '../../core/time.ts'
import type { ServerTimeouts } from './database-url.ts'
import {
  CommitOutcomeUnknown,
  ConnectionSilent,
  isConnectionLoss,
  ServerReadOnly,
} from './postgres-errors.ts'
import type { SilenceWatch } from './silence-watch.ts'

/** Advisory lock of writing transactions (docs/decisions/0020). There is one writer at a time, as in SQLite. */
const WRITER_LOCK_ID = 0x5a1_a001

/** Status of a connection without an open transaction (PostgreSQL documentation, Message Formats, ReadyForQuery). */
const IDLE_STATUS = 'I'

/** Time without a byte after which the client ends a connection that begins or ends a transaction. */
const BEGIN_SILENCE_MS = 5 * SECOND
const COMMIT_SILENCE_MS = 20 * SECOND
/** Excess over the server's own time limit of a statement, which usually ends it. */
const STATEMENT_MARGIN_MS = 5 * SECOND

/** Commands that report the number of changed rows. */
const CHANGES: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE'])

/** A row that a statement of a connection returns. */
type Row = Readonly<Record<string, unknown>>

/**
 * Connection for one transaction. It returns to the pool only in an idle state, and only from a server that can write.
 * Otherwise it ends.
 */
export class PostgresConnection implements DatabaseConnection {
  readonly #client: pg.PoolClient
  readonly #watch: SilenceWatch
  readonly #timeouts: ServerTimeouts
  /** The server process that runs the transaction. Behind a pooler it changes with each transaction. */
  #backend: number | null = null
  /** The id of a writing transaction. */
  #transaction: string | null = null
  #isLost = false

  constructor(client: pg.PoolClient, watch: SilenceWatch, timeouts: ServerTimeouts) {
    this.#client = client
    this.#watch = watch
    this.#timeouts = timeouts
  }

  get isLost(): boolean {
    return this.#isLost
  }

  /** @throws ServerReadOnly if the server takes no writes, such as a standby */
  async assertWritable(): Promise<void> {
    const { rows } = await this.#query(
      "select pg_is_in_recovery() or current_setting('default_transaction_read_only')::boolean as refuses",
      [],
      BEGIN_SILENCE_MS,
    )
    if (rows[0]?.refuses !== true) return
    this.#isLost = true
    throw new ServerReadOnly()
  }

  /**
   * Begins a transaction, and takes the writer lock unless it only reads. The time limits hold for this transaction
   * only, because a pooler refuses them as start-up parameters and gives the next transaction another connection.
   */
  async begin({ isolationLevel, accessMode }: TransactionSettings): Promise<void> {
    const isReading = accessMode === 'read only'
    // The isolation level is always given. With another default, a writer would read the state before its lock.
    const begin = `begin isolation level ${isolationLevel ?? 'read committed'}${isReading ? ' read only' : ''}`
    const limits = Object.entries(this.#timeouts).map(
      ([name, milliseconds]) => `set_config('${name}', '${milliseconds}', true)`,
    )
    const begun = await this.#query(
      `${begin}; select ${limits.join(', ')}, pg_backend_pid()::int as backend`,
      [],
      BEGIN_SILENCE_MS,
    )
    this.#backend = Number(begun.rows[0]?.backend)
    if (isReading) return
    const locked = await this.#query(
      `select pg_advisory_xact_lock(${WRITER_LOCK_ID}), pg_current_xact_id()::text as id`,
    )
    this.#transaction = String(locked.rows[0]?.id)
  }

  /** @throws CommitOutcomeUnknown if the connection is lost before the server has answered */
  async commit(): Promise<void> {
    const transaction = this.#transaction
    try {
      if (transaction === null) await this.#query('commit', [], COMMIT_SILENCE_MS)
      // A time limit would end the wait for a synchronous standby, and the server would report success without it.
      else await this.#query('set local statement_timeout = 0; commit', [], COMMIT_SILENCE_MS)
    } catch (error) {
      if (transaction === null || !isConnectionLoss(error)) throw error
      throw new CommitOutcomeUnknown(transaction, error)
    } finally {
      this.#end()
    }
  }

  /** Rolls back. An error is dropped, because the caller throws the original one, and the connection ends. */
  async rollback(): Promise<void> {
    try {
      await this.#query('rollback', [], BEGIN_SILENCE_MS)
    } catch {
      this.#isLost = true
    } finally {
      this.#end()
    }
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const { rows, command, rowCount } = await this.#query<R & Row>(sql, parameters)
    return {
      rows,
      ...(CHANGES.has(command) && { numAffectedRows: BigInt(rowCount ?? 0) }),
    }
  }

  streamQuery(): never {
    throw new TypeError('The store reads without cursors.')
  }

  release(): void {
    const isEnding = this.#isLost || this.#client.getTransactionStatus() !== IDLE_STATUS
    // A polite end would wait for a server that may never answer.
    if (isEnding) this.#client.connection.stream.destroy()
    this.#client.release(isEnding)
  }

  #end(): void {
    this.#backend = null
    this.#transaction = null
  }

  /** Runs one or more statements. @returns the result of the last one */
  async #query<R extends Row>(
    text: string,
    parameters: readonly unknown[] = [],
    maxSilenceMs: number = this.#timeouts.statement_timeout + STATEMENT_MARGIN_MS,
  ): Promise<pg.QueryResult<R>> {
    const { stream } = this.#client.connection
    const silence = { isFound: false }
    const unwatch = this.#watch.add({
      backend: this.#backend,
      maxSilenceMs,
      countReceivedBytes: () => (stream instanceof Socket ? stream.bytesRead : 0),
      end: () => {
        silence.isFound = true
        stream.destroy()
      },
    })
    try {
      const results: unknown = await this.#client.query<R>(text, [...parameters])
      const result = (Array.isArray(results) ? results.at(-1) : results) as pg.QueryResult<R>
      // A commit after a failed statement is a rollback, and the server reports no error.
      if (result.command === 'ROLLBACK' && text !== 'rollback')
        throw new LicensingError('INTERNAL', 'The database rolled back a transaction at its commit.')
      return result
    } catch (error) {
      const cause = silence.isFound ? new ConnectionSilent(error) : error
      // A server that became a standby keeps its connections, while another server may have taken over its address.
      if (isConnectionLoss(cause)) this.#isLost = true
      throw cause
    } finally {
      unwatch()
    }
  }
}
