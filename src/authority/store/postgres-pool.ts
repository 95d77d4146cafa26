import type pg from 'pg'
import { errnoCode } from '../../core/errno-code.ts'
import { SECOND } from '../../core/time.ts'
import { withTimeout } from '../../transports/deadline.ts'
import { toTlsError } from './database-tls.ts'
import type { ServerTimeouts } from './database-url.ts'
import { PostgresConnection } from './postgres-connection.ts'
import { isConnectionLoss } from './postgres-errors.ts'
import { SilenceWatch } from './silence-watch.ts'

/** Time limit for a new connection, or for one to become free, in milliseconds. */
const CONNECT_TIMEOUT_MS = 5 * SECOND
/** Time limit for the question which statements the database works on. */
const ASK_TIMEOUT_MS = 3 * SECOND
/** Time for which `end` waits for connections in use. */
const END_TIMEOUT_MS = 2 * SECOND
/** Connections of one process. One writes at a time, the others read. */
const MAX_CONNECTIONS = 8

/** Settings of a pool that its servers share. */
export interface PoolSettings {
  readonly timeouts: ServerTimeouts
  /** True if a server that takes no writes is passed over. */
  readonly requiresWriter: boolean
}

/**
 * The PostgreSQL connections of a process, to the first of its endpoints that works. A connection in an unknown state, or to
 * a lost server, is never used again.
 */
export class ConnectionPool {
  readonly #pg: typeof pg
  readonly #endpoints: readonly { readonly config: pg.ClientConfig; readonly pool: pg.Pool }[]
  readonly #settings: PoolSettings
  readonly #watch: SilenceWatch
  readonly #clients = new Set<pg.PoolClient>()
  /** Clients that are older than the last lost connection. They may be lost, too. */
  readonly #suspects = new WeakSet<pg.PoolClient>()
  readonly #writers = new WeakSet<pg.PoolClient>()
  /** Index of the endpoint that worked last. */
  #current = 0

  constructor(driver: typeof pg, endpoints: readonly pg.ClientConfig[], settings: PoolSettings) {
    this.#pg = driver
    this.#settings = settings
    this.#endpoints = endpoints.map((endpoint) => {
      const config = { ...endpoint, connectionTimeoutMillis: CONNECT_TIMEOUT_MS, keepAlive: true }
      return { config, pool: this.#createPool(config) }
    })
    this.#watch = new SilenceWatch((backends) => this.#listWorking(backends))
  }

  #createPool(config: pg.ClientConfig): pg.Pool {
    const pool = new this.#pg.Pool({ ...config, max: MAX_CONNECTIONS, allowExitOnIdle: true })
    // An idle connection that is lost is replaced on demand.
    pool.on('error', () => undefined)
    pool.on('connect', (client) => {
      // The loss of a busy connection rejects its query. The event needs a listener all the same.
      client.on('error', () => undefined)
      this.#clients.add(client)
    })
    pool.on('remove', (client) => this.#clients.delete(client))
    return pool
  }

  async connect(): Promise<PostgresConnection> {
    let failure: unknown
    const count = this.#endpoints.length
    const first = this.#current
    for (let i = 0; i < count; i++) {
      const index = (first + i) % count
      try {
        const connection = await this.#connectTo(index)
        this.#current = index
        return connection
      } catch (error) {
        failure = error
        if (!isOfEndpoint(error)) throw error
      }
    }
    throw failure
  }

  async #connectTo(index: number): Promise<PostgresConnection> {
    for (;;) {
      const client = await this.#endpoints[index]?.pool.connect()
      if (client === undefined) throw new RangeError('There is no such endpoint.')
      if (this.#suspects.has(client)) {
        client.connection.stream.destroy()
        client.release(true)
        continue
      }
      const connection = new PostgresConnection(client, this.#watch, this.#settings.timeouts)
      if (!this.#settings.requiresWriter || this.#writers.has(client)) return connection
      try {
        await connection.assertWritable()
      } catch (error) {
        this.release(connection)
        throw error
      }
      this.#writers.add(client)
      return connection
    }
  }

  release(connection: PostgresConnection): void {
    if (connection.isLost) for (const client of this.#clients) this.#suspects.add(client)
    connection.release()
  }

  /** Ends all connections, those in use after a short time. */
  async end(): Promise<void> {
    const ended = Promise.all(this.#endpoints.map(({ pool }) => pool.end()))
    const isEnded = await withTimeout(
      END_TIMEOUT_MS,
      ended.then(() => true),
    )
    if (isEnded === true) return
    for (const client of this.#clients) client.connection.stream.destroy()
  }

  /** Returns the server processes that work on a statement. The others wait for a client that waits for them. */
  async #listWorking(backends: readonly number[]): Promise<ReadonlySet<number>> {
    const client = new this.#pg.Client({
      ...this.#endpoints[this.#current]?.config,
      connectionTimeoutMillis: ASK_TIMEOUT_MS,
      query_timeout: ASK_TIMEOUT_MS,
    })
    client.on('error', () => undefined)
    try {
      await client.connect()
      const { rows } = await client.query<{ pid: number }>(
        "select pid from pg_stat_activity where pid = any($1) and coalesce(state, '') not like 'idle%'",
        [[...backends]],
      )
      return new Set(rows.map(({ pid }) => pid))
    } finally {
      client.connection.stream.destroy()
    }
  }
}

/** Returns true if another endpoint may work: the next host, or the same one with or without TLS. */
const isOfEndpoint = (error: unknown): boolean =>
  isConnectionLoss(error) || toTlsError(error) !== null || errnoCode(error) === '28000'
