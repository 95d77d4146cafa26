import { createPrivateKey, type X509Certificate } from 'node:crypto'
import { LicensingError } from '../../core/errors.ts'
import type { Issuer } from '../../pki/certificate-generation.ts'
import { readCertificateInfo } from '../../pki/chain-validation.ts'
import { INITIAL_ROOT_VERSION } from './identity.ts'
import type { KeyStore } from './key-store.ts'

/** The file of the key of a root, by the number of the bundle that brought it. */
const toRootKeyFile = (number: number): string =>
  number === INITIAL_ROOT_VERSION ? 'root.key' : `root-${number}.key`

/** Whether a file is the key of a root: such a one is never in a backup (trust §9). */
export const isRootKeyFile = (name: string): boolean => /^root(?:-\d+)?\.key$/.test(name)

/** The newest root, and the number of the bundle that brought it. */
interface NewestRoot {
  readonly root: X509Certificate | undefined
  readonly number: number
}

/** The key of the newest root: a file of this machine, brought for one process, or not here. */
export class RootKey {
  readonly #keys: KeyStore
  readonly #newest: () => NewestRoot
  #loaded: string | null = null

  constructor(keys: KeyStore, newest: () => NewestRoot) {
    this.#keys = keys
    this.#newest = newest
  }

  /**
   * Takes it for this process alone, where it is kept elsewhere: PEM.
   *
   * @throws LicensingError ROOT_KEY_WRONG
   */
  load(pem: string): void {
    assertKeyMatches(pem, this.#newest().root)
    this.#loaded = pem
  }

  /** What was brought is not that of the next root. */
  forget(): void {
    this.#loaded = null
  }

  get isAvailable(): boolean {
    return this.#loaded !== null || this.#keys.has(this.#file)
  }

  get #file(): string {
    return toRootKeyFile(this.#newest().number)
  }

  /** The newest root with its key. @throws LicensingError ROOT_KEY_ABSENT */
  getIssuer(): Issuer {
    const { root } = this.#newest()
    if (!root || !this.isAvailable)
      throw new LicensingError('ROOT_KEY_ABSENT', 'The key of the root certificate is not on this machine.')
    return { certificate: root.toString(), privateKey: this.#loaded ?? this.#keys.get(this.#file) }
  }

  /** The key as it lies on this machine; null when it does not. */
  readFromHost(): string | null {
    return this.#keys.has(this.#file) ? this.#keys.get(this.#file) : null
  }

  /** Takes the key off this machine. */
  remove(): void {
    this.#keys.remove(this.#file)
  }

  /** Puts the key of the next root beside that of the present one. */
  put(pem: string, number: number): void {
    this.#keys.put(toRootKeyFile(number), pem)
  }

  /** Keys of roots that were replaced sign nothing any more. Of a number that is not reached yet it may be one that is being made. */
  removeOld(): void {
    for (let old = INITIAL_ROOT_VERSION; old < this.#newest().number; old++)
      this.#keys.remove(toRootKeyFile(old))
  }
}

/** @throws LicensingError ROOT_KEY_WRONG */
function assertKeyMatches(pem: string, root: X509Certificate | undefined): void {
  try {
    if (root?.checkPrivateKey(createPrivateKey(pem)) === true) return
  } catch {
    // Said below.
  }
  throw new LicensingError(
    'ROOT_KEY_WRONG',
    `The key given is not that of the root certificate${root ? ` ${readCertificateInfo(root).name}` : ''}.`,
  )
}
