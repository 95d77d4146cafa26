import type { KeyObject } from 'node:crypto'
import { type Instant, SECOND } from '../../core/time.ts'
import { type CertificateInfo, ChainError, validateChain } from '../../pki/chain-validation.ts'
import { InstanceCertificateIssuer } from '../../pki/instance-certificate-issuer.ts'
import type { P256Key } from '../../pki/p256-key.ts'
import { parseRotationRoots } from '../../pki/root-rotation.ts'
import type { CertificateRole } from '../../pki/roles.ts'
import type { KeyRing } from './key-ring.ts'
import { BACKDATE_MS, IDENTITY_LIFETIME } from '../policy.ts'

/**
 * Issuer of the ID certificates of devices, which also recognizes the certificates that this authority has
 * issued.
 */
export class InstanceCertificates {
  readonly #keyRing: KeyRing
  #issuers: { issuingCa: string; byAccount: Map<string, Promise<InstanceCertificateIssuer>> } = {
    issuingCa: '',
    byAccount: new Map(),
  }

  constructor(keyRing: KeyRing) {
    this.#keyRing = keyRing
  }

  /**
   * Issues the ID certificate of a device, valid for 365 days from five minutes before `at`. Returns it with the
   * certificates of the issuing CA.
   */
  async issue(
    key: P256Key,
    instanceId: string,
    account: string,
    at: Instant,
  ): Promise<{ certificates: string[]; thumbprint: string; expiresAt: Instant }> {
    const issuer = await this.#getIssuer(account)
    const notBefore = at - BACKDATE_MS
    // The dates of a certificate have a resolution of one second.
    const notAfter = Math.floor((notBefore + IDENTITY_LIFETIME) / SECOND) * SECOND
    const { pem, thumbprint } = issuer.issue(key, { name: instanceId, notBefore, notAfter })
    return { certificates: [pem, ...this.#keyRing.issuingCas], thumbprint, expiresAt: notAfter }
  }

  /** Returns the issuer for a smart account. It is cached until the issuing CA changes. */
  #getIssuer(account: string): Promise<InstanceCertificateIssuer> {
    const { issuingCa } = this.#keyRing
    if (this.#issuers.issuingCa !== issuingCa) this.#issuers = { issuingCa, byAccount: new Map() }
    const { byAccount: issuers } = this.#issuers
    const issuer =
      issuers.get(account) ??
      InstanceCertificateIssuer.create(this.#keyRing.getIssuingContext(), {
        account,
        authorityId: this.#keyRing.identity.id,
      })
    issuers.set(account, issuer)
    return issuer
  }

  /**
   * Reads a valid ID certificate that this authority issued to an instance, even if the instance is not in the database.
   * Returns undefined for any other certificate.
   */
  findIssued(pem: string, instanceId: string, at: Instant): { key: KeyObject; account: string } | undefined {
    const found = this.#findCertificate(pem, 'instance', at)
    return found?.instanceId === instanceId
      ? { key: found.certificate.publicKey, account: found.account }
      : undefined
  }

  /** Reads the key of a certificate by which this authority signed answers at an instant. Undefined for any other one. */
  findAnswerKey(pem: string, at: Instant): KeyObject | undefined {
    return this.#findCertificate(pem, 'answer-signer', at)?.certificate.publicKey
  }

  /** Reads a certificate that a current or former issuing CA of this authority has issued. */
  #findCertificate(pem: string, role: CertificateRole, at: Instant): CertificateInfo | undefined {
    const { issuingCa, previousCas, id, trust } = this.#keyRing.identity
    // Former issuing CAs were certified by former roots.
    const roots = [...this.#keyRing.roots, ...trust.bundles.flatMap(parseRotationRoots)]
    for (const ca of [...(issuingCa === null ? [] : this.#keyRing.issuingCas), ...previousCas]) {
      try {
        const found = validateChain([pem, ca], { role, at, roots })
        if (found.authorityId === id) return found
      } catch (error) {
        if (!(error instanceof ChainError)) throw error
      }
    }
    return undefined
  }
}
