import type { X509Certificate } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { LicensingError } from '../../core/errors.ts'
import type { Instant } from '../../core/time.ts'
import { newSeed } from '../../pki/key-agreement.ts'
import type { Issuer } from '../../pki/certificate-generation.ts'
import { readRoots } from '../../pki/chain-validation.ts'
import { readNumber } from '../../pki/root-rotation.ts'
import { type AuthorityIdentity, readIdentity, writeIdentity } from './identity.ts'
import { readKeySetting, removeKeySetting, writeKeySetting } from './key-settings.ts'
import { type KeyPlace, keyPlaceSchema, type KeyStore } from './key-store.ts'
import type { Issuing } from './leaf-certificates.ts'
import { requireWriter, type Tx } from '../store/store.ts'

export const SUB_CA_KEY = 'sub-ca.key'

const notRegistered = (): never => {
  throw new LicensingError(
    'SATELLITE_NOT_REGISTERED',
    'This satellite was never synchronised with its manager.',
  )
}

/** Who an authority is and where its keys are, as this process last read it from the database. */
export class HeldKeys {
  readonly keys: KeyStore
  #identity: AuthorityIdentity
  #issuingKey: KeyPlace = SUB_CA_KEY
  /** A satellite's next issuing CA, until its manager has certified it. */
  #nextIssuingKey: KeyPlace | null = null
  #reservationSeed: string | null = null
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
    return this.#identity.root ?? notRegistered()
  }

  /** The same, read. @throws LicensingError SATELLITE_NOT_REGISTERED */
  get roots(): readonly X509Certificate[] {
    const pem = this.root
    if (this.#roots.pem !== pem) this.#roots = { pem, certificates: readRoots(pem) }
    return this.#roots.certificates
  }

  /** The CA that issues this authority's certificates: PEM. @throws LicensingError SATELLITE_NOT_REGISTERED */
  get issuingCa(): string {
    return this.#identity.subCa ?? notRegistered()
  }

  /** All certificates it has: two while the root is replaced, for those who believe the one or the other. */
  get issuingCas(): readonly string[] {
    return [this.issuingCa, ...this.#identity.furtherCas]
  }

  /** The bundles of roots that somebody lacks who holds the one of a number: signed, the oldest first. */
  bundlesAfter(number: number): readonly string[] {
    const { trust } = this.#identity
    return trust.number <= number ? [] : trust.bundles.filter((text) => (readNumber(text) ?? 0) > number)
  }

  get issuingKey(): KeyPlace {
    return this.#issuingKey
  }

  /** A satellite's next issuing CA; null where none was made. */
  get nextIssuingKey(): KeyPlace | null {
    return this.#nextIssuingKey
  }

  /** What the agreement with boxes on the keys of their codes begins with. */
  get reservationSeed(): string {
    return this.#reservationSeed ?? ''
  }

  /**
   * What another process of this authority has made of its identity and keys since, and what time brings: the end of the
   * overlap of two roots.
   */
  async refresh(tx: Tx, at: Instant): Promise<void> {
    const identity = await readIdentity(tx)
    if (identity && !isDeepStrictEqual(identity, this.#identity)) {
      requireWriter(tx)
      this.#identity = identity
    }
    await this.readKeys(tx)
    const { trust, furtherCas } = this.#identity
    if (trust.until === null || at < trust.until) return
    requireWriter(tx)
    const [newest] = this.roots
    // The certificate by the newest root stands first from here on, and alone.
    const [last = this.#identity.subCa] = furtherCas.slice(-1)
    await this.write(tx, {
      root: newest ? newest.toString() : this.root,
      subCa: last,
      furtherCas: [],
      trust: { ...trust, until: null },
    })
  }

  /** Where its keys are. */
  async readKeys(tx: Tx): Promise<void> {
    const place = async (name: 'issuing-ca-key' | 'next-issuing-ca-key') => {
      const json = await readKeySetting(tx, name)
      return json === null ? null : keyPlaceSchema.parse(JSON.parse(json))
    }
    const issuingKey = (await place('issuing-ca-key')) ?? SUB_CA_KEY
    const nextIssuingKey = await place('next-issuing-ca-key')
    if (!isDeepStrictEqual([issuingKey, nextIssuingKey], [this.#issuingKey, this.#nextIssuingKey])) {
      requireWriter(tx)
      this.#issuingKey = issuingKey
      this.#nextIssuingKey = nextIssuingKey
    }
    this.#reservationSeed ??= await this.#readReservationSeed(tx)
  }

  /** Returns the seed that all processes of this authority share, and creates it at the first time. */
  async #readReservationSeed(tx: Tx): Promise<string> {
    const stored = await readKeySetting(tx, 'reservation-key')
    if (stored !== null) return this.keys.openSecret(stored)
    const seed = newSeed()
    await writeKeySetting(tx, 'reservation-key', this.keys.sealSecret(seed))
    return seed
  }

  /** Changes who it is, here and in the database. */
  async write(tx: Tx, changed: Partial<AuthorityIdentity>): Promise<void> {
    this.#identity = { ...this.#identity, ...changed }
    await writeIdentity(tx, this.#identity)
  }

  /** The issuing CA of today is one of yesterday from here on. */
  #retire(): void {
    const { formerCas, subCa } = this.#identity
    this.#identity = { ...this.#identity, formerCas: subCa === null ? formerCas : [subCa, ...formerCas] }
  }

  /** From here on it issues by another key: what issued before is one of yesterday. */
  async takeIssuingKey(tx: Tx, place: KeyPlace): Promise<void> {
    await writeKeySetting(tx, 'issuing-ca-key', JSON.stringify(place))
    if (place === this.#nextIssuingKey) {
      await removeKeySetting(tx, 'next-issuing-ca-key')
      this.#nextIssuingKey = null
    }
    this.#retire()
    this.#issuingKey = place
  }

  /** The key of a satellite's next issuing CA, in force once its manager has certified it. */
  async prepareIssuingKey(tx: Tx, place: KeyPlace): Promise<void> {
    this.#nextIssuingKey = place
    await writeKeySetting(tx, 'next-issuing-ca-key', JSON.stringify(place))
  }

  /** What the issuing CA signs with, and the chain that goes with it. */
  issuing(): Issuing {
    const { account, id: authorityId } = this.#identity
    const certificates = this.issuingCas
    return { ...this.issuer(), certificates, account, authorityId }
  }

  issuer(): Issuer {
    return { certificate: this.issuingCa, privateKey: this.keys.pem(this.#issuingKey) }
  }
}
