import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { validate } from '../../core/validate.ts'
import type { Clock } from '../../core/clock.ts'
import { LicensingError } from '../../core/errors.ts'
import { systemClock } from '../../core/system-clock.ts'
import { HOUR } from '../../core/time.ts'
import { fsyncDirectory } from '../../storage/atomic-file.ts'
import { EncryptedLines, encryptLines } from '../../storage/age-files.ts'
import { checkPrivateDirectory, SecretFileStore, toStoreError } from '../../storage/private-files.ts'
import { passphraseSchema } from '../keys/passphrase.ts'
import { isRootKeyFile } from '../keys/root-key.ts'
import { DATA_VERSION } from '../store/migrations/index.ts'
import { AuthorityStore, saveDatabaseUrl, type Tx } from '../store/store.ts'
import { startNewEpoch, type RestoreSummary } from './start-new-epoch.ts'
import { markRestoreStarted, dropPartialRestore, markRestoreFinished } from './restore-marker.ts'
import { dumpRows, emptyTables, resetSequences, loadRows, rowsSchema, tablesForVersion } from './dump.ts'

const KEY_NAME = /^[a-z0-9-]+\.key$/

/** Schema of a line of a backup: a header, rows and keys, and an end with their numbers. */
const lineSchema = z.union([
  z.object({ backup: z.literal('smart-authority'), migration: z.int().min(1) }),
  rowsSchema,
  z.object({ key: z.string().regex(KEY_NAME), text: z.string().max(100_000) }),
  z.object({ end: z.object({ rows: z.int(), keys: z.int() }) }),
])
type Line = z.infer<typeof lineSchema>

/**
 * Writes an authority as one passphrase-encrypted file in the age format, while the authority serves. The file has every
 * row, as of one moment, and every key except the root key. The rows fit both databases. Deriving the encryption key
 * blocks this process for some seconds.
 *
 * @param write receives the file in parts
 * @throws LicensingError INVALID_ARGUMENT, STORE_*, DATABASE_UNREACHABLE
 */
export async function createBackup(
  dataDir: string,
  store: AuthorityStore,
  passphrase: string,
  write: (chunk: Buffer) => void,
): Promise<void> {
  const secret = validate(passphraseSchema, passphrase, 'passphrase')
  let begun = false
  try {
    await store.read(async (tx) => {
      // The transaction was restarted, but the first part of the file is already written.
      if (begun)
        throw new LicensingError(
          'DATABASE_UNREACHABLE',
          'The connection to the database was lost during the backup.',
        )
      begun = true
      await encryptLines(createBackupLines(dataDir, tx), secret, write)
    })
  } catch (error) {
    throw toStoreError(error, 'making the backup')
  }
}

async function* createBackupLines(dataDir: string, tx: Tx): AsyncGenerator<string> {
  const line = (one: Line): string => JSON.stringify(one)
  const migration = DATA_VERSION
  yield line({ backup: 'smart-authority', migration })
  let rows = 0
  for await (const some of dumpRows(tx, migration)) {
    rows += some.rows.length
    yield line(some)
  }
  // The keys follow the rows that they belong to.
  const directory = join(dataDir, 'keys')
  const names = readdirSync(directory).filter((name) => KEY_NAME.test(name) && !isRootKeyFile(name))
  for (const key of names) yield line({ key, text: readFileSync(join(directory, key), 'utf8') })
  yield line({ end: { rows, keys: names.length } })
}

export interface RestoreOptions {
  readonly dataDir: string
  readonly backup: Buffer
  readonly passphrase: string
  /** `postgres://…` URL of a database without tables; by default a SQLite database in the data directory. */
  readonly database?: string | undefined
  readonly clock?: Clock
}

/**
 * Creates a data directory from a backup, atomically. The restored authority starts a new epoch. Objects that may have
 * been used or changed since the backup are on hold until an administrator reviews them.
 *
 * @throws LicensingError DATA_DIR_EXISTS, BACKUP_UNREADABLE, STORE_*, DATABASE_*
 */
