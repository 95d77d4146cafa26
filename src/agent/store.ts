import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import type Sqlite from 'better-sqlite3'
import type { z } from 'zod'
import { LicensingError } from '../core/errors.ts'
import { agentClosedError } from './agent-closed.ts'
import {
  checkPrivateDirectory,
  ensurePrivateDirectory,
  fileExists,
  SecretFileStore,
  toStoreError,
} from '../storage/private-files.ts'
import { readDatabaseImage } from '../storage/database-image.ts'
import { isBusy, openDatabase, openDatabaseImage } from '../storage/sqlite.ts'
import type { SqliteOptions } from '../core/sqlite.types.ts'
import { EXCHANGES_SCHEMA, ExchangeTable } from './exchange-table.ts'
import { HISTORY_SCHEMA, HistoryTable } from './history-table.ts'
import { COMMANDS_SCHEMA, PendingCommands } from './pending-commands.ts'
import { parseStored } from './persisted-state.ts'
import { USAGE_SCHEMA } from './usage-history.ts'

const DATABASE_FILE = 'agent.db'

/** Version of tables and documents, stored as the database's `user_version`. */
export const DATA_VERSION = 1

const SCHEMA = `
  create table if not exists documents (name text primary key, json text not null) strict;
  ${COMMANDS_SCHEMA}
  ${USAGE_SCHEMA}
  ${HISTORY_SCHEMA}
  ${EXCHANGES_SCHEMA}
`

/** Directories that this process holds. */
const openDirectories = new Set<string>()

const lockedError = (dataDir: string): LicensingError =>
  openDirectories.has(realpathSync(dataDir))
    ? new LicensingError('DATA_DIR_LOCKED', `This process already has an open agent on ${dataDir}.`, {
        remedy: 'Use that agent, or close it first.',
      })
    : new LicensingError('DATA_DIR_LOCKED', `Another process is using ${dataDir}.`)

/** @throws LicensingError STORE_TOO_NEW, DATA_VERSION_UNSUPPORTED */
function assertSupported(db: Sqlite.Database): void {
  const version = db.pragma('user_version', { simple: true }) as number
  if (version > DATA_VERSION)
    throw new LicensingError(
      'STORE_TOO_NEW',
      `The data directory has version ${version}, but this program supports versions up to ${DATA_VERSION}.`,
    )
  // Development builds wrote tables without a version.
  const isUnversioned = version < DATA_VERSION && db.prepare('select 1 from sqlite_master limit 1').get()
  if (isUnversioned)
    throw new LicensingError(
      'DATA_VERSION_UNSUPPORTED',
      'The data directory was written by a development build of this program.',
    )
}

/** @throws LicensingError DATA_DIR_MISSING, DATA_DIR_UNSAFE */
function requireStore(dataDir: string): void {
  if (!AgentStore.exists(dataDir))
    throw new LicensingError('DATA_DIR_MISSING', `The data directory ${dataDir} contains no agent.`)
  checkPrivateDirectory(dataDir)
}

/**
 * Store of the agent: one SQLite database, locked exclusively while the store is open. The lock permits one agent for
 * each data directory, and ends with the process.
 */
export class AgentStore {
  readonly #db: Sqlite.Database
  readonly #selectDocument: Sqlite.Statement<[string], { json: string }>
  readonly #upsertDocument: Sqlite.Statement<[string, string]>
  readonly secrets: SecretFileStore
  readonly history: HistoryTable
  readonly exchanges: ExchangeTable
  readonly commands: PendingCommands
  /** Directory that this store holds. Null for a copy. */
  readonly #directory: string | null
  #isClosed = false

