import { createPublicKey, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { DAY, type Instant } from '../../core/time.ts'
import {
  type Credential,
  generateKey,
  type Issuer,
  issueCertificate,
} from '../../pki/certificate-generation.ts'
import { readKeySetting, writeKeySetting } from './key-settings.ts'
import { keyLocationSchema, type KeyStore } from './key-store.ts'
import { BACKDATE_MS } from '../policy.ts'
import type { Tx } from '../store/store.ts'

/** Lifetime of a signer's certificate: 90 days at most. */
const SIGNER_LIFETIME = 90 * DAY
const SIGNER_RENEWAL_WINDOW = 30 * DAY
/**
 * Lifetime of a TLS certificate. It is long because a device checks it by its own clock, which may be wrong by months.
 */
const TLS_LIFETIME = 800 * DAY
const TLS_RENEWAL_WINDOW = 266 * DAY

/** Roles of signers, with the names in their certificates. */
const SIGNER_NAMES = {
  'answer-signer': 'Answer Signer',
  'reservation-signer': 'Reservation Signer',
  sync: 'Synchronization Signer',
  'audit-signer': 'Audit Signer',
} as const
export type Signer = keyof typeof SIGNER_NAMES
export const SIGNERS = Object.keys(SIGNER_NAMES) as readonly Signer[]

/** A leaf certificate with the location of its key. `hosts` are the names of a TLS certificate. */
const leafSchema = z.object({
  certificate: z.string(),
  key: keyLocationSchema,
  hosts: z.array(z.string()),
})
type Leaf = z.infer<typeof leafSchema>

/** The issuing CA with all its certificates, and the smart account and authority that it issues for. */
export interface IssuingContext extends Issuer {
  readonly certificates: readonly string[]
  readonly account: string
  readonly authorityId: string
}

/** Cache entry of a leaf certificate, which is valid while the stored value and the issuing CA are the same. */
interface CachedLeaf {
  readonly stored: string
  /** PEM certificates of the issuing CA at the time of reading. */
  readonly issuers: string
  readonly leaf: Leaf
  readonly notAfter: Instant
  /** True if the present issuing CA has issued the leaf. */
  readonly issuedByCurrentCa: boolean
  readonly credential: Credential
}

/**
 * The leaf certificates under an authority's issuing CA: signers, and TLS. Their encrypted keys are in the
 * database, so that every process of the authority uses the same keys and notices new ones.
 */
export class LeafCertificates {
  readonly #keys: KeyStore
  readonly #cache = new Map<Signer | 'tls', CachedLeaf>()

  constructor(keys: KeyStore) {
    this.#keys = keys
  }

  /**
   * Returns the signer that is valid at an instant. Issues a new signer if the old one expires soon or the issuing
   * CA has changed.
   */
  async getSigner(tx: Tx, role: Signer, issuing: IssuingContext, at: Instant): Promise<Credential> {
    const cached = await this.#read(tx, role, issuing)
    const isValid = cached?.issuedByCurrentCa === true && cached.notAfter > at + SIGNER_RENEWAL_WINDOW
    return isValid ? cached.credential : this.issueSigner(tx, role, issuing, at)
  }

  issueSigner(tx: Tx, role: Signer, issuing: IssuingContext, at: Instant): Promise<Credential> {
    return this.#issue(tx, role, issuing, {
      name: SIGNER_NAMES[role],
      at,
      lifetime: SIGNER_LIFETIME,
      hosts: [],
    })
  }

  /**
   * Returns the TLS certificate for the names that the processes of the authority serve. All processes share one
   * certificate. Names that the issuing CA cannot certify are left out.
   *
   * @param canCertify returns true if the issuing CA can certify a name
   */
  async getTlsCertificate(
    tx: Tx,
    hosts: readonly string[],
    issuing: IssuingContext,
    at: Instant,
    canCertify: (host: string) => boolean,
  ): Promise<Credential> {
    const cached = await this.#read(tx, 'tls', issuing)
    const isValid = cached?.issuedByCurrentCa === true && cached.notAfter > at + TLS_RENEWAL_WINDOW
    const currentHosts = new Set(isValid ? cached.leaf.hosts : [])
    const wantedHosts = hosts.filter(canCertify)
    const hasWantedHosts =
      wantedHosts.length === currentHosts.size && wantedHosts.every((host) => currentHosts.has(host))
    return isValid && hasWantedHosts
      ? cached.credential
      : this.issueTlsCertificate(tx, wantedHosts, issuing, at)
  }

  issueTlsCertificate(
    tx: Tx,
    hosts: readonly string[],
    issuing: IssuingContext,
    at: Instant,
  ): Promise<Credential> {
    return this.#issue(tx, 'tls', issuing, {
      name: hosts[0] ?? 'localhost',
      at,
      lifetime: TLS_LIFETIME,
      hosts,
    })
  }

  /** Returns the names of the TLS certificate. */
  async readTlsHosts(tx: Tx): Promise<readonly string[]> {
    const stored = await readKeySetting(tx, 'tls')
    return stored === null ? [] : leafSchema.parse(JSON.parse(stored)).hosts
  }

  /** Returns the certificate of a signer as PEM, or null if there is none. */
  async readCertificate(tx: Tx, role: Signer): Promise<string | null> {
    const stored = await readKeySetting(tx, role)
    return stored === null ? null : leafSchema.parse(JSON.parse(stored)).certificate
  }

  async #read(tx: Tx, role: Signer | 'tls', issuing: IssuingContext): Promise<CachedLeaf | null> {
    const stored = await readKeySetting(tx, role)
    if (stored === null) return null
    const issuers = issuing.certificates.join('\n')
    const cached = this.#cache.get(role)
    if (cached?.stored === stored && cached.issuers === issuers) return cached
    return this.#cacheLeaf(role, stored, issuers, issuing)
  }

  #cacheLeaf(
    role: Signer | 'tls',
    stored: string,
    issuers: string,
    { certificates }: IssuingContext,
  ): CachedLeaf {
    const leaf = leafSchema.parse(JSON.parse(stored))
    const certificate = new X509Certificate(leaf.certificate)
    const ca = new X509Certificate(certificates[0] ?? '')
    const cached = {
      stored,
      issuers,
      leaf,
      notAfter: Date.parse(certificate.validTo),
      issuedByCurrentCa: certificate.checkIssued(ca) && certificate.verify(ca.publicKey),
      credential: {
        certificates: [leaf.certificate, ...certificates],
        privateKey: this.#keys.getKey(leaf.key),
      },
    }
    this.#cache.set(role, cached)
    return cached
  }

  async #issue(
    tx: Tx,
    role: Signer | 'tls',
    issuing: IssuingContext,
    details: { name: string; at: Instant; lifetime: number; hosts: readonly string[] },
  ): Promise<Credential> {
    const pem = await generateKey()
    const { account, authorityId } = issuing
    const certificate = await issueCertificate(issuing, createPublicKey(pem), {
      role,
      name: details.name,
      account,
      authorityId,
      notBefore: details.at - BACKDATE_MS,
      notAfter: details.at - BACKDATE_MS + details.lifetime,
      hosts: details.hosts,
    })
    const leaf: Leaf = { certificate, key: this.#keys.encryptKey(pem), hosts: [...details.hosts] }
    const stored = JSON.stringify(leaf)
    await writeKeySetting(tx, role, stored)
    return this.#cacheLeaf(role, stored, issuing.certificates.join('\n'), issuing).credential
  }
}
