import { createPublicKey, X509Certificate } from 'node:crypto'
import type { SyncProof } from '../../protocol/sync-proof.ts'
import { createRequest, generateKey } from '../../pki/certificate-generation.ts'
import { keyDigest } from '../../pki/delegation.ts'
import { signTextByKey } from '../../pki/sign-text.ts'
import { signSyncProof } from '../../pki/sync-proof.ts'
import type { KeyRing } from './key-ring.ts'
import type { KeyPlace } from './key-store.ts'
import type { Tx } from '../store/store.ts'

export const SYNC_KEY = 'sync.key'

/** The keys of a satellite: the key that signs its messages to the manager, and the key of the CA that the manager certifies. */
export class SatelliteKeys {
  readonly #keyRing: KeyRing

  constructor(keyRing: KeyRing) {
    this.#keyRing = keyRing
  }

  /** The public key of a satellite for its manager: SPKI, base64url. */
  syncKey(): string {
    return createPublicKey(this.#keyRing.keys.pem(SYNC_KEY))
      .export({ type: 'spki', format: 'der' })
      .toString('base64url')
  }

  /** Signs what a satellite says to its manager. */
  signSync(lines: readonly string[]): { text: string; digest: string } {
    return signTextByKey(lines, this.#keyRing.keys.key(SYNC_KEY))
  }

  /** Signs what proves whose a request is, before it is read. */
  proveSync(what: Omit<SyncProof, 'use' | 'key'>): Promise<string> {
    const privateKey = this.#keyRing.keys.key(SYNC_KEY)
    return signSyncProof({ use: 'sync-proof', key: this.syncKey(), ...what }, privateKey)
  }

  /** The request for a certificate of this satellite's CA, the next one where one is made: PKCS #10, base64. */
  async issuingCaRequest(): Promise<string> {
    const pem = await createRequest(
      this.#keyRing.keys.pem(this.#keyRing.nextIssuingKey ?? this.#keyRing.issuingKey),
      this.#keyRing.identity.id,
    )
    return pem.replace(/-----[^-]+-----|\s/g, '')
  }

  /** Returns true if a certificate is for the key of this satellite's CA, or for the key of the next one. */
  isForIssuingKey(certificate: string): boolean {
    return this.#placeOfIssuingKey(certificate) !== null
  }

  #placeOfIssuingKey(certificate: string): KeyPlace | null {
    const digest = keyDigest(new X509Certificate(certificate).publicKey)
    const places = [this.#keyRing.issuingKey, this.#keyRing.nextIssuingKey].filter((place) => place !== null)
    return (
      places.find((place) => keyDigest(createPublicKey(this.#keyRing.keys.pem(place))) === digest) ?? null
    )
  }

  /** Adopts the certificates that the manager has issued for this satellite's CA. Their key becomes that of the CA. */
  async adoptIssuingCas(tx: Tx, certificates: readonly string[]): Promise<void> {
    const [subCa = this.#keyRing.issuingCa, ...furtherCas] = certificates
    const place = this.#placeOfIssuingKey(subCa)
    if (place !== null && place === this.#keyRing.nextIssuingKey)
      await this.#keyRing.takeIssuingKey(tx, place)
    await this.#keyRing.adopt(tx, { subCa, furtherCas })
  }

  /** Creates the key of this satellite's next issuing CA, which is in force once the manager has certified that CA. */
  async prepareIssuingCa(tx: Tx): Promise<void> {
    await this.#keyRing.prepareIssuingKey(tx, this.#keyRing.keys.seal(await generateKey()))
  }
}
