import { createPrivateKey, type KeyObject } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { LicensingError } from '../../core/errors.ts'
import { SecretFileStore, toStoreError } from '../../storage/private-files.ts'
import { generateSecretKey, decryptSecret, encryptSecret } from '../../storage/encrypted-secret.ts'

/**
 * Location of a private key: the name of a file in this data directory, or the encrypted key from the database. Keys in
 * the database are available to every process of the authority, on any machine.
 */
export const keyLocationSchema = z.union([z.string(), z.object({ sealed: z.string() })])
export type KeyLocation = z.infer<typeof keyLocationSchema>

/** The file of the key that encrypts secrets in the database. Each machine of the authority has this file. */
const TOKEN_KEY_FILE = 'token.key'
/** Size of the cache of parsed keys, from which replaced keys are evicted. */
const MAX_PARSED_KEYS = 20

/** The encryption of secrets for the database. */
export type Secrets = Pick<KeyStore, 'encryptSecret' | 'decryptSecret'>

/** The private keys of an authority, and the encryption of secrets. */
export class KeyStore {
  readonly #directory: string
  readonly #files: SecretFileStore
  readonly #parsed = new Map<string, { pem: string; key: KeyObject }>()
  #secretKey: string | null = null

  constructor(dataDir: string) {
    this.#directory = join(dataDir, 'keys')
    this.#files = new SecretFileStore(this.#directory)
  }

  /** Creates the key that encrypts secrets. */
  createSecretKey(): void {
    this.#files.put(TOKEN_KEY_FILE, generateSecretKey())
  }

  has(name: string): boolean {
    return this.#files.has(name)
  }

  put(name: string, secret: string): void {
    this.#files.put(name, secret)
  }

  /** Returns the content of a secret file. @throws LicensingError STORE_UNREADABLE */
  get(name: string): string {
    return this.#files.get(name)
  }

  /** Removes a secret. @throws LicensingError STORE_* */
  remove(name: string): void {
    try {
      rmSync(join(this.#directory, name), { force: true })
    } catch (error) {
      throw toStoreError(error, `removing the key ${name}`)
    }
  }

  /** Removes a secret that is no longer used. One that cannot be removed stays until the next start. */
  removeReplaced(name: string): void {
    try {
      this.remove(name)
    } catch {
      // The replacement is done, so its caller must not fail.
    }
  }

  /** Returns the private key at a location. @throws LicensingError STORE_UNREADABLE */
  getKey(location: KeyLocation): KeyObject {
    return this.#read(location).key
  }

  /** Returns the private key at a location as PKCS #8 PEM. @throws LicensingError STORE_UNREADABLE */
  getPem(location: KeyLocation): string {
    return this.#read(location).pem
  }

  #read(location: KeyLocation): { pem: string; key: KeyObject } {
    const name = typeof location === 'string' ? location : location.sealed
    const known = this.#parsed.get(name)
    if (known) return known
    const pem = typeof location === 'string' ? this.get(location) : this.decryptSecret(location.sealed)
    const parsed = { pem, key: createPrivateKey(pem) }
    const [oldest] = this.#parsed.keys()
    if (this.#parsed.size >= MAX_PARSED_KEYS && oldest !== undefined) this.#parsed.delete(oldest)
    this.#parsed.set(name, parsed)
    return parsed
  }

  /** Encrypts a key for the database. */
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
        `A secret in the database was encrypted with another key than ${TOKEN_KEY_FILE} in the data directory.`,
        {
          remedy:
            'Every machine of an authority needs the same token.key. Copy it from the machine that created it.',
        },
      )
    }
  }

  #getSecretKey(): string {
    return (this.#secretKey ??= this.get(TOKEN_KEY_FILE))
  }
}
