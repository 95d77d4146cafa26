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

/** At most 90 days (trust §10). */
const SIGNER_LIFETIME = 90 * DAY
const SIGNER_RENEWAL_WINDOW = 30 * DAY
/** Long, since a box checks it by its own clock, which may be wrong by months. */
const TLS_LIFETIME = 800 * DAY
const TLS_RENEWAL_WINDOW = 266 * DAY

/** What is signed by keys of their own. */
const SIGNER_NAMES = {
  'answer-signer': 'Answer Signer',
  'reservation-signer': 'Reservation Signer',
  sync: 'Synchronization Signer',
  'audit-signer': 'Audit Signer',
} as const
export type Signer = keyof typeof SIGNER_NAMES
export const SIGNERS = Object.keys(SIGNER_NAMES) as readonly Signer[]

/** A leaf of the authority's own: its certificate, where its key is, and for TLS the names it is for. */
const leafSchema = z.object({
  certificate: z.string(),
  key: keyLocationSchema,
  hosts: z.array(z.string()),
})
type Leaf = z.infer<typeof leafSchema>

/** The issuing CA, by whichever certificates it has, and whom it issues for. */
export interface IssuingContext extends Issuer {
  readonly certificates: readonly string[]
  readonly account: string
  readonly authorityId: string
}

/** A leaf as it was last read: kept for as long as the database says the same. */
interface CachedLeaf {
  readonly stored: string
  readonly issuers: string
  readonly leaf: Leaf
  readonly notAfter: Instant
  /** Whether the issuing CA of today has issued it. */
  readonly issuedByCurrentCa: boolean
  readonly credential: Credential
}

/**
 * The leaves under an authority's issuing CA: signers, and TLS. Their keys are sealed in the database beside them, so that each
 * process of the authority, on whichever machine, signs by the same, and takes a new one without being told.
 */
export class LeafCertificates {
  readonly #keys: KeyStore
  readonly #cache = new Map<Signer | 'tls', CachedLeaf>()

  constructor(keys: KeyStore) {
    this.#keys = keys
  }

  /** The signer that is good at an instant: another takes over before the end of the old, and when the issuing CA is another. */
  async getSigner(tx: Tx, role: Signer, issuing: IssuingContext, at: Instant): Promise<Credential> {
    const held = await this.#read(tx, role, issuing)
    const good = held?.issuedByCurrentCa === true && held.notAfter > at + SIGNER_RENEWAL_WINDOW
    return good ? held.credential : this.issueSigner(tx, role, issuing, at)
  }

  issueSigner(tx: Tx, role: Signer, issuing: IssuingContext, at: Instant): Promise<Credential> {
    return this.#issue(tx, role, issuing, { name: SIGNER_NAMES[role], at, life: SIGNER_LIFETIME, hosts: [] })
  }

  /**
   * The TLS certificate for the names of a machine. Processes of other names share it: what it is for already stays, until it is
   * renewed, as far as the issuing CA still may issue it.
   *
   * @param mayBeFor whether the issuing CA may issue a certificate for a name
   */
  async getTlsCertificate(
    tx: Tx,
    hosts: readonly string[],
    issuing: IssuingContext,
    at: Instant,
    mayBeFor: (host: string) => boolean,
  ): Promise<Credential> {
    const held = await this.#read(tx, 'tls', issuing)
    const lasts = held?.issuedByCurrentCa === true && held.notAfter > at + TLS_RENEWAL_WINDOW
    const before = lasts ? held.leaf.hosts : []
    const wanted = [...new Set([...hosts, ...before])].filter(mayBeFor)
    // All that is wanted is there, and nothing else.
    const fits = before.every(mayBeFor) && wanted.length === before.length
    return lasts && fits ? held.credential : this.issueTlsCertificate(tx, wanted, issuing, at)
  }

  issueTlsCertificate(
    tx: Tx,
    hosts: readonly string[],
    issuing: IssuingContext,
    at: Instant,
  ): Promise<Credential> {
    return this.#issue(tx, 'tls', issuing, { name: hosts[0] ?? 'localhost', at, life: TLS_LIFETIME, hosts })
  }

  /** The names the TLS certificate is for. */
  async readTlsHosts(tx: Tx): Promise<readonly string[]> {
    const stored = await readKeySetting(tx, 'tls')
    return stored === null ? [] : leafSchema.parse(JSON.parse(stored)).hosts
  }

  /** The certificate of a leaf: PEM; null where there is none. */
  async readCertificate(tx: Tx, role: Signer): Promise<string | null> {
    const stored = await readKeySetting(tx, role)
    return stored === null ? null : leafSchema.parse(JSON.parse(stored)).certificate
  }

  async #read(tx: Tx, role: Signer | 'tls', issuing: IssuingContext): Promise<CachedLeaf | null> {
    const stored = await readKeySetting(tx, role)
    if (stored === null) return null
    const issuers = issuing.certificates.join('\n')
    const held = this.#cache.get(role)
    if (held?.stored === stored && held.issuers === issuers) return held
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
    const held = {
      stored,
      issuers,
      leaf,
      notAfter: Date.parse(certificate.validTo),
      issuedByCurrentCa: certificate.checkIssued(ca) && certificate.verify(ca.publicKey),
      credential: {
        certificates: [leaf.certificate, ...certificates],
        privateKey: this.#keys.key(leaf.key),
      },
    }
    this.#cache.set(role, held)
    return held
  }

  async #issue(
    tx: Tx,
    role: Signer | 'tls',
    issuing: IssuingContext,
    facts: { name: string; at: Instant; life: number; hosts: readonly string[] },
  ): Promise<Credential> {
    const pem = await generateKey()
    const { account, authorityId } = issuing
    const certificate = await issueCertificate(issuing, createPublicKey(pem), {
      role,
      name: facts.name,
      account,
      authorityId,
      notBefore: facts.at - BACKDATE_MS,
      notAfter: facts.at - BACKDATE_MS + facts.life,
      hosts: facts.hosts,
    })
    const leaf: Leaf = { certificate, key: this.#keys.encryptKey(pem), hosts: [...facts.hosts] }
    const stored = JSON.stringify(leaf)
    await writeKeySetting(tx, role, stored)
    return this.#cacheLeaf(role, stored, issuing.certificates.join('\n'), issuing).credential
  }
}