  private constructor(db: Sqlite.Database, dataDir: string, { isCopy }: { isCopy: boolean }) {
    this.#db = db
    this.#directory = isCopy ? null : realpathSync(dataDir)
    const secrets = new SecretFileStore(join(dataDir, 'secrets'))
    this.secrets = secrets
    this.history = new HistoryTable(db)
    this.exchanges = new ExchangeTable(db)
    this.commands = new PendingCommands(db)
    this.#selectDocument = db.prepare('select json from documents where name = ?')
    this.#upsertDocument = db.prepare(
      'insert into documents values (?, ?) on conflict (name) do update set json = excluded.json',
    )
  }

  static exists(dataDir: string): boolean {
    return fileExists(join(dataDir, DATABASE_FILE))
  }

  /**
   * Opens the store. With `create`, creates a missing store.
   *
   * @throws LicensingError DATA_DIR_MISSING, DATA_DIR_UNSAFE, DATA_DIR_LOCKED, DATA_VERSION_UNSUPPORTED, STORE_TOO_NEW,
   * STORE_UNWRITABLE, STORE_FULL, STORE_UNREADABLE, STORE_MODULE_ABSENT, PLATFORM_UNSUPPORTED
   */
  static async open(
    dataDir: string,
    options: { create: boolean; sqlite?: SqliteOptions | undefined },
  ): Promise<AgentStore> {
    if (options.create) ensurePrivateDirectory(dataDir)
    else requireStore(dataDir)
    let db: Sqlite.Database | undefined
    try {
      db = await openDatabase(join(dataDir, DATABASE_FILE), { timeout: 0 }, options.sqlite)
      db.pragma('locking_mode = EXCLUSIVE')
      // Check the version before any write, so that a refused database stays unchanged.
      assertSupported(db)
      db.pragma('journal_mode = WAL')
      db.pragma('synchronous = FULL')
      db.pragma('secure_delete = ON')
      db.exec(`begin immediate; ${SCHEMA} pragma user_version = ${DATA_VERSION}; commit;`)
      const store = new AgentStore(db, dataDir, { isCopy: false })
      openDirectories.add(realpathSync(dataDir))
      return store
    } catch (error) {
      db?.close()
      if (isBusy(error)) throw lockedError(dataDir)
      throw toStoreError(error, `opening ${dataDir}`)
    }
  }

  /**
   * Opens a copy of the last commit in memory. Takes no lock and writes nothing, so another process may hold the store.
   *
   * @throws LicensingError as `open`. DATA_DIR_LOCKED if this process holds the store, or another one writes all the time
   */
  static async openCopy(dataDir: string, sqlite?: SqliteOptions): Promise<AgentStore> {
    requireStore(dataDir)
    if (openDirectories.has(realpathSync(dataDir))) throw lockedError(dataDir)
    let db: Sqlite.Database | undefined
    try {
      const image = readDatabaseImage(join(dataDir, DATABASE_FILE))
      if (image === null) throw lockedError(dataDir)
      db = await openDatabaseImage(image, sqlite)
      assertSupported(db)
      return new AgentStore(db, dataDir, { isCopy: true })
    } catch (error) {
      db?.close()
      throw toStoreError(error, `reading ${dataDir}`)
    }
  }

  /**
   * Database for components with their own tables. Use it only within `commit`.
   *
   * @internal
   */
  get db(): Sqlite.Database {
    return this.#db
  }

  /** Reads and validates a document. Returns null for a missing document. @throws LicensingError STORE_UNREADABLE */
  read<T>(name: string, schema: z.ZodType<T>): T | null {
    const json = this.readText(name)
    if (json === null) return null
    const parsed = schema.safeParse(parseStored(json, name))
    if (!parsed.success)
      throw new LicensingError('STORE_UNREADABLE', `The stored document "${name}" is not valid.`)
    return parsed.data
  }

  readText(name: string): string | null {
    this.#requireOpen()
    return this.#selectDocument.get(name)?.json ?? null
  }

  /** Runs the work in one transaction, which is on disk when the method returns. An error rolls back everything. */
  commit<T>(work: () => T): T {
    this.#requireOpen()
    try {
      return this.#db.transaction(work).immediate()
    } catch (error) {
      throw toStoreError(error, 'writing the state')
    }
  }

  write(name: string, document: unknown): void {
    this.#upsertDocument.run(name, typeof document === 'string' ? document : JSON.stringify(document))
  }

  remove(name: string): void {
    this.#db.prepare('delete from documents where name = ?').run(name)
  }

  /** @throws LicensingError AGENT_CLOSED */
  #requireOpen(): void {
    if (this.#isClosed) throw agentClosedError()
  }

  close(): void {
    this.#isClosed = true
    if (this.#directory !== null) openDirectories.delete(this.#directory)
    this.#db.close()
  }
}
