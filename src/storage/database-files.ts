import { statSync } from 'node:fs'
import { LicensingError } from '../core/errors.ts'

const readIdentity = (path: string): string | null => {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true })
  return stat === undefined ? null : `${stat.dev}:${stat.ino}`
}

/**
 * The files of an open SQLite database: the database and its write-ahead log. SQLite goes on with the files that it has
 * opened when others take their names, and its writes are then lost at the end of the process.
 */
export class DatabaseFiles {
  readonly #path: string
  readonly #database: string | null
  #log: string | null = null

  /** @param path the file of a database that has just been opened */
  constructor(path: string) {
    this.#path = path
    this.#database = readIdentity(path)
  }

  /** @throws LicensingError STORE_REPLACED if a file was replaced or removed since the database was opened */
  assertUnchanged(): void {
    const logPath = `${this.#path}-wal`
    const log = readIdentity(logPath)
    // SQLite creates the log when it first needs one, and keeps it while the database is open.
    this.#log ??= log
    if (readIdentity(this.#path) !== this.#database) throw replacedError(this.#path)
    if (log !== this.#log) throw replacedError(logPath)
  }
}

const replacedError = (path: string): LicensingError =>
  new LicensingError('STORE_REPLACED', `The file ${path} was replaced or removed while this program used it.`)
