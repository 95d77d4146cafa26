import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { LicensingError } from '../domain/errors.ts'
import { DAY, type Instant } from '../domain/instant.ts'
import { agreedKey, agreementKey, newSeed, publicBytes } from '../trust/agreement.ts'
import {
  createRequest,
  createRoot,
  createSelfSigned,
  type Credential,
  generateKey,
  issueCertificate,
} from '../trust/certificates.ts'
import { IdentityIssuer } from '../trust/identity-issuer.ts'
import { SecretFiles } from '../trust/private-files.ts'
import { newSecretKey, openSecret, sealSecret } from '../trust/sealed-secret.ts'
import { keyDigest } from '../trust/mandate.ts'
import { signTextByKey } from '../trust/sign-text.ts'
import { BACKDATED, IDENTITY_LIFE } from './rules.ts'
import { readSetting, type Tx, writeSetting } from './store.ts'

const ROOT_LIFE = 20 * 365 * DAY
const SUB_CA_LIFE = 10 * 365 * DAY
/** A satellite's CA outlives the identities it issues (trust §7): it is renewed while it has two years left. */
const SATELLITE_CA_LIFE = 3 * 365 * DAY
const SATELLITE_CA_RENEWED_BEFORE = 2 * 365 * DAY
/** At most 90 days (trust §10). */
const SIGNER_LIFE = 90 * DAY
const SIGNER_RENEWED_BEFORE = 30 * DAY
/** Long, since a box checks it by its own clock, which may be wrong by months. */
const TLS_LIFE = 800 * DAY
const TLS_RENEWED_BEFORE = 266 * DAY

/** Bytes of a box's public key. */
const BOX_KEY = 32

/** Who the authority is: public facts only. */
const identitySchema = z.object({
  id: z.string(),
  account: z.string(),
  role: z.enum(['manager', 'satellite']),
  test: z.boolean(),
  /** Restores of this authority so far, plus one (trust §9). */
  epoch: z.int().min(1).default(1),
  /** The manager's root, and the issuing CA under it: null at a satellite that does not have them yet. */
  root: z.string().nullable(),
  subCa: z.string().nullable(),
})
export type AuthorityIdentity = z.infer<typeof identitySchema>
const IDENTITY = 'authority'

/** A leaf of the authority's own: its certificate, and the file that holds its key. */
const leafSchema = z.object({
  certificate: z.string(),
  key: z.string(),
  hosts: z.array(z.string()).default([]),
})
type Leaf = z.infer<typeof leafSchema>

/** What is signed by keys of their own. */
const SIGNER_NAMES = {
  'answer-signer': 'Answer Signer',
  'reservation-signer': 'Reservation Signer',
  sync: 'Synchronisation Signer',
  'audit-signer': 'Audit Signer',
} as const
type Signer = keyof typeof SIGNER_NAMES

const notRegistered = (): never => {
  throw new LicensingError(
    'SATELLITE_NOT_REGISTERED',
    'This satellite was never synchronised with its manager.',
  )
}

/**
 * The authority's own keys and certificates: a root that signs the issuing CA and nothing else, and under that
 * the identities of boxes, the signer of answers and the TLS certificate. Private keys are files of mode 0600.
 */
