import type Sqlite from 'better-sqlite3'
import { errnoCode } from '../core/errno-code.ts'
import { LicensingError } from '../core/errors.ts'
import { loadForNode20 } from './sqlite-node20.ts'
import type { SqliteOptions } from '../core/sqlite.types.ts'
import { ensurePrivateFile } from './private-files.ts'

/** Oldest major version of Node that better-sqlite3 13 supports. Loading its native part on Node 20 ends the process. */
const MIN_NODE_MAJOR = 22

/** Processors for which better-sqlite3 contains binaries. */
const ARCHITECTURES: readonly string[] = ['x64', 'arm64']

/** Properties of the process on which the native part of SQLite depends. */
export interface Host {
  readonly platform: string
  readonly arch: string
  readonly nodeMajor: number
}

const thisHost: Host = {
  platform: process.platform,
  arch: process.arch,
  nodeMajor: Number(process.versions.node.split('.')[0]),
}

/**
 * Checks that SQLite can be loaded on the host. A given native part or class serves further processors, and a given
 * class further versions of Node.
 *
 * @throws LicensingError PLATFORM_UNSUPPORTED
 */
export function assertSupportedHost(options: SqliteOptions, { platform, arch, nodeMajor }: Host): void {
  const given = options.Database ?? options.nativeBinding
  if (platform !== 'linux' || (given === undefined && !ARCHITECTURES.includes(arch)))
    throw new LicensingError('PLATFORM_UNSUPPORTED', `The platform ${platform}-${arch} is not supported.`)
  if (options.Database === undefined && nodeMajor < MIN_NODE_MAJOR)
    throw new LicensingError('PLATFORM_UNSUPPORTED', `Node ${nodeMajor} is not supported.`)
}

/**
 * Loads the class `Database` of better-sqlite3. Nothing else loads the module, so that importing the package needs no
 * native part. A literal import lets bundlers find the module.
 *
 * @throws LicensingError PLATFORM_UNSUPPORTED, STORE_MODULE_ABSENT
 */
export async function loadDatabase(options: SqliteOptions = {}): Promise<typeof Sqlite> {
  if (options.Database !== undefined) {
    assertSupportedHost(options, thisHost)
    return options.Database as typeof Sqlite
  }
  const development = thisHost.nodeMajor < MIN_NODE_MAJOR ? loadForNode20() : null
  if (development !== null) return development
  assertSupportedHost(options, thisHost)
  try {
    return (await import('better-sqlite3')).default
  } catch (error) {
    if (!['MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND'].includes(errnoCode(error))) throw error
    throw new LicensingError('STORE_MODULE_ABSENT', 'The module better-sqlite3 is not installed.')
  }
}

/**
 * Returns true if the native part of the module is missing or was built for another version of Node. A missing
 * part has no error code.
 */
const isNotBuilt = (error: unknown): boolean =>
  ['ERR_DLOPEN_FAILED', 'MODULE_NOT_FOUND'].includes(errnoCode(error)) ||
  (error instanceof Error && error.message.startsWith('Could not locate the bindings file'))

/**
 * Opens a database, and creates it with mode 0600 if there is none.
 *
 * @throws LicensingError PLATFORM_UNSUPPORTED, STORE_MODULE_ABSENT, because the native part is loaded with the first
 * database
 * @throws Error of SQLite or the file system
 */
export async function openDatabase(
  path: string,
  options: Sqlite.Options,
  sqlite: SqliteOptions = {},
): Promise<Sqlite.Database> {
  const Database = await loadDatabase(sqlite)
  ensurePrivateFile(path)
  return createDatabase(Database, path, options, sqlite)
}

/**
 * Opens a copy of a database in memory, which can be changed without a change of the original.
 *
 * @throws LicensingError PLATFORM_UNSUPPORTED, STORE_MODULE_ABSENT
 * @throws Error of SQLite
 */
export async function openDatabaseImage(image: Buffer, sqlite: SqliteOptions = {}): Promise<Sqlite.Database> {
  return createDatabase(await loadDatabase(sqlite), image, {}, sqlite)
}

function createDatabase(
  Database: typeof Sqlite,
  content: string | Buffer,
  options: Sqlite.Options,
  { nativeBinding }: SqliteOptions,
): Sqlite.Database {
  try {
    return new Database(content, nativeBinding === undefined ? options : { ...options, nativeBinding })
  } catch (error) {
    if (!isNotBuilt(error)) throw error
    throw new LicensingError(
      'STORE_MODULE_ABSENT',
      `The native module better-sqlite3 is not built for Node ${process.versions.node}.`,
    )
  }
}

/** Returns true for an error of SQLite. A class `Database` that the product gives has an error class of its own. */
export const isSqliteError = (error: unknown): error is Error & { code: string } =>
  error instanceof Error && error.name === 'SqliteError'

/** Returns true if an operation failed because another process holds the lock. */
export const isBusy = (error: unknown): boolean =>
  isSqliteError(error) && error.code.startsWith('SQLITE_BUSY')
