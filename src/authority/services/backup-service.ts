import { createBackup } from '../backup/backup.ts'
import type { AuthorityStore } from '../store/store.ts'

/** Backups of an authority in operation. */
export class BackupService {
  readonly #dataDir: string
  readonly #store: AuthorityStore

  constructor(dataDir: string, store: AuthorityStore) {
    this.#dataDir = dataDir
    this.#store = store
  }

  /**
   * Writes a backup as one file in the age format. Deriving the key from the passphrase blocks the process for some
   * seconds. A server therefore leaves backups to the command `backup`.
   *
   * @param write receives the file in chunks
   * @throws LicensingError INVALID_ARGUMENT, STORE_*
   */
  write(passphrase: string, write: (chunk: Buffer) => void): Promise<void> {
    return createBackup(this.#dataDir, this.#store, passphrase, write)
  }

  /** Returns the backup as one buffer. See `write`. */
  async create(passphrase: string): Promise<Buffer> {
    const chunks: Buffer[] = []
    await this.write(passphrase, (chunk) => chunks.push(chunk))
    return Buffer.concat(chunks)
  }
}