export class Credentials {
  #identity: AuthorityIdentity
  readonly #keys: SecretFiles
  #provisional: Promise<Credential> | undefined
  #identityIssuers: { issuingCa: string; of: Map<string, Promise<IdentityIssuer>> } = {
    issuingCa: '',
    of: new Map(),
  }

  private constructor(identity: AuthorityIdentity, keys: SecretFiles) {
    this.#identity = identity
    this.#keys = keys
  }

  get identity(): AuthorityIdentity {
    return this.#identity
  }

  /** The root of the manager: PEM. @throws LicensingError SATELLITE_NOT_REGISTERED */
  get root(): string {
    return this.#identity.root ?? notRegistered()
  }

  /** The CA that issues this authority's certificates: PEM. @throws LicensingError SATELLITE_NOT_REGISTERED */
  get issuingCa(): string {
    return this.#identity.subCa ?? notRegistered()
  }

  /** Makes the root, the issuing CA and the key that tokens are stored under. */
  static async create(
    dataDir: string,
    tx: Tx,
    facts: { id: string; account: string; role: 'manager'; test: boolean; at: Instant },
  ): Promise<Credentials> {
    const keys = new SecretFiles(join(dataDir, 'keys'))
    const { id, account, at } = facts
    const of = { account, authorityId: id, notBefore: at - BACKDATED }
    const root = await createRoot({
      ...of,
      name: `Smart Licensing Root ${id.slice(0, 8)}`,
      notAfter: at + ROOT_LIFE,
    })
    const subCaKey = await generateKey()
    const subCa = await issueCertificate(root, createPublicKey(createPrivateKey(subCaKey)), {
      ...of,
      role: 'sub-ca',
      name: `Smart Licensing Issuing CA ${id.slice(0, 8)}`,
      notAfter: at + SUB_CA_LIFE,
    })
    keys.put('root.key', root.privateKey)
    keys.put('sub-ca.key', subCaKey)
    keys.put('token.key', newSecretKey())
    const identity: AuthorityIdentity = {
      id,
      account,
      role: facts.role,
      test: facts.test,
      epoch: 1,
      root: root.certificate,
      subCa,
    }
    await writeSetting(tx, IDENTITY, JSON.stringify(identity))
    return new Credentials(identity, keys)
  }

  /**
   * Makes the keys of a satellite. Its CA is certified by its manager, at the first exchange.
   *
   * @param facts.root the manager's root where it is known already: PEM
   */
  static async createSatellite(
    dataDir: string,
    tx: Tx,
    facts: { id: string; account: string; test: boolean; root: string | null },
  ): Promise<Credentials> {
    const keys = new SecretFiles(join(dataDir, 'keys'))
    keys.put('sub-ca.key', await generateKey())
    keys.put('sync.key', await generateKey())
    keys.put('token.key', newSecretKey())
    const identity: AuthorityIdentity = { ...facts, role: 'satellite', epoch: 1, subCa: null }
    await writeSetting(tx, IDENTITY, JSON.stringify(identity))
    return new Credentials(identity, keys)
  }

  /** What another process of this authority has made of its identity since. */
  async refresh(tx: Tx): Promise<void> {
    const json = await readSetting(tx, IDENTITY)
    if (json !== null) this.#identity = identitySchema.parse(JSON.parse(json))
  }

  /** Takes what the manager gave: its root, the certificate of this satellite's CA, the epoch. */
  async adopt(tx: Tx, given: Partial<Pick<AuthorityIdentity, 'root' | 'subCa' | 'epoch'>>): Promise<void> {
    this.#identity = { ...this.#identity, ...given }
    await writeSetting(tx, IDENTITY, JSON.stringify(this.#identity))
  }

  /** The public key of a satellite for its manager: SPKI, base64url. */
  syncKey(): string {
    return createPublicKey(createPrivateKey(this.#keys.get('sync.key')))
      .export({ type: 'spki', format: 'der' })
      .toString('base64url')
  }

  /** How this satellite's CA is named in its mandate. */
  issuingKeyDigest(): string {
    return keyDigest(createPublicKey(createPrivateKey(this.#keys.get('sub-ca.key'))))
  }

  /** Signs what a satellite says to its manager. */
  signSync(lines: readonly string[]): { text: string; digest: string } {
    return signTextByKey(lines, this.#keys.get('sync.key'))
  }

  /** The request for a certificate of this satellite's CA: PKCS #10, base64. */
  async issuingCaRequest(): Promise<string> {
    const pem = await createRequest(this.#keys.get('sub-ca.key'), this.#identity.id)
    return pem.replace(/-----[^-]+-----|\s/g, '')
  }

  /**
   * The certificate of a satellite's CA, signed by the root: the one it has while it lasts, and a new one after.
   *
   * @param key the CA's public key
   * @throws LicensingError ROOT_KEY_ABSENT
   */
  async issueSatelliteCa(
    key: KeyObject,
    satellite: { id: string; account: string; name: string; present: string | null },
    at: Instant,
  ): Promise<string> {
    const { present } = satellite
    if (present !== null) {
      const { publicKey, validTo } = new X509Certificate(present)
      if (publicKey.equals(key) && Date.parse(validTo) > at + SATELLITE_CA_RENEWED_BEFORE) return present
    }
    if (!this.#keys.has('root.key'))
      throw new LicensingError('ROOT_KEY_ABSENT', 'The key of the root certificate is not on this machine.')
    const root = { certificate: this.root, privateKey: this.#keys.get('root.key') }
    return issueCertificate(root, key, {
      role: 'sub-ca',
      name: `Satellite ${satellite.id.slice(0, 8)}`,
      account: satellite.account,
      authorityId: satellite.id,
      notBefore: at - BACKDATED,
      notAfter: at - BACKDATED + SATELLITE_CA_LIFE,
    })
  }

  /** @throws LicensingError STORE_UNREADABLE */
  static async load(dataDir: string, tx: Tx): Promise<Credentials> {
    const json = await readSetting(tx, IDENTITY)
    if (json === null)
      throw new LicensingError('DATA_DIR_MISSING', `The authority in ${dataDir} was never made.`)
    const parsed = identitySchema.safeParse(JSON.parse(json))
    if (!parsed.success)
      throw new LicensingError('STORE_UNREADABLE', 'The database does not say which authority it is of.')
    return new Credentials(parsed.data, new SecretFiles(join(dataDir, 'keys')))
  }

  #issuer() {
    return { certificate: this.issuingCa, privateKey: this.#keys.get('sub-ca.key') }
  }

  /** An identity certificate for a box: 365 days from five minutes ago. With its issuing CA. */
  async issueIdentity(key: KeyObject, instanceId: string, account: string, at: Instant): Promise<string[]> {
    const issuer = await this.#identityIssuer(account)
    const notBefore = at - BACKDATED
    const identity = { name: instanceId, notBefore, notAfter: notBefore + IDENTITY_LIFE }
    return [issuer.issue(key, identity), this.issuingCa]
  }

  /** Made once for a smart account, as long as the issuing CA stays. */
  #identityIssuer(account: string): Promise<IdentityIssuer> {
    const { issuingCa } = this
    if (this.#identityIssuers.issuingCa !== issuingCa) this.#identityIssuers = { issuingCa, of: new Map() }
    const { of } = this.#identityIssuers
    const made =
      of.get(account) ?? IdentityIssuer.create(this.#issuer(), { account, authorityId: this.identity.id })
    of.set(account, made)
    return made
  }

  /** The signer of answers that is good now; a new one takes over when the old one nears its end. */
  answerSigner(tx: Tx, at: Instant): Promise<Credential> {
    return this.#signer(tx, 'answer-signer', at)
  }

  /** The signer of reservation authorization files that is good now. */
  reservationSigner(tx: Tx, at: Instant): Promise<Credential> {
    return this.#signer(tx, 'reservation-signer', at)
  }

  /** The signer of mandates and synchronisation answers that is good now: a manager's. */
  syncSigner(tx: Tx, at: Instant): Promise<Credential> {
    return this.#signer(tx, 'sync', at)
  }

  /** The signer of checkpoints of the audit record that is good now. */
  auditSigner(tx: Tx, at: Instant): Promise<Credential> {
    return this.#signer(tx, 'audit-signer', at)
  }

  async #signer(tx: Tx, role: Signer, at: Instant): Promise<Credential> {
    const stored = await readLeaf(tx, role)
    const good = stored && lastsBeyond(stored, at + SIGNER_RENEWED_BEFORE)
    return this.#credential(good ? stored : await this.#newSigner(tx, role, at))
  }

  #newSigner(tx: Tx, role: Signer, at: Instant): Promise<Leaf> {
    return this.#newLeaf(tx, role, { name: SIGNER_NAMES[role], at, life: SIGNER_LIFE, hosts: [] })
  }

  #credential(leaf: Leaf): Credential {
    return { certificates: [leaf.certificate, this.issuingCa], privateKey: this.#keys.get(leaf.key) }
  }

  /** The public key that boxes agree with on the key of their codes: base64url. */
  reservationKey(): string {
    return Buffer.from(publicBytes(this.#reservationKey())).toString('base64url')
  }

  /** The key of the codes of one reservation; null for a public key of a box that is none. */
  codeKey(boxKey: Uint8Array, reservationId: string): Uint8Array | null {
    // A reservation that was taken back after a restore is known without its box's key.
    return boxKey.length === BOX_KEY ? agreedKey(this.#reservationKey(), boxKey, reservationId) : null
  }

  #reservationKey(): KeyObject {
    // Made the first time it is wanted: older data directories have none.
    if (!this.#keys.has('reservation.key')) this.#keys.put('reservation.key', newSeed())
    return agreementKey(this.#keys.get('reservation.key'), 1)
  }

  /** A new key and certificate for signing answers. Boxes notice nothing: they check its role and its chain. */
  async rotateSigner(tx: Tx, at: Instant): Promise<void> {
    await this.#newSigner(tx, 'answer-signer', at)
  }

  /** The TLS certificate for this machine's names and further ones, made anew when they change. */
  async tls(tx: Tx, names: readonly string[], at: Instant): Promise<Credential> {
    const hosts = [...new Set(['localhost', '127.0.0.1', '::1', hostname(), ...names])].filter(
      (host) => isIP(host) !== 0 || /^[A-Za-z0-9*]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(host),
    )
    if (this.#identity.subCa === null) return this.#provisionalTls(hosts, at)
    const stored = await readLeaf(tx, 'tls')
    const good =
      stored &&
      lastsBeyond(stored, at + TLS_RENEWED_BEFORE) &&
      hosts.every((host) => stored.hosts.includes(host))
    const leaf = good
      ? stored
      : await this.#newLeaf(tx, 'tls', { name: hosts[0] ?? 'localhost', at, life: TLS_LIFE, hosts })
    return this.#credential(leaf)
  }

  /** Until a satellite has its CA its page vouches for itself: for the people who register it, and no box. */
  async #provisionalTls(hosts: readonly string[], at: Instant): Promise<Credential> {
    const { account, id: authorityId } = this.#identity
    const name = hosts[0] ?? 'localhost'
    const dates = { notBefore: at - DAY, notAfter: at + TLS_LIFE }
    this.#provisional ??= createSelfSigned({ name, account, authorityId, hosts, ...dates })
    return this.#provisional
  }

  /** A TLS certificate that is almost right: kept nowhere, for tests of those who must not take it. */
  async tlsForTests(facts: {
    notBefore: Instant
    notAfter: Instant
    hosts: readonly string[]
  }): Promise<Credential> {
    const privateKey = await generateKey()
    const publicKey = createPublicKey(createPrivateKey(privateKey))
    const { account, id: authorityId } = this.identity
    const name = facts.hosts[0] ?? 'localhost'
    const certificate = await issueCertificate(this.#issuer(), publicKey, {
      role: 'tls',
      name,
      account,
      authorityId,
      ...facts,
    })
    return { certificates: [certificate, this.issuingCa], privateKey }
  }

  async #newLeaf(
    tx: Tx,
    role: Signer | 'tls',
    facts: { name: string; at: Instant; life: number; hosts: readonly string[] },
  ): Promise<Leaf> {
    const privateKey = await generateKey()
    const key = `${role}-${randomBytes(6).toString('hex')}.key`
    // The key is on disk before anything refers to it.
    this.#keys.put(key, privateKey)
    const certificate = await issueCertificate(
      this.#issuer(),
      createPublicKey(createPrivateKey(privateKey)),
      {
        role,
        name: facts.name,
        account: this.identity.account,
        authorityId: this.identity.id,
        notBefore: facts.at - BACKDATED,
        notAfter: facts.at - BACKDATED + facts.life,
        hosts: facts.hosts,
      },
    )
    const leaf = { certificate, key, hosts: [...facts.hosts] }
    await writeSetting(tx, role, JSON.stringify(leaf))
    return leaf
  }

  /** A token's secret as it is stored. */
  sealSecret(secret: string): string {
    return sealSecret(secret, this.#keys.get('token.key'))
  }

  /** When the root, the issuing CA and the signer of answers end: what there is of them. */
  async ends(tx: Tx): Promise<Record<string, Instant>> {
    const signer = await readLeaf(tx, 'answer-signer')
    const pems = {
      root: this.#identity.root,
      'issuing-ca': this.#identity.subCa,
      'answer-signer': signer?.certificate ?? null,
    }
    return Object.fromEntries(
      Object.entries(pems).flatMap(([name, pem]) =>
        pem === null ? [] : [[name, Date.parse(new X509Certificate(pem).validTo)]],
      ),
    )
  }

  openSecret(stored: string): string {
    return openSecret(stored, this.#keys.get('token.key'))
  }
}

async function readLeaf(tx: Tx, role: string): Promise<Leaf | null> {
  const json = await readSetting(tx, role)
  return json === null ? null : leafSchema.parse(JSON.parse(json))
}

const lastsBeyond = (leaf: Leaf, at: Instant): boolean =>
  Date.parse(new X509Certificate(leaf.certificate).validTo) > at
