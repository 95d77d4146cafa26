import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { LicensingError } from '../domain/errors.ts'
import { SECOND, DAY, type Instant } from '../domain/instant.ts'
import { agreedKey, agreementKey, newSeed, publicBytes } from '../trust/agreement.ts'
import {
  createRequest,
  createSelfSigned,
  type Credential,
  generateKey,
  type Issuer,
  issueCertificate,
} from '../trust/certificates.ts'
import { ChainError, checkChain, readCertificates, readRoots } from '../trust/chain.ts'
import { IdentityIssuer } from '../trust/identity-issuer.ts'
import type { P256Key } from '../trust/p256-key.ts'
import { keyDigest } from '../trust/mandate.ts'
import { signTextByKey } from '../trust/sign-text.ts'
import { readNumber, rootsIn } from '../trust/trust-bundle.ts'
import {
  certifyIssuingCa,
  certifySatelliteCa,
  makeRoot,
  ownHosts,
  SATELLITE_CA_RENEWED_BEFORE,
} from './authority-certificates.ts'
import { type AuthorityIdentity, FIRST_BUNDLE, readIdentity, writeIdentity } from './identity.ts'
import { readKeySetting, removeKeySetting, writeKeySetting } from './key-settings.ts'
import { type KeyPlace, keyPlaceSchema, KeyStore } from './key-store.ts'
import { type Issuing, LEAF_KEY_FILE, Leaves, type Signer } from './leaves.ts'
import { RootKey } from './root-key.ts'
import { BACKDATED, IDENTITY_LIFE } from './rules.ts'
import type { Tx } from './store.ts'

export type { AuthorityIdentity } from './identity.ts'

/** For the people who register a satellite that has no CA yet. */
const PROVISIONAL_LIFE = 800 * DAY

const SUB_CA_KEY = 'sub-ca.key'
const RESERVATION_KEY = 'reservation.key'
/** Bytes of a box's public key. */
const BOX_KEY = 32

const notRegistered = (): never => {
  throw new LicensingError(
    'SATELLITE_NOT_REGISTERED',
    'This satellite was never synchronised with its manager.',
  )
}

/**
 * The authority's own keys and certificates: a root that signs the issuing CA and nothing else, and under that
 * the identities of boxes, the signer of answers and the TLS certificate. The keys of the root and of the first issuing CA are
 * files of mode 0600; what is made later is sealed in the database under another such file.
 */
