import type { X509Certificate } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { LicensingError } from '../../core/errors.ts'
import type { Instant } from '../../core/time.ts'
import { parseRoots } from '../../pki/chain-validation.ts'
import { type AuthorityIdentity, readIdentity, writeIdentity } from './identity.ts'
import { readKeySetting, removeKeySetting, writeKeySetting } from './key-settings.ts'
import { type KeyLocation, keyLocationSchema, type KeyStore } from './key-store.ts'
import type { IssuingContext } from './leaf-certificates.ts'
import { assertWritable, type Tx } from '../store/store.ts'

export const ISSUING_CA_KEY_FILE = 'sub-ca.key'

const throwNotRegistered = (): never => {
  throw new LicensingError(
    'SATELLITE_NOT_REGISTERED',
    'This satellite was never synchronized with its manager.',
  )
}

/**
 * The parts of an identity that can change: roots, certificates of the issuing CA, root rotation statements and
 * epoch.
 */
type IdentityChanges = Partial<
  Pick<AuthorityIdentity, 'root' | 'issuingCa' | 'crossSignedCas' | 'trust' | 'epoch'>
>

/** An authority's identity and the locations of its keys, as this process last read them from the database. */
export class KeyRing {
  readonly keys: KeyStore
  #identity: AuthorityIdentity
  #issuingKey: KeyLocation = ISSUING_CA_KEY_FILE
  /** The key of a satellite's next issuing CA, until the manager has certified that CA. */
  #nextIssuingKey: KeyLocation | null = null
  #roots: { pem: string; certificates: X509Certificate[] } = { pem: '', certificates: [] }

  constructor(identity: AuthorityIdentity, keys: KeyStore) {
    this.#identity = identity
    this.keys = keys
  }

  get identity(): AuthorityIdentity {
    return this.#identity
  }

  /** The roots of the manager, the newest first: PEM. @throws LicensingError SATELLITE_NOT_REGISTERED */
  get root(): string {
    return this.#identity.root ?? throwNotRegistered()
  }

  /**
   * The roots of the manager as parsed certificates, the newest first.
   *
   * @throws LicensingError SATELLITE_NOT_REGISTERED
   */
  get roots(): readonly X509Certificate[] {
    const pem = this.root
    if (this.#roots.pem !== pem) this.#roots = { pem, certificates: parseRoots(pem) }
    return this.#roots.certificates
  }

  /** The CA that issues this authority's certificates: PEM. @throws LicensingError SATELLITE_NOT_REGISTERED */
  get issuingCa(): string {
    return this.#identity.issuingCa ?? throwNotRegistered()
  }

  /** All certificates of the issuing CA as PEM. While the root is being replaced, there is one under each root. */
  get issuingCas(): readonly string[] {
    return [this.issuingCa, ...this.#identity.crossSignedCas]
  }

  /** The location of the issuing CA's key. */
  get issuingKey(): KeyLocation {
    return this.#issuingKey
  }

  /** The location of the key of a satellite's next issuing CA, or null if there is none. */
  get nextIssuingKey(): KeyLocation | null {
    return this.#nextIssuingKey
  }

  /**
   * Reads the changes that other processes of this authority have made to its identity and keys. Ends the overlap of
   * two roots when it has expired.
   */
  async refresh(tx: Tx, at: Instant): Promise<void> {
    const identity = await readIdentity(tx)
    if (identity && !isDeepStrictEqual(identity, this.#identity)) {
      assertWritable(tx)
      this.#identity = identity
    }
    await this.readKeys(tx)
    const { trust, crossSignedCas } = this.#identity
    if (trust.until === null || at < trust.until) return
    assertWritable(tx)
    const [newestRoot] = this.roots
    // After the overlap, the authority keeps only the certificate under the newest root.
    const [newestCa = this.#identity.issuingCa] = crossSignedCas.slice(-1)
    await this.adopt(tx, {
      root: newestRoot ? newestRoot.toString() : this.root,
      issuingCa: newestCa,
      crossSignedCas: [],
      trust: { ...trust, until: null },
    })
  }

  /** Reads the locations of the keys from the database. */
  async readKeys(tx: Tx): Promise<void> {
    const readLocation = async (name: 'issuing-ca-key' | 'next-issuing-ca-key') => {
      const json = await readKeySetting(tx, name)
      return json === null ? null : keyLocationSchema.parse(JSON.parse(json))
    }
    const issuingKey = (await readLocation('issuing-ca-key')) ?? ISSUING_CA_KEY_FILE
    const nextIssuingKey = await readLocation('next-issuing-ca-key')
    if (!isDeepStrictEqual([issuingKey, nextIssuingKey], [this.#issuingKey, this.#nextIssuingKey])) {
      assertWritable(tx)
      this.#issuingKey = issuingKey
      this.#nextIssuingKey = nextIssuingKey
    }
  }

  /** Replaces the given parts of the identity, in this process and in the database. */
  async adopt(tx: Tx, changed: IdentityChanges): Promise<void> {
    this.#identity = { ...this.#identity, ...changed }
    await writeIdentity(tx, this.#identity)
  }

  /** Adds the current issuing CA to the former CAs. */
  #retireIssuingCa(): void {
    const { previousCas, issuingCa } = this.#identity
    this.#identity = {
      ...this.#identity,
      previousCas: issuingCa === null ? previousCas : [issuingCa, ...previousCas],
    }
  }

  /** Makes a key the key of the issuing CA, and adds the certificate of the former key to the former CAs. */
  async activateIssuingKey(tx: Tx, location: KeyLocation): Promise<void> {
    await writeKeySetting(tx, 'issuing-ca-key', JSON.stringify(location))
    if (location === this.#nextIssuingKey) {
      await removeKeySetting(tx, 'next-issuing-ca-key')
      this.#nextIssuingKey = null
    }
    this.#retireIssuingCa()
    this.#issuingKey = location
  }

  /**
   * Stores the key of a satellite's next issuing CA. The satellite uses the key once the manager has certified
   * that CA.
   */
  async prepareIssuingKey(tx: Tx, location: KeyLocation): Promise<void> {
    this.#nextIssuingKey = location
    await writeKeySetting(tx, 'next-issuing-ca-key', JSON.stringify(location))
  }

  /**
   * Returns the key and all certificates of the issuing CA, to issue certificates.
   *
   * @throws LicensingError SATELLITE_NOT_REGISTERED
   */
  getIssuingContext(): IssuingContext {
    const { account, id: authorityId } = this.#identity
    const certificates = this.issuingCas
    const privateKey = this.keys.getPem(this.#issuingKey)
    return { certificate: this.issuingCa, privateKey, certificates, account, authorityId }
  }
}
