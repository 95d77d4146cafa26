import type { KeyObject } from 'node:crypto'
import { type Instant, SECOND } from '../../core/time.ts'
import { ChainError, checkChain } from '../../pki/chain-validation.ts'
import { InstanceCertificateIssuer } from '../../pki/instance-certificate-issuer.ts'
import type { P256Key } from '../../pki/p256-key.ts'
import { rootsIn } from '../../pki/root-rotation.ts'
import type { HeldKeys } from './key-ring.ts'
import { BACKDATED, IDENTITY_LIFE } from '../policy.ts'

/** The identities of boxes: issued, and known again. */
export class BoxIdentities {
  readonly #held: HeldKeys
  #issuers: { issuingCa: string; of: Map<string, Promise<InstanceCertificateIssuer>> } = {
    issuingCa: '',
    of: new Map(),
  }

  constructor(held: HeldKeys) {
    this.#held = held
  }

  /** An identity certificate for a box: 365 days from five minutes ago. With its issuing CA. */
  async issue(
    key: P256Key,
    instanceId: string,
    account: string,
    at: Instant,
  ): Promise<{ certificates: string[]; thumbprint: string; expiresAt: Instant }> {
    const issuer = await this.#issuer(account)
    const notBefore = at - BACKDATED
    // A certificate says whole seconds.
    const notAfter = Math.floor((notBefore + IDENTITY_LIFE) / SECOND) * SECOND
    const { pem, thumbprint } = issuer.issue(key, { name: instanceId, notBefore, notAfter })
    return { certificates: [pem, ...this.#held.issuingCas], thumbprint, expiresAt: notAfter }
  }

  /** Made once for a smart account, as long as the issuing CA stays. */
  #issuer(account: string): Promise<InstanceCertificateIssuer> {
    const { issuingCa } = this.#held
    if (this.#issuers.issuingCa !== issuingCa) this.#issuers = { issuingCa, of: new Map() }
    const { of } = this.#issuers
    const made =
      of.get(account) ??
      InstanceCertificateIssuer.create(this.#held.issuer(), { account, authorityId: this.#held.identity.id })
    of.set(account, made)
    return made
  }

  /**
   * An identity certificate that this authority issued to an instance, whatever it knows of it, and that is valid; undefined
   * for any other.
   */
  own(pem: string, instanceId: string, at: Instant): { key: KeyObject; account: string } | undefined {
    const { subCa, formerCas, id, trust } = this.#held.identity
    // What an issuing CA of before was certified by.
    const roots = [...this.#held.roots, ...trust.bundles.flatMap(rootsIn)]
    for (const ca of [...(subCa === null ? [] : this.#held.issuingCas), ...formerCas]) {
      try {
        const expected = { role: 'instance', at, roots } as const
        const { authorityId, instanceId: named, account, certificate } = checkChain([pem, ca], expected)
        if (authorityId === id && named === instanceId) return { key: certificate.publicKey, account }
      } catch (thrown) {
        if (!(thrown instanceof ChainError)) throw thrown
      }
    }
    return undefined
  }
}
