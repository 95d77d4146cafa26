import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { LicensingError } from '../../core/errors.ts'
import { DAY, type Instant } from '../../core/time.ts'
import { readCertificate } from '../../pki/certificate-cache.ts'
import { MAX_SERVER_NAMES } from '../../protocol/sync-request.ts'
import { agreedKey, agreementKey, publicBytes } from '../../pki/key-agreement.ts'
import {
  createSelfSigned,
  type Credential,
  generateKey,
  type Issuer,
  issueCertificate,
} from '../../pki/certificate-generation.ts'
import { isLoopbackName, parseHostName } from '../../core/host-name.ts'
import { readCertificates } from '../../pki/chain-validation.ts'
import { isPermitted, type NameConstraints, readNameConstraints } from '../../pki/name-constraints.ts'
import {
  certifyIssuingCa,
  certifySatelliteCa,
  makeRoot,
  ownHosts,
  SATELLITE_CA_RENEWED_BEFORE,
} from './ca-certificates.ts'
import { InstanceCertificates } from './instance-certificates.ts'
import { KeyRing, SUB_CA_KEY } from './key-ring.ts'
import { type AuthorityIdentity, FIRST_BUNDLE, readIdentity, writeIdentity } from './identity.ts'
import { readKeySetting, removeKeySetting, writeKeySetting } from './key-settings.ts'
import { KeyStore } from './key-store.ts'
import { Leaves, type Signer } from './leaf-certificates.ts'
import { RootKey } from './root-key.ts'
import { SatelliteKeys, SYNC_KEY } from './satellite-keys.ts'
import type { Tx } from '../store/store.ts'

/** For the people who register a satellite that has no CA yet. */
const PROVISIONAL_LIFE = 800 * DAY

const serverNamesSchema = z.array(z.string())

/** Bytes of a box's public key. */
const BOX_KEY = 32

/**
 * The authority's own keys and certificates: a root that signs the issuing CA and nothing else, and under that
 * the identities of boxes, the signer of answers and the TLS certificate. The keys of the root and of the first issuing CA are
 * files of mode 0600; what is made later is sealed in the database under another such file.
 */
export class Credentials {
  readonly keyRing: KeyRing
  readonly #keys: KeyStore
  readonly #leaves: Leaves
  /** The key of the newest root, where it is at hand. */
  readonly rootKey: RootKey
  readonly instanceCertificates: InstanceCertificates
  /** A satellite's own. */
  readonly satellite: SatelliteKeys
  #provisional: Promise<Credential> | undefined

  private constructor(identity: AuthorityIdentity, keys: KeyStore) {
    this.keyRing = new KeyRing(identity, keys)
    this.#keys = keys
    this.#leaves = new Leaves(keys)
    this.instanceCertificates = new InstanceCertificates(this.keyRing)
    this.satellite = new SatelliteKeys(this.keyRing)
    this.rootKey = new RootKey(keys, () => ({
      root: this.keyRing.identity.root === null ? undefined : this.keyRing.roots[0],
      number: this.keyRing.identity.trust.number,
    }))
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
    await writeIdentity(tx, credentials.keyRing.identity)
    await credentials.keyRing.readKeys(tx)
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
    keys.put(SYNC_KEY, await generateKey())
    keys.create()
    const credentials = new Credentials(
      { ...facts, role: 'satellite', epoch: 1, subCa: null, ...NEVER_ROTATED },
      keys,
    )
    await writeIdentity(tx, credentials.keyRing.identity)
    await credentials.keyRing.readKeys(tx)
    return credentials
  }

  /** @throws LicensingError STORE_UNREADABLE, DATA_DIR_MISSING */
  static async load(dataDir: string, tx: Tx): Promise<Credentials> {
    const identity = await readIdentity(tx)
    if (identity === null)
      throw new LicensingError('DATA_DIR_MISSING', `The authority in ${dataDir} was never made.`)
    const credentials = new Credentials(identity, new KeyStore(dataDir))
    await credentials.keyRing.readKeys(tx)
    credentials.#sweep()
    return credentials
  }

