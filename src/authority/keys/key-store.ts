import { createPrivateKey, type KeyObject } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { LicensingError } from '../../core/errors.ts'
import { SecretFiles } from '../../storage/private-files.ts'
import { newSecretKey, openSecret, sealSecret } from '../../storage/encrypted-secret.ts'

/**
 * Where a private key is: in a file of this data directory, or sealed in the database, where every process of the
 * authority finds it, on whichever machine.
 */
export const keyPlaceSchema = z.union([z.string(), z.object({ sealed: z.string() })])
export type KeyPlace = z.infer<typeof keyPlaceSchema>

/** What secrets in the database are sealed under: a file that each machine has. */
const TOKEN_KEY = 'token.key'
/** Keys that are read and parsed once; of those that were replaced none is kept long. */
const MOST_PARSED = 20

/** The encryption of secrets for the database. */
export type Secrets = Pick<KeyStore, 'sealSecret' | 'openSecret'>

/** The private keys of an authority, and what is sealed under one of them. */
export class KeyStore {
  readonly #directory: string
  readonly #files: SecretFiles
  readonly #parsed = new Map<string, { pem: string; key: KeyObject }>()
  #sealing: string | null = null

  constructor(dataDir: string) {
    this.#directory = join(dataDir, 'keys')
    this.#files = new SecretFiles(this.#directory)
  }

  /** Makes what the rest is sealed under. */
  create(): void {
    this.#files.put(TOKEN_KEY, newSecretKey())
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
  key(place: KeyPlace): KeyObject {
    return this.#read(place).key
  }

  /** The same as PKCS #8 PEM. @throws LicensingError STORE_UNREADABLE */
  pem(place: KeyPlace): string {
    return this.#read(place).pem
  }

  #read(place: KeyPlace): { pem: string; key: KeyObject } {
    const name = typeof place === 'string' ? place : place.sealed
    const known = this.#parsed.get(name)
    if (known) return known
    const pem = typeof place === 'string' ? this.get(place) : this.openSecret(place.sealed)
    const read = { pem, key: createPrivateKey(pem) }
    const [oldest] = this.#parsed.keys()
    if (this.#parsed.size >= MOST_PARSED && oldest !== undefined) this.#parsed.delete(oldest)
    this.#parsed.set(name, read)
    return read
  }

  /** A key as it is kept in the database. */
  seal(pem: string): KeyPlace {
    return { sealed: this.sealSecret(pem) }
  }

  sealSecret(secret: string): string {
    return sealSecret(secret, this.#sealingKey())
  }

  /** @throws LicensingError STORE_UNREADABLE */
  openSecret(stored: string): string {
    try {
      return openSecret(stored, this.#sealingKey())
    } catch (thrown) {
      if (thrown instanceof LicensingError) throw thrown
      throw new LicensingError(
        'STORE_UNREADABLE',
        `A secret in the database was sealed under another key than ${TOKEN_KEY} in the data directory.`,
        {
          remedy:
            'Every machine of an authority needs the same token.key: copy it from the one it was made on.',
        },
      )
    }
  }

  #sealingKey(): string {
    return (this.#sealing ??= this.get(TOKEN_KEY))
  }
}
