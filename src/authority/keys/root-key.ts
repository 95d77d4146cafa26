import { createPrivateKey, type X509Certificate } from 'node:crypto'
import { LicensingError } from '../../core/errors.ts'
import type { Issuer } from '../../pki/certificate-generation.ts'
import { readCertificateInfo } from '../../pki/chain-validation.ts'
import { INITIAL_ROOT_VERSION } from './identity.ts'
import type { KeyStore } from './key-store.ts'

/** Returns the name of the key file of a root version. */
const toRootKeyFile = (number: number): string =>
  number === INITIAL_ROOT_VERSION ? 'root.key' : `root-${number}.key`

/** Returns true if a file holds the key of a root. Backups exclude these files. */
export const isRootKeyFile = (name: string): boolean => /^root(?:-\d+)?\.key$/.test(name)

/** The newest root, and its version. */
interface NewestRoot {
  readonly root: X509Certificate | undefined
  readonly number: number
}

/** The key of the newest root. It is a file on this machine, loaded into this process, or absent. */
export class RootKey {
  readonly #keys: KeyStore
  readonly #getNewestRoot: () => NewestRoot
  #loaded: string | null = null

  constructor(keys: KeyStore, getNewestRoot: () => NewestRoot) {
    this.#keys = keys
    this.#getNewestRoot = getNewestRoot
  }

  /**
   * Loads the key for this process alone.
   *
   * @param pem the private key as PEM
   * @throws LicensingError ROOT_KEY_WRONG
   */
  load(pem: string): void {
    assertKeyMatches(pem, this.#getNewestRoot().root)
    this.#loaded = pem
  }

  /** Drops the loaded key after a root rotation, because the key belongs to the former root. */
  forget(): void {
    this.#loaded = null
  }

  get isAvailable(): boolean {
    return this.#loaded !== null || this.#keys.has(this.#file)
  }

  get #file(): string {
    return toRootKeyFile(this.#getNewestRoot().number)
  }

  /** Returns the newest root with its key. @throws LicensingError ROOT_KEY_ABSENT */
  getIssuer(): Issuer {
    const { root } = this.#getNewestRoot()
    if (!root || !this.isAvailable)
      throw new LicensingError('ROOT_KEY_ABSENT', 'The key of the root certificate is not on this machine.')
    return { certificate: root.toString(), privateKey: this.#loaded ?? this.#keys.get(this.#file) }
  }

  /** Returns the key from the file on this machine as PEM, or null if there is none. */
  readFromHost(): string | null {
    return this.#keys.has(this.#file) ? this.#keys.get(this.#file) : null
  }

  /** Removes the key from this machine. */
  remove(): void {
    this.#keys.remove(this.#file)
  }

  /** Stores the key of a root version beside the present key. */
  put(pem: string, number: number): void {
    this.#keys.put(toRootKeyFile(number), pem)
  }

  /**
   * Removes the keys of replaced roots. The key of a higher version may belong to a rotation in progress, so it stays.
   */
  removeOld(): void {
    for (let old = INITIAL_ROOT_VERSION; old < this.#getNewestRoot().number; old++)
      this.#keys.removeReplaced(toRootKeyFile(old))
  }
}

/** @throws LicensingError ROOT_KEY_WRONG */
function assertKeyMatches(pem: string, root: X509Certificate | undefined): void {
  try {
    if (root?.checkPrivateKey(createPrivateKey(pem)) === true) return
  } catch {
    // The error below covers unreadable keys too.
  }
  throw new LicensingError(
    'ROOT_KEY_WRONG',
    `The given key does not belong to the root certificate${root ? ` ${readCertificateInfo(root).name}` : ''}.`,
  )
}
