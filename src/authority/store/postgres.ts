import {
  type DatabaseConnection,
  type Driver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  sql,
  type TransactionSettings,
} from 'kysely'
import type pg from 'pg'
import { errnoCode } from '../../core/errno-code.ts'
import { MINUTE, SECOND } from '../../core/time.ts'
import { findDatabasePassword } from './database-password.ts'
import { listTlsAttempts } from './database-tls.ts'
import { type DatabaseAddress, parseDatabaseUrl, type ServerTimeouts } from './database-url.ts'
import { PostgresConnection } from './postgres-connection.ts'
import { ConnectionPool } from './postgres-pool.ts'
import type { Tables } from './tables.ts'

/** Time limits of a transaction. A writer that waits for its client keeps all others waiting. */
const TRANSACTION_TIMEOUTS: ServerTimeouts = {
  statement_timeout: MINUTE,
  lock_timeout: 20 * SECOND,
  idle_in_transaction_session_timeout: 10 * SECOND,
}

/** Time limits of a migration, which may change large tables, and may wait for that of another process. */
export const MIGRATION_TIMEOUTS: ServerTimeouts = {
  ...TRANSACTION_TIMEOUTS,
  statement_timeout: 60 * MINUTE,
  lock_timeout: 60 * MINUTE,
}

class PostgresDriver implements Driver {
  readonly #openPool: () => Promise<ConnectionPool>
  #pool: Promise<ConnectionPool> | null = null

  constructor(openPool: () => Promise<ConnectionPool>) {
    this.#openPool = openPool
  }

  async init(): Promise<void> {
    await this.#requirePool()
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    const pool = await this.#requirePool()
    return pool.connect()
  }

  async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    try {
      await toConnection(connection).begin(settings)
    } catch (error) {
      // Kysely rolls back only if `beginTransaction` succeeded. `begin` may have succeeded and the lock statement
      // failed.
      await this.rollbackTransaction(connection)
      throw error
    }
  }

  commitTransaction(connection: DatabaseConnection): Promise<void> {
    return toConnection(connection).commit()
  }

  rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    return toConnection(connection).rollback()
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    const pool = await this.#requirePool()
    pool.release(toConnection(connection))
  }

  async destroy(): Promise<void> {
    const pool = await this.#pool
    await pool?.end()
  }

  #requirePool(): Promise<ConnectionPool> {
    this.#pool ??= this.#openPool()
    return this.#pool
  }
}

/** Returns a connection of this driver. Kysely knows only their interface. */
function toConnection(connection: DatabaseConnection): PostgresConnection {
  if (connection instanceof PostgresConnection) return connection
  throw new TypeError('The connection belongs to another driver.')
}

/**
 * Opens a PostgreSQL database. Connections are made on demand.
 *
 * @param timeouts time limits, of which the URL may replace single ones
 * @throws LicensingError INVALID_ARGUMENT
 */
export function openPostgres(url: string, timeouts: ServerTimeouts = TRANSACTION_TIMEOUTS): Kysely<Tables> {
  const address = parseDatabaseUrl(url)
  return new Kysely<Tables>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new PostgresDriver(() => openPool(address, timeouts)),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
}

async function openPool(address: DatabaseAddress, timeouts: ServerTimeouts): Promise<ConnectionPool> {
  const { default: driver } = await import('pg')
  // Instants and counts are far below 2^53.
  const types = new driver.TypeOverrides()
  types.setTypeParser(driver.types.builtins.INT8, Number)
  types.setTypeParser(driver.types.builtins.NUMERIC, Number)
  const { user, database, options, password } = address
  const attempts = listTlsAttempts(address)
  const endpoints = address.servers.flatMap(({ host, port }) => {
    const config: pg.ClientConfig = {
      application_name: 'smart-authority',
      types,
      ...(host !== undefined && { host }),
      ...(port !== undefined && { port }),
      ...(user !== undefined && { user }),
      ...(database !== undefined && { database }),
      ...(options !== undefined && { options }),
    }
    // The driver calls the function only if the server asks for a password.
    const client = new driver.Client(config)
    const subject = {
      host: client.host,
      port: client.port,
      database: client.database ?? '',
      user: client.user ?? '',
    }
    const withPassword = { ...config, password: () => findDatabasePassword(password, subject) }
    // Connections by a socket in the file system have no TLS.
    return subject.host.startsWith('/') ? [withPassword] : attempts.map((ssl) => ({ ...withPassword, ssl }))
  })
  return new ConnectionPool(driver, endpoints, {
    timeouts: { ...timeouts, ...address.timeouts },
    requiresWriter: address.requiresWriter,
  })
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