export class Credentials {
  #identity: AuthorityIdentity
  readonly #keys: KeyStore
  readonly #leaves: Leaves
  /** The key of the newest root, where it is at hand. */
  readonly rootKey: RootKey
  #issuingKey: KeyPlace = SUB_CA_KEY
  /** A satellite's next issuing CA, until its manager has certified it. */
  #nextIssuingKey: KeyPlace | null = null
  #reservationSeed: string | null = null
  #roots: { pem: string; certificates: X509Certificate[] } = { pem: '', certificates: [] }
  #provisional: Promise<Credential> | undefined
  #identityIssuers: { issuingCa: string; of: Map<string, Promise<IdentityIssuer>> } = {
    issuingCa: '',
    of: new Map(),
  }

  private constructor(identity: AuthorityIdentity, keys: KeyStore) {
    this.#identity = identity
    this.#keys = keys
    this.#leaves = new Leaves(keys)
    this.rootKey = new RootKey(keys, () => ({
      root: this.#identity.root === null ? undefined : this.roots[0],
      number: this.#identity.trust.number,
    }))
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

  /** Makes the root, the issuing CA and the key that tokens are stored under. */
  static async create(
    dataDir: string,
    tx: Tx,
    facts: { id: string; account: string; role: 'manager'; test: boolean; at: Instant },
  ): Promise<Credentials> {
    const keys = new KeyStore(dataDir)
    const { id, account, role, test, at } = facts
    const root = await makeRoot(facts, FIRST_BUNDLE, at)
    const subCaKey = await generateKey()
    keys.put(SUB_CA_KEY, subCaKey)
    keys.create()
    const credentials = new Credentials(
      {
        ...{ id, account, role, test, epoch: 1, root: root.certificate },
        subCa: await certifyIssuingCa(root, createPublicKey(subCaKey), { id, account }, at),
        ...NEVER_ROTATED,
      },
      keys,
    )
    credentials.rootKey.put(root.privateKey, FIRST_BUNDLE)
    await writeIdentity(tx, credentials.#identity)
    await credentials.#readKeys(tx)
    return credentials
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
    const keys = new KeyStore(dataDir)
    keys.put(SUB_CA_KEY, await generateKey())
    keys.put('sync.key', await generateKey())
    keys.create()
    const credentials = new Credentials(
      { ...facts, role: 'satellite', epoch: 1, subCa: null, ...NEVER_ROTATED },
      keys,
    )
    await writeIdentity(tx, credentials.#identity)
    await credentials.#readKeys(tx)
    return credentials
  }

  /** @throws LicensingError STORE_UNREADABLE, DATA_DIR_MISSING */
  static async load(dataDir: string, tx: Tx): Promise<Credentials> {
    const identity = await readIdentity(tx)
    if (identity === null)
      throw new LicensingError('DATA_DIR_MISSING', `The authority in ${dataDir} was never made.`)
    const credentials = new Credentials(identity, new KeyStore(dataDir))
    await credentials.#readKeys(tx)
    await credentials.#sweep(tx)
    return credentials
  }

  /**
   * What another process of this authority has made of its identity and keys since, and what time brings: the end of the
   * overlap of two roots.
   */
  async refresh(tx: Tx, at: Instant): Promise<void> {
    const identity = await readIdentity(tx)
    if (identity) this.#identity = identity
    await this.#readKeys(tx)
    const { trust, furtherCas } = this.#identity
    if (trust.until === null || at < trust.until) return
    const [newest] = this.roots
    // The certificate by the newest root stands first from here on, and alone.
    const [last = this.#identity.subCa] = furtherCas.slice(-1)
    await this.#write(tx, {
      root: newest ? newest.toString() : this.root,
      subCa: last,
      furtherCas: [],
      trust: { ...trust, until: null },
    })
  }

  async #readKeys(tx: Tx): Promise<void> {
    const place = async (name: 'issuing-ca-key' | 'next-issuing-ca-key') => {
      const json = await readKeySetting(tx, name)
      return json === null ? null : keyPlaceSchema.parse(JSON.parse(json))
    }
    this.#issuingKey = (await place('issuing-ca-key')) ?? SUB_CA_KEY
    this.#nextIssuingKey = await place('next-issuing-ca-key')
    this.#reservationSeed ??= await this.#readReservationSeed(tx)
  }

  /** One for all processes of this authority; older data directories have it as a file, or not at all. */
  async #readReservationSeed(tx: Tx): Promise<string> {
    const stored = await readKeySetting(tx, 'reservation-key')
    if (stored !== null) return this.#keys.openSecret(stored)
    const seed = this.#keys.has(RESERVATION_KEY) ? this.#keys.get(RESERVATION_KEY) : newSeed()
    await writeKeySetting(tx, 'reservation-key', this.#keys.sealSecret(seed))
    return seed
  }

  /** Files of keys that were replaced. */
  async #sweep(tx: Tx): Promise<void> {
    this.#keys.sweep(LEAF_KEY_FILE, await this.#leaves.keyFiles(tx))
    if (this.#issuingKey !== SUB_CA_KEY) this.#keys.remove(SUB_CA_KEY)
    this.rootKey.removeOld()
  }

  async #write(tx: Tx, changed: Partial<AuthorityIdentity>): Promise<void> {
    this.#identity = { ...this.#identity, ...changed }
    await writeIdentity(tx, this.#identity)
  }

  /** Takes what the manager gave: its roots, the certificates of this satellite's CA, the epoch. */
  async adopt(
    tx: Tx,
    given: Partial<Pick<AuthorityIdentity, 'root' | 'subCa' | 'furtherCas' | 'trust' | 'epoch'>>,
  ): Promise<void> {
    await this.#write(tx, given)
  }

  // A satellite's own

  /** The public key of a satellite for its manager: SPKI, base64url. */
  syncKey(): string {
    return createPublicKey(this.#keys.pem('sync.key'))
      .export({ type: 'spki', format: 'der' })
      .toString('base64url')
  }

  /** Signs what a satellite says to its manager. */
  signSync(lines: readonly string[]): { text: string; digest: string } {
    return signTextByKey(lines, this.#keys.key('sync.key'))
  }

  /** The request for a certificate of this satellite's CA, the next one where one is made: PKCS #10, base64. */
  async issuingCaRequest(): Promise<string> {
    const pem = await createRequest(
      this.#keys.pem(this.#nextIssuingKey ?? this.#issuingKey),
      this.identity.id,
    )
    return pem.replace(/-----[^-]+-----|\s/g, '')
  }

  /** Whether a certificate is one for this satellite's CA, as it is or as it was asked for. */
  isForIssuingKey(certificate: string): boolean {
    return this.#placeOfIssuingKey(certificate) !== null
  }

  #placeOfIssuingKey(certificate: string): KeyPlace | null {
    const digest = keyDigest(new X509Certificate(certificate).publicKey)
    const places = [this.#issuingKey, this.#nextIssuingKey].filter((place) => place !== null)
    return places.find((place) => keyDigest(createPublicKey(this.#keys.pem(place))) === digest) ?? null
  }

  /** From here on a satellite issues by the CA whose certificates came: they are for a key of its own. */
  async adoptIssuingCas(tx: Tx, certificates: readonly string[]): Promise<void> {
    const [subCa = this.issuingCa, ...furtherCas] = certificates
    const place = this.#placeOfIssuingKey(subCa)
    if (place !== null && place === this.#nextIssuingKey) {
      await writeKeySetting(tx, 'issuing-ca-key', JSON.stringify(place))
      await removeKeySetting(tx, 'next-issuing-ca-key')
      this.#retire()
      this.#issuingKey = place
      this.#nextIssuingKey = null
    }
    await this.#write(tx, { subCa, furtherCas })
  }

  /** A satellite's next issuing CA: in force once its manager has certified it. */
  async prepareIssuingCa(tx: Tx): Promise<void> {
    this.#nextIssuingKey = this.#keys.seal(await generateKey())
    await writeKeySetting(tx, 'next-issuing-ca-key', JSON.stringify(this.#nextIssuingKey))
  }

  /** The issuing CA of today is one of yesterday from here on. */
  #retire(): void {
    const { formerCas, subCa } = this.#identity
    this.#identity = { ...this.#identity, formerCas: subCa === null ? formerCas : [subCa, ...formerCas] }
  }

  // What the root signs

  /**
   * The certificates of a satellite's CA, signed by the root: those it has while they last, and a new one after.
   *
   * @param key the CA's public key
   * @param satellite.present the certificates it has: PEM, one after the other
   * @throws LicensingError ROOT_KEY_ABSENT
   */
  async issueSatelliteCa(
    key: KeyObject,
    satellite: { id: string; account: string; name: string; present: string | null },
    at: Instant,
  ): Promise<string> {
    const { present } = satellite
    const good = present === null ? [] : this.#lasting(readCertificates(present), key, at)
    if (good.length > 0) return good.join('')
    return certifySatelliteCa(this.rootKey.issuer(), key, satellite, at)
  }

  /** The certificates that lead to a root of today, if one of them has two years left. */
  #lasting(certificates: readonly X509Certificate[], key: KeyObject, at: Instant): string[] {
    const led = certificates.filter(
      (one) =>
        one.publicKey.equals(key) &&
        this.roots.some((root) => one.checkIssued(root) && one.verify(root.publicKey)),
    )
    const lasts = led.some(({ validTo }) => Date.parse(validTo) > at + SATELLITE_CA_RENEWED_BEFORE)
    return lasts ? led.map((one) => one.toString()) : []
  }

  // Rotation

  /** Another issuing CA under the root: what it issues is issued anew when it is next wanted. @throws LicensingError ROOT_KEY_ABSENT */
  async rotateIssuingCa(tx: Tx, at: Instant): Promise<void> {
    const root = this.rootKey.issuer()
    const pem = await generateKey()
    const subCa = await certifyIssuingCa(root, createPublicKey(pem), this.#identity, at)
    const place = this.#keys.seal(pem)
    this.#retire()
    await writeKeySetting(tx, 'issuing-ca-key', JSON.stringify(place))
    this.#issuingKey = place
    await this.#write(tx, { subCa, furtherCas: [] })
  }

  /** Another root: the issuing CA has certificates by both until the overlap ends. Its key was put away before. */
  async adoptRoot(
    tx: Tx,
    next: { root: Issuer; bundle: string; number: number; until: Instant },
    at: Instant,
  ): Promise<void> {
    const { trust } = this.#identity
    const key = createPublicKey(this.#keys.pem(this.#issuingKey))
    this.rootKey.forget()
    await this.#write(tx, {
      root: `${next.root.certificate.trim()}\n${this.roots[0]?.toString() ?? ''}`,
      furtherCas: [await certifyIssuingCa(next.root, key, this.#identity, at)],
      trust: { number: next.number, bundles: [...trust.bundles, next.bundle], until: next.until },
    })
  }

  /** The next root, with its key: kept by nobody yet. */
  nextRoot(at: Instant): Promise<Issuer> {
    return makeRoot(this.#identity, this.#identity.trust.number + 1, at)
  }

  /** A new key and certificate for a signer. Boxes notice nothing: they check its role and its chain. */
  async rotateSigner(tx: Tx, role: Signer, at: Instant): Promise<void> {
    await this.#leaves.newSigner(tx, role, this.#issuing(), at)
  }

  /** A new key and TLS certificate for the names it is for. Servers take it within a minute. */
  async rotateTls(tx: Tx, at: Instant): Promise<void> {
    await this.#leaves.newTls(tx, ownHosts(await this.#leaves.tlsHosts(tx)), this.#issuing(), at)
  }

  // What the issuing CA signs

  #issuing(): Issuing {
    const { account, id: authorityId } = this.#identity
    const certificates = this.issuingCas
    return { ...this.#issuer(), certificates, account, authorityId }
  }

  #issuer(): Issuer {
    return { certificate: this.issuingCa, privateKey: this.#keys.pem(this.#issuingKey) }
  }

  /** An identity certificate for a box: 365 days from five minutes ago. With its issuing CA. */
  async issueIdentity(
    key: P256Key,
    instanceId: string,
    account: string,
    at: Instant,
  ): Promise<{ certificates: string[]; thumbprint: string; expiresAt: Instant }> {
    const issuer = await this.#identityIssuer(account)
    const notBefore = at - BACKDATED
    // A certificate says whole seconds.
    const notAfter = Math.floor((notBefore + IDENTITY_LIFE) / SECOND) * SECOND
    const { pem, thumbprint } = issuer.issue(key, { name: instanceId, notBefore, notAfter })
    return { certificates: [pem, ...this.issuingCas], thumbprint, expiresAt: notAfter }
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

  /**
   * An identity certificate that this authority issued to an instance, whatever it knows of it, and that is valid; undefined
   * for any other.
   */
  ownIdentity(pem: string, instanceId: string, at: Instant): { key: KeyObject; account: string } | undefined {
    const { subCa, formerCas, id, trust } = this.#identity
    // What an issuing CA of before was certified by.
    const roots = [...this.roots, ...trust.bundles.flatMap(rootsIn)]
    for (const ca of [...(subCa === null ? [] : this.issuingCas), ...formerCas]) {
      try {
        const expected = { role: 'instance', at, roots } as const
        const { authorityId, name, account, certificate } = checkChain([pem, ca], expected)
        if (authorityId === id && name === instanceId) return { key: certificate.publicKey, account }
      } catch (thrown) {
        if (!(thrown instanceof ChainError)) throw thrown
      }
    }
    return undefined
  }

  /** The signer of answers that is good now; a new one takes over when the old one nears its end. */
  answerSigner(tx: Tx, at: Instant): Promise<Credential> {
    return this.#leaves.signer(tx, 'answer-signer', this.#issuing(), at)
  }

  /** The signer of reservation authorization files that is good now. */
  reservationSigner(tx: Tx, at: Instant): Promise<Credential> {
    return this.#leaves.signer(tx, 'reservation-signer', this.#issuing(), at)
  }

  /** The signer of mandates and synchronisation answers that is good now: a manager's. */
  syncSigner(tx: Tx, at: Instant): Promise<Credential> {
    return this.#leaves.signer(tx, 'sync', this.#issuing(), at)
  }

  /** The signer of checkpoints of the audit record that is good now. */
  auditSigner(tx: Tx, at: Instant): Promise<Credential> {
    return this.#leaves.signer(tx, 'audit-signer', this.#issuing(), at)
  }

  /** The public key that boxes agree with on the key of their codes: base64url. */
  reservationKey(): string {
    return Buffer.from(publicBytes(this.#agreementKey())).toString('base64url')
  }

  /** The key of the codes of one reservation; null for a public key of a box that is none. */
  codeKey(boxKey: Uint8Array, reservationId: string): Uint8Array | null {
    // A reservation that was taken back after a restore is known without its box's key.
    return boxKey.length === BOX_KEY ? agreedKey(this.#agreementKey(), boxKey, reservationId) : null
  }

  #agreementKey(): KeyObject {
    return agreementKey(this.#reservationSeed ?? '', 1)
  }

  /** The TLS certificate for this machine's names and further ones, made anew when they change. */
  async tls(tx: Tx, names: readonly string[], at: Instant): Promise<Credential> {
    const hosts = ownHosts(names)
    if (this.#identity.subCa === null) return this.#provisionalTls(hosts, at)
    return this.#leaves.tls(tx, hosts, this.#issuing(), at)
  }

  /** Until a satellite has its CA its page vouches for itself: for the people who register it, and no box. */
  async #provisionalTls(hosts: readonly string[], at: Instant): Promise<Credential> {
    const { account, id: authorityId } = this.#identity
    const name = hosts[0] ?? 'localhost'
    const dates = { notBefore: at - DAY, notAfter: at + PROVISIONAL_LIFE }
    this.#provisional ??= createSelfSigned({ name, account, authorityId, hosts, ...dates })
    return this.#provisional
  }

  /** A TLS certificate that is almost right: kept nowhere, for tests of those who must not take it. */
  async tlsForTests(facts: {
    notBefore: Instant
    notAfter: Instant
    hosts: readonly string[]
  }): Promise<Credential> {
    const privateKey = createPrivateKey(await generateKey())
    const { account, id: authorityId } = this.identity
    const name = facts.hosts[0] ?? 'localhost'
    const certificate = await issueCertificate(this.#issuer(), createPublicKey(privateKey), {
      role: 'tls',
      name,
      account,
      authorityId,
      ...facts,
    })
    return { certificates: [certificate, ...this.issuingCas], privateKey }
  }

  /** A token's secret as it is stored. */
  sealSecret(secret: string): string {
    return this.#keys.sealSecret(secret)
  }

  /** When the root, the issuing CA and the signer of answers end: what there is of them. */
  async ends(tx: Tx): Promise<Record<string, Instant>> {
    const pems = {
      root: this.#identity.root,
      'issuing-ca': this.#identity.subCa,
      'answer-signer': await this.#leaves.certificate(tx, 'answer-signer'),
    }
    return Object.fromEntries(
      Object.entries(pems).flatMap(([name, pem]) =>
        pem === null ? [] : [[name, Date.parse(new X509Certificate(pem).validTo)]],
      ),
    )
  }

  /** @throws LicensingError STORE_UNREADABLE */
  openSecret(stored: string): string {
    return this.#keys.openSecret(stored)
  }
}

const NEVER_ROTATED = {
  furtherCas: [],
  formerCas: [],
  trust: { number: FIRST_BUNDLE, bundles: [], until: null },
}