  /** Removes the files of keys that were replaced. */
  #sweep(): void {
    if (this.keyRing.issuingKey !== SUB_CA_KEY) this.#keys.remove(SUB_CA_KEY)
    this.rootKey.removeOld()
  }

  // What the root signs

  /**
   * The certificates of a satellite's CA, signed by the root: those it has while they last and are for the names it is to have,
   * and a new one otherwise.
   *
   * @param key the CA's public key
   * @param satellite.present the certificates it has: PEM, one after the other
   * @returns them, and the names that they are for: other ones than asked for where only the names are to change, and the
   * root's key is not here or the root is being replaced
   * @throws LicensingError ROOT_KEY_ABSENT
   */
  async issueSatelliteCa(
    key: KeyObject,
    satellite: { id: string; account: string; present: string | null; nameConstraints: NameConstraints },
    at: Instant,
  ): Promise<{ pem: string; names: readonly string[] }> {
    const { present, nameConstraints } = satellite
    const good = present === null ? [] : this.#lasting(readCertificates(present), key, at)
    const names = good.map((one) => readNameConstraints(one)?.permitted ?? [])
    const [first = []] = names
    const kept = { pem: good.map((one) => one.toString()).join(''), names: first }
    if (good.length > 0) {
      const same = names.every((each) => haveSame(each, nameConstraints.permitted))
      // A certificate by one of two roots alone is none for those who have the other.
      if (same || !this.rootKey.isHere || this.keyRing.identity.trust.until !== null) return kept
    }
    return {
      pem: await certifySatelliteCa(this.rootKey.issuer(), key, satellite, at),
      names: nameConstraints.permitted,
    }
  }

  /** The names of this authority's servers, without those that every machine has: no satellite's server is for them. */
  async serverNames(tx: Tx): Promise<string[]> {
    const names = new Set([...ownHosts(await this.#leaves.tlsHosts(tx)), ...(await this.askedNames(tx))])
    return [...names].filter((name) => !isLoopbackName(name))
  }

  /** The names that the servers of this authority were given so far: a satellite asks its manager for them. */
  async askedNames(tx: Tx): Promise<string[]> {
    return serverNamesSchema.parse(JSON.parse((await readKeySetting(tx, 'server-names')) ?? '[]'))
  }

  async #noteNames(tx: Tx, names: readonly string[]): Promise<void> {
    const before = await this.askedNames(tx)
    const given = names.map(parseHostName).filter((name) => name !== null && !isLoopbackName(name))
    const all = [...new Set([...before, ...given])].slice(0, MAX_SERVER_NAMES)
    if (all.length > before.length) await writeKeySetting(tx, 'server-names', JSON.stringify(all))
  }

  /** The certificates that lead to a root of today, if one of them has two years left. */
  #lasting(certificates: readonly X509Certificate[], key: KeyObject, at: Instant): X509Certificate[] {
    const led = certificates.filter(
      (one) =>
        one.publicKey.equals(key) &&
        this.keyRing.roots.some((root) => one.checkIssued(root) && one.verify(root.publicKey)),
    )
    const lasts = led.some(({ validTo }) => Date.parse(validTo) > at + SATELLITE_CA_RENEWED_BEFORE)
    return lasts ? led : []
  }

  // Rotation

  /** Another issuing CA under the root: what it issues is issued anew when it is next wanted. @throws LicensingError ROOT_KEY_ABSENT */
  async rotateIssuingCa(tx: Tx, at: Instant): Promise<void> {
    const root = this.rootKey.issuer()
    const pem = await generateKey()
    const subCa = await certifyIssuingCa(root, createPublicKey(pem), this.keyRing.identity, at)
    const place = this.#keys.seal(pem)
    await this.keyRing.takeIssuingKey(tx, place)
    await this.keyRing.adopt(tx, { subCa, furtherCas: [] })
  }

  /** Another root: the issuing CA has certificates by both until the overlap ends. Its key was put away before. */
  async adoptRoot(
    tx: Tx,
    next: { root: Issuer; bundle: string; number: number; until: Instant },
    at: Instant,
  ): Promise<void> {
    const { trust } = this.keyRing.identity
    const key = createPublicKey(this.#keys.pem(this.keyRing.issuingKey))
    this.rootKey.forget()
    await this.keyRing.adopt(tx, {
      root: `${next.root.certificate.trim()}\n${this.keyRing.roots[0]?.toString() ?? ''}`,
      furtherCas: [await certifyIssuingCa(next.root, key, this.keyRing.identity, at)],
      trust: { number: next.number, bundles: [...trust.bundles, next.bundle], until: next.until },
    })
  }

  /** The next root, with its key: kept by nobody yet. */
  nextRoot(at: Instant): Promise<Issuer> {
    return makeRoot(this.keyRing.identity, this.keyRing.identity.trust.number + 1, at)
  }

  /** A new key and certificate for a signer. Boxes notice nothing: they check its role and its chain. */
  async rotateSigner(tx: Tx, role: Signer, at: Instant): Promise<void> {
    await this.#leaves.newSigner(tx, role, this.keyRing.issuing(), at)
  }

  /** A new key and TLS certificate for the names of this machine. Servers take it within a minute, and add their own names. */
  async rotateTls(tx: Tx, at: Instant): Promise<void> {
    await removeKeySetting(tx, 'server-names')
    const hosts = ownHosts([]).filter((host) => this.#mayBeFor(host))
    await this.#leaves.newTls(tx, hosts, this.keyRing.issuing(), at)
  }

  // What the issuing CA signs

  /** The signer of answers that is good now; a new one takes over when the old one nears its end. */
  answerSigner(tx: Tx, at: Instant): Promise<Credential> {
    return this.#leaves.signer(tx, 'answer-signer', this.keyRing.issuing(), at)
  }

  /** The signer of reservation authorization files that is good now. */
  reservationSigner(tx: Tx, at: Instant): Promise<Credential> {
    return this.#leaves.signer(tx, 'reservation-signer', this.keyRing.issuing(), at)
  }

  /** The signer of mandates and synchronisation answers that is good now: a manager's. */
  syncSigner(tx: Tx, at: Instant): Promise<Credential> {
    return this.#leaves.signer(tx, 'sync', this.keyRing.issuing(), at)
  }

  /** The signer of checkpoints of the audit record that is good now. */
  auditSigner(tx: Tx, at: Instant): Promise<Credential> {
    return this.#leaves.signer(tx, 'audit-signer', this.keyRing.issuing(), at)
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
    return agreementKey(this.keyRing.reservationSeed, 1)
  }

  /**
   * The TLS certificate for this machine's names and further ones, made anew when they change.
   *
   * @returns it, and the names it is not for: what is no name, and at a satellite what its manager did not give it. A
   * certificate for one of these would be good for none of its names
   */
  async tls(
    tx: Tx,
    names: readonly string[],
    at: Instant,
  ): Promise<{ credential: Credential; leftOut: string[] }> {
    await this.#noteNames(tx, names)
    const hosts = ownHosts(names)
    const malformed = names.filter((name) => parseHostName(name) === null)
    if (this.keyRing.identity.subCa === null)
      return { credential: await this.#provisionalTls(hosts, at), leftOut: malformed }
    const mayBeFor = (host: string) => this.#mayBeFor(host)
    return {
      credential: await this.#leaves.tls(tx, hosts, this.keyRing.issuing(), at, mayBeFor),
      leftOut: [...malformed, ...hosts.filter((host) => !mayBeFor(host))],
    }
  }

  /** Whether the issuing CA, by each of its certificates, may issue a TLS certificate for a name. */
  #mayBeFor(host: string): boolean {
    return this.keyRing.issuingCas.every((pem) => {
      const constraints = readNameConstraints(readCertificate(pem))
      return constraints === null || isPermitted(host, constraints)
    })
  }

  /** Until a satellite has its CA its page vouches for itself: for the people who register it, and no box. */
  async #provisionalTls(hosts: readonly string[], at: Instant): Promise<Credential> {
    const name = hosts[0] ?? 'localhost'
    const dates = { notBefore: at - DAY, notAfter: at + PROVISIONAL_LIFE }
    this.#provisional ??= createSelfSigned({ name, hosts, ...dates })
    return this.#provisional
  }

  /** A TLS certificate that is almost right: kept nowhere, for tests of those who must not take it. */
  async tlsForTests(facts: {
    notBefore: Instant
    notAfter: Instant
    hosts: readonly string[]
  }): Promise<Credential> {
    const privateKey = createPrivateKey(await generateKey())
    const { account, id: authorityId } = this.keyRing.identity
    const name = facts.hosts[0] ?? 'localhost'
    const certificate = await issueCertificate(this.keyRing.issuing(), createPublicKey(privateKey), {
      role: 'tls',
      name,
      account,
      authorityId,
      ...facts,
    })
    return { certificates: [certificate, ...this.keyRing.issuingCas], privateKey }
  }

  /** A token's secret as it is stored. */
  sealSecret(secret: string): string {
    return this.#keys.sealSecret(secret)
  }

  /** When the root, the issuing CA and the signer of answers end: what there is of them. */
  async ends(tx: Tx): Promise<Record<string, Instant>> {
    const pems = {
      root: this.keyRing.identity.root,
      'issuing-ca': this.keyRing.identity.subCa,
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

const haveSame = (one: readonly string[], other: readonly string[]): boolean =>
  new Set(one).size === new Set(other).size && one.every((name) => other.includes(name))

const NEVER_ROTATED = {
  furtherCas: [],
  formerCas: [],
  trust: { number: FIRST_BUNDLE, bundles: [], until: null },
}
