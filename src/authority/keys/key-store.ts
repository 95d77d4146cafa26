import { createPrivateKey, type KeyObject } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { LicensingError } from '../../core/errors.ts'
import { SecretFileStore } from '../../storage/private-files.ts'
import { generateSecretKey, decryptSecret, encryptSecret } from '../../storage/encrypted-secret.ts'

/**
 * Where a private key is: in a file of this data directory, or sealed in the database, where every process of the
 * authority finds it, on whichever machine.
 */
export const keyLocationSchema = z.union([z.string(), z.object({ sealed: z.string() })])
export type KeyLocation = z.infer<typeof keyLocationSchema>

/** What secrets in the database are sealed under: a file that each machine has. */
const TOKEN_KEY_FILE = 'token.key'
/** Keys that are read and parsed once; of those that were replaced none is kept long. */
const MAX_PARSED_KEYS = 20

/** The encryption of secrets for the database. */
export type Secrets = Pick<KeyStore, 'encryptSecret' | 'decryptSecret'>

/** The private keys of an authority, and what is sealed under one of them. */
export class KeyStore {
  readonly #directory: string
  readonly #files: SecretFileStore
  readonly #parsed = new Map<string, { pem: string; key: KeyObject }>()
  #secretKey: string | null = null

  constructor(dataDir: string) {
    this.#directory = join(dataDir, 'keys')
    this.#files = new SecretFileStore(this.#directory)
  }

  /** Makes what the rest is sealed under. */
  create(): void {
    this.#files.put(TOKEN_KEY_FILE, generateSecretKey())
  }

  has(name: string): boolean {
    return this.#files.has(name)
  }

  put(name: string, secret: string): void {
    this.#files.put(name, secret)
  }

  /** A secret that is a file. @throws LicensingError STORE_UNREADABLE */
  get(name: string): string {
    return this.#files.get(name)
  }

  remove(name: string): void {
    rmSync(join(this.#directory, name), { force: true })
  }

  /** The private key at a place, parsed once. @throws LicensingError STORE_UNREADABLE */
  key(location: KeyLocation): KeyObject {
    return this.#read(location).key
  }

  /** The same as PKCS #8 PEM. @throws LicensingError STORE_UNREADABLE */
  pem(location: KeyLocation): string {
    return this.#read(location).pem
  }

  #read(place: KeyLocation): { pem: string; key: KeyObject } {
    const name = typeof place === 'string' ? place : place.sealed
    const known = this.#parsed.get(name)
    if (known) return known
    const pem = typeof place === 'string' ? this.get(place) : this.decryptSecret(place.sealed)
    const read = { pem, key: createPrivateKey(pem) }
    const [oldest] = this.#parsed.keys()
    if (this.#parsed.size >= MAX_PARSED_KEYS && oldest !== undefined) this.#parsed.delete(oldest)
    this.#parsed.set(name, read)
    return read
  }

  /** A key as it is kept in the database. */
  encryptKey(pem: string): KeyLocation {
    return { sealed: this.encryptSecret(pem) }
  }

  encryptSecret(secret: string): string {
    return encryptSecret(secret, this.#getSecretKey())
  }

  /** @throws LicensingError STORE_UNREADABLE */
  decryptSecret(stored: string): string {
    try {
      return decryptSecret(stored, this.#getSecretKey())
    } catch (error) {
      if (error instanceof LicensingError) throw error
      throw new LicensingError(
        'STORE_UNREADABLE',
        `A secret in the database was sealed under another key than ${TOKEN_KEY_FILE} in the data directory.`,
        {
          remedy:
            'Every machine of an authority needs the same token.key: copy it from the one it was made on.',
        },
      )
    }
  }

  #getSecretKey(): string {
    return (this.#secretKey ??= this.get(TOKEN_KEY_FILE))
  }
}
