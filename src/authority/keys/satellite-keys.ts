import { createPublicKey, X509Certificate } from 'node:crypto'
import type { SyncProof } from '../../protocol/sync-proof.ts'
import { createCsr, generateKey } from '../../pki/certificate-generation.ts'
import { hashPublicKey } from '../../pki/delegation.ts'
import { signTextByKey } from '../../pki/sign-text.ts'
import { signSyncProof } from '../../pki/sync-proof.ts'
import type { KeyRing } from './key-ring.ts'
import type { KeyLocation } from './key-store.ts'
import type { Tx } from '../store/store.ts'

export const SYNC_KEY_FILE = 'sync.key'

/**
 * The keys of a satellite: the key that signs its messages to the manager, and the key of the CA that the manager
 * certifies.
 */
export class SatelliteKeys {
  readonly #keyRing: KeyRing

  constructor(keyRing: KeyRing) {
    this.#keyRing = keyRing
  }

  /** Returns the public key by which the manager knows this satellite: SPKI, base64url. */
  getSyncKey(): string {
    return createPublicKey(this.#keyRing.keys.getPem(SYNC_KEY_FILE))
      .export({ type: 'spki', format: 'der' })
      .toString('base64url')
  }

  /** Signs a message from this satellite to its manager. */
  signSync(lines: readonly string[]): { text: string; digest: string } {
    return signTextByKey(lines, this.#keyRing.keys.getKey(SYNC_KEY_FILE))
  }

  /**
   * Signs the proof that a request comes from this satellite. The manager checks the proof before it reads the
   * request.
   */
  proveSync(claims: Omit<SyncProof, 'use' | 'key'>): Promise<string> {
    const privateKey = this.#keyRing.keys.getKey(SYNC_KEY_FILE)
    return signSyncProof({ use: 'sync-proof', key: this.getSyncKey(), ...claims }, privateKey)
  }

  /** Creates the certificate request for this satellite's CA, or for its next CA if there is one: PKCS #10, base64. */
  async createIssuingCaRequest(): Promise<string> {
    const pem = await createCsr(
      this.#keyRing.keys.getPem(this.#keyRing.nextIssuingKey ?? this.#keyRing.issuingKey),
      this.#keyRing.identity.id,
    )
    return pem.replace(/-----[^-]+-----|\s/g, '')
  }

  /** Returns true if a certificate is for the key of this satellite's CA or of its next CA. */
  isForIssuingKey(certificate: string): boolean {
    return this.#findIssuingKeyLocation(certificate) !== null
  }

  #findIssuingKeyLocation(certificate: string): KeyLocation | null {
    const digest = hashPublicKey(new X509Certificate(certificate).publicKey)
    const locations = [this.#keyRing.issuingKey, this.#keyRing.nextIssuingKey].filter(
      (location) => location !== null,
    )
    return (
      locations.find(
        (location) => hashPublicKey(createPublicKey(this.#keyRing.keys.getPem(location))) === digest,
      ) ?? null
    )
  }

  /**
   * Adopts the certificates that the manager has issued for this satellite's CA. If they are for the next CA, its key
   * takes effect.
   */
  async adoptIssuingCas(tx: Tx, certificates: readonly string[]): Promise<void> {
    const [issuingCa = this.#keyRing.issuingCa, ...crossSignedCas] = certificates
    const location = this.#findIssuingKeyLocation(issuingCa)
    if (location !== null && location === this.#keyRing.nextIssuingKey)
      await this.#keyRing.activateIssuingKey(tx, location)
    await this.#keyRing.adopt(tx, { issuingCa, crossSignedCas })
  }

  /**
   * Creates the key of this satellite's next issuing CA. The satellite uses the key once the manager has
   * certified that CA.
   */
  async prepareIssuingCa(tx: Tx): Promise<void> {
    await this.#keyRing.prepareIssuingKey(tx, this.#keyRing.keys.encryptKey(await generateKey()))
  }
}
