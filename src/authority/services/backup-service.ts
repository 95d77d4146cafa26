import { createBackup } from '../backup/backup.ts'
import type { AuthorityStore } from '../store/store.ts'

/** Backups of an authority, made while it goes on. */
export class BackupService {
  readonly #dataDir: string
  readonly #store: AuthorityStore

  constructor(dataDir: string, store: AuthorityStore) {
    this.#dataDir = dataDir
    this.#store = store
  }

  /**
   * Writes the authority as one file of the age format. Deriving the key from the passphrase occupies the process for some
   * seconds, in which it serves nobody: a server leaves this to the command `backup`.
   *
   * @param write takes the file piece by piece
   * @throws LicensingError INVALID_ARGUMENT, STORE_*
   */
  write(passphrase: string, write: (chunk: Buffer) => void): Promise<void> {
    return createBackup(this.#dataDir, this.#store, passphrase, write)
  }

  /** Returns the same file as one piece. */
  async create(passphrase: string): Promise<Buffer> {
    const chunks: Buffer[] = []
    await this.write(passphrase, (chunk) => chunks.push(chunk))
    return Buffer.concat(chunks)
  }
}