export async function restoreAuthority(options: RestoreOptions): Promise<RestoreSummary> {
  const { clock = systemClock } = options
  const targetDir = resolve(options.dataDir)
  if (existsSync(targetDir) && readdirSync(targetDir).length > 0)
    throw new LicensingError('DATA_DIR_EXISTS', `${targetDir} is not empty.`, {
      remedy: 'Restore into a new directory and name it with --data-dir.',
    })
  removeStale(targetDir)
  const temporary = join(dirname(targetDir), `.${basename(targetDir)}-${randomBytes(6).toString('hex')}`)
  try {
    mkdirSync(join(temporary, 'keys'), { recursive: true, mode: 0o700 })
    checkPrivateDirectory(temporary)
    await unpack(temporary, options)
    if (options.database !== undefined) saveDatabaseUrl(temporary, options.database)
    const done = await startNewEpoch(temporary, clock)
    if (existsSync(targetDir)) rmdirSync(targetDir)
    renameSync(temporary, targetDir)
    fsyncDirectory(dirname(targetDir))
    if (options.database !== undefined) await finishRestore(targetDir)
    return done
  } catch (error) {
    throw toStoreError(error, 'restoring the backup')
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

/** Removes the restore marker. A failure is ignored, because the next start of the authority also removes the marker. */
async function finishRestore(dataDir: string): Promise<void> {
  try {
    const store = await AuthorityStore.open(dataDir)
    await store.transaction(markRestoreFinished).finally(() => store.close())
  } catch {
    // The restore itself has succeeded.
  }
}

/** Removes temporary directories of interrupted restores. */
function removeStale(targetDir: string): void {
  const parent = dirname(targetDir)
  if (!existsSync(parent)) return
  const head = `.${basename(targetDir)}-`
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(head) || !/^[0-9a-f]{12}$/.test(name.slice(head.length))) continue
    if (Date.now() - statSync(join(parent, name)).mtimeMs > HOUR)
      rmSync(join(parent, name), { recursive: true, force: true })
  }
}

const createUnreadableError = (why: string) =>
  new LicensingError('BACKUP_UNREADABLE', `The backup cannot be used: ${why}.`)

/** Rolls back the transaction that loads a damaged file. */
class DecryptionFailed extends Error {}

async function unpack(dataDir: string, { backup, passphrase, database }: RestoreOptions): Promise<void> {
  const lines = await EncryptedLines.open(backup, passphrase)
  const migration = lines === null ? null : await readVersion(lines)
  if (lines === null || migration === null)
    throw new LicensingError('BACKUP_UNREADABLE', 'The backup cannot be opened.')
  if (migration > DATA_VERSION)
    throw new LicensingError(
      'STORE_TOO_NEW',
      `The backup has data version ${migration}, but this program supports versions up to ${DATA_VERSION}.`,
    )
  if (database !== undefined) await dropPartialRestore(dataDir, database)
  const store = await AuthorityStore.open(dataDir, database, migration)
  try {
    await store.transaction(async (tx) => {
      await emptyTables(tx, migration)
      const loader = new BackupLoader(tx, new SecretFileStore(join(dataDir, 'keys')), migration)
      if (!(await lines.read((line) => loader.loadLine(line)))) throw new DecryptionFailed()
      loader.assertComplete()
      if (store.kind === 'sqlite') return
      await resetSequences(tx, migration)
      await markRestoreStarted(tx)
    })
  } catch (error) {
    if (error instanceof DecryptionFailed) throw createUnreadableError('it is damaged')
    throw error
  } finally {
    await store.close()
  }
}

/** Parses a line of a backup. @returns null for a malformed line */
function parseLine(text: string): Line | null {
  try {
    return lineSchema.parse(JSON.parse(text))
  } catch {
    return null
  }
}

/** Returns the version of the tables in a backup; null for a file that is not a backup or was altered. */
async function readVersion(lines: EncryptedLines): Promise<number | null> {
  let version: number | null | undefined
  // The whole file is verified before anything is created from it.
  const whole = await lines.read((text) => {
    if (version !== undefined) return Promise.resolve()
    const line = parseLine(text)
    version = line && 'migration' in line ? line.migration : null
    return Promise.resolve()
  })
  return whole ? (version ?? null) : null
}

class BackupLoader {
  readonly #tx: Tx
  readonly #keys: SecretFileStore
  readonly #tables: ReadonlySet<string>
  #rowCount = 0
  #keyCount = 0
  #isComplete = false

  constructor(tx: Tx, keys: SecretFileStore, migration: number) {
    this.#tx = tx
    this.#keys = keys
    this.#tables = new Set(tablesForVersion(migration).map(({ name }) => name))
  }

  async loadLine(text: string): Promise<void> {
    const line = parseLine(text)
    if (line === null) throw createUnreadableError('a line is malformed')
    if ('rows' in line) {
      await loadRows(this.#tx, this.#tables, line)
      this.#rowCount += line.rows.length
    } else if ('key' in line) {
      this.#keys.put(line.key, line.text)
      this.#keyCount++
    } else if ('end' in line)
      this.#isComplete = line.end.rows === this.#rowCount && line.end.keys === this.#keyCount
  }

  /** @throws LicensingError BACKUP_UNREADABLE */
  assertComplete(): void {
    if (!this.#isComplete) throw createUnreadableError('it is incomplete')
  }
}
