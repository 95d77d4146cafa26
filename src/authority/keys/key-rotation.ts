import { createPublicKey } from 'node:crypto'
import type { Instant } from '../../core/time.ts'
import { generateKey, type Issuer } from '../../pki/certificate-generation.ts'
import { issueIntermediateCa, createRootCa } from './ca-certificates.ts'
import type { KeyRing } from './key-ring.ts'
import type { RootKey } from './root-key.ts'
import type { Tx } from '../store/store.ts'

/** The replacement of a manager's root and issuing CA. */
export class KeyRotation {
  readonly #keyRing: KeyRing
  readonly #rootKey: RootKey

  constructor(keyRing: KeyRing, rootKey: RootKey) {
    this.#keyRing = keyRing
    this.#rootKey = rootKey
  }

  /**
   * Replaces the issuing CA by a new one under the same root. The authority issues signers and the TLS certificate
   * again at their next use.
   *
   * @throws LicensingError ROOT_KEY_ABSENT
   */
  async rotateIssuingCa(tx: Tx, at: Instant): Promise<void> {
    const root = this.#rootKey.getIssuer()
    const pem = await generateKey()
    const issuingCa = await issueIntermediateCa(root, createPublicKey(pem), this.#keyRing.identity, at)
    const location = this.#keyRing.keys.encryptKey(pem)
    await this.#keyRing.activateIssuingKey(tx, location)
    await this.#keyRing.adopt(tx, { issuingCa, crossSignedCas: [] })
  }

  /** Creates the next root and its key, without storing either of them. */
  createNextRoot(at: Instant): Promise<Issuer> {
    const { identity } = this.#keyRing
    return createRootCa(identity, identity.trust.number + 1, at)
  }

  /**
   * Adopts the next root, whose key the caller has already stored. The issuing CA has a certificate under each
   * root until the overlap ends.
   *
   * @param next.bundle the root rotation statement, signed by both roots
   * @param next.number the version of the next root
   * @param next.until the end of the overlap
   */
  async adoptRoot(
    tx: Tx,
    next: { root: Issuer; bundle: string; number: number; until: Instant },
    at: Instant,
  ): Promise<void> {
    const { trust } = this.#keyRing.identity
    const key = createPublicKey(this.#keyRing.keys.getPem(this.#keyRing.issuingKey))
    this.#rootKey.forget()
    await this.#keyRing.adopt(tx, {
      root: `${next.root.certificate.trim()}\n${this.#keyRing.roots[0]?.toString() ?? ''}`,
      crossSignedCas: [await issueIntermediateCa(next.root, key, this.#keyRing.identity, at)],
      trust: { number: next.number, bundles: [...trust.bundles, next.bundle], until: next.until },
    })
  }
}
