import type pg from 'pg'
import { SECOND } from '../../core/time.ts'
import { withTimeout } from '../../transports/deadline.ts'
import { PostgresConnection, type ServerTimeouts } from './postgres-connection.ts'
import { SilenceWatch } from './silence-watch.ts'

/** Time limit for a new connection, or for one to become free, in milliseconds. */
const CONNECT_TIMEOUT_MS = 5 * SECOND
/** Time limit for the question which statements the database works on. */
const ASK_TIMEOUT_MS = 3 * SECOND
/** Time for which `end` waits for connections in use. */
const END_TIMEOUT_MS = 2 * SECOND
/** Connections of one process. One writes at a time, the others read. */
const MAX_CONNECTIONS = 8

/** The PostgreSQL connections of a process. A connection in an unknown state, or to a lost server, is never used again. */
export class ConnectionPool {
  readonly #pg: typeof pg
  readonly #config: pg.ClientConfig
  readonly #timeouts: ServerTimeouts
  readonly #pool: pg.Pool
  readonly #watch: SilenceWatch
  readonly #clients = new Set<pg.PoolClient>()
  /** Clients that are older than the last lost connection. They may be lost, too. */
  readonly #suspects = new WeakSet<pg.PoolClient>()

  constructor(driver: typeof pg, config: pg.ClientConfig, timeouts: ServerTimeouts) {
    this.#pg = driver
    this.#config = { ...config, connectionTimeoutMillis: CONNECT_TIMEOUT_MS, keepAlive: true }
    this.#timeouts = timeouts
    this.#pool = new driver.Pool({ ...this.#config, max: MAX_CONNECTIONS, allowExitOnIdle: true })
    this.#watch = new SilenceWatch((backends) => this.#listWorking(backends))
    // An idle connection that is lost is replaced on demand.
    this.#pool.on('error', () => undefined)
    this.#pool.on('connect', (client) => {
      // The loss of a busy connection rejects its query. The event needs a listener all the same.
      client.on('error', () => undefined)
      this.#clients.add(client)
    })
    this.#pool.on('remove', (client) => this.#clients.delete(client))
  }

  async connect(): Promise<PostgresConnection> {
    for (;;) {
      const client = await this.#pool.connect()
      if (!this.#suspects.has(client)) return new PostgresConnection(client, this.#watch, this.#timeouts)
      client.connection.stream.destroy()
      client.release(true)
    }
  }

  release(connection: PostgresConnection): void {
    if (connection.isLost) for (const client of this.#clients) this.#suspects.add(client)
    connection.release()
  }

  /** Ends all connections, those in use after a short time. */
  async end(): Promise<void> {
    const ended = this.#pool.end()
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
      ...this.#config,
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
