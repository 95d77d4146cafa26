import { createPublicKey, X509Certificate } from 'node:crypto'
import { LicensingError } from '../../core/errors.ts'
import type { Instant } from '../../core/time.ts'
import { type Credential, generateKey } from '../../pki/certificate-generation.ts'
import { issueIntermediateCa, createRootCa } from './ca-certificates.ts'
import { type AuthorityIdentity, INITIAL_ROOT_VERSION, readIdentity, writeIdentity } from './identity.ts'
import { InstanceCertificates } from './instance-certificates.ts'
import { KeyRing, ISSUING_CA_KEY_FILE } from './key-ring.ts'
import { KeyRotation } from './key-rotation.ts'
import { KeyStore, type Secrets } from './key-store.ts'
import { LeafCertificates, type Signer } from './leaf-certificates.ts'
import { ReservationKeys } from './reservation-keys.ts'
import { RootKey } from './root-key.ts'
import { SatelliteCas } from './satellite-cas.ts'
import { SatelliteKeys, SYNC_KEY_FILE } from './satellite-keys.ts'
import { ServerCertificates } from './server-certificates.ts'
import type { Tx } from '../store/store.ts'

/**
 * The keys and certificates of an authority. The root signs only CAs. The issuing CA signs ID certificates, signers
 * and the TLS certificate. The keys of the root and of the first issuing CA are files of mode 0600. Later keys are encrypted in the
 * database under the key of another such file.
 */
export class Credentials {
  readonly #leaves: LeafCertificates
  /** The authority's identity, and the locations of its keys. */
  readonly keyRing: KeyRing
  /** The key of the newest root, if this machine or process has it. */
  readonly rootKey: RootKey
  /** The encryption of secrets in the database. */
  readonly secrets: Secrets
  /** The replacement of the root and the issuing CA. */
  readonly rotation: KeyRotation
  /** The ID certificates of devices. */
  readonly instanceCertificates: InstanceCertificates
  /** The TLS certificate of this authority's servers. */
  readonly servers: ServerCertificates
  /** The keys of reservation codes. */
  readonly reservationKeys: ReservationKeys
  /** The CAs that a manager certifies. */
  readonly satelliteCas: SatelliteCas
  /** The keys by which a satellite identifies itself to its manager. */
  readonly satellite: SatelliteKeys

  private constructor(identity: AuthorityIdentity, keys: KeyStore, reservationKeys: ReservationKeys) {
    const keyRing = new KeyRing(identity, keys)
    this.keyRing = keyRing
    this.secrets = keys
    this.reservationKeys = reservationKeys
    this.#leaves = new LeafCertificates(keys)
    this.rootKey = new RootKey(keys, () => ({
      root: keyRing.identity.root === null ? undefined : keyRing.roots[0],
      number: keyRing.identity.trust.number,
    }))
    this.rotation = new KeyRotation(keyRing, this.rootKey)
    this.instanceCertificates = new InstanceCertificates(keyRing)
    this.servers = new ServerCertificates(keyRing, this.#leaves)
    this.satelliteCas = new SatelliteCas(keyRing, this.rootKey)
    this.satellite = new SatelliteKeys(keyRing)
  }

  /** Creates the root, the issuing CA and the key that encrypts secrets. */
  static async create(
    dataDir: string,
    tx: Tx,
    options: { id: string; account: string; role: 'manager'; test: boolean; at: Instant },
  ): Promise<Credentials> {
    const keys = new KeyStore(dataDir)
    const { id, account, role, test, at } = options
    const root = await createRootCa(options, INITIAL_ROOT_VERSION, at)
    const issuingKey = await generateKey()
    keys.put(ISSUING_CA_KEY_FILE, issuingKey)
    keys.createSecretKey()
    const identity = {
      ...{ id, account, role, test, epoch: 1, root: root.certificate },
      issuingCa: await issueIntermediateCa(root, createPublicKey(issuingKey), { id, account }, at),
      ...NEVER_ROTATED,
    }
    const credentials = new Credentials(identity, keys, await ReservationKeys.load(tx, keys))
    credentials.rootKey.put(root.privateKey, INITIAL_ROOT_VERSION)
    await writeIdentity(tx, identity)
    await credentials.keyRing.readKeys(tx)
    return credentials
  }

  /**
   * Creates the keys of a satellite. The manager certifies its CA at the first synchronization.
   *
   * @param options.root the manager's root as PEM, or null if it is not known yet
   */
  static async createSatellite(
    dataDir: string,
    tx: Tx,
    options: { id: string; account: string; test: boolean; root: string | null },
  ): Promise<Credentials> {
    const keys = new KeyStore(dataDir)
    keys.put(ISSUING_CA_KEY_FILE, await generateKey())
    keys.put(SYNC_KEY_FILE, await generateKey())
    keys.createSecretKey()
    const identity = { ...options, role: 'satellite', epoch: 1, issuingCa: null, ...NEVER_ROTATED } as const
    const credentials = new Credentials(identity, keys, await ReservationKeys.load(tx, keys))
    await writeIdentity(tx, identity)
    await credentials.keyRing.readKeys(tx)
    return credentials
  }

  /** Reads the keys and certificates of an authority. @throws LicensingError STORE_UNREADABLE, DATA_DIR_MISSING */
  static async load(dataDir: string, tx: Tx): Promise<Credentials> {
    const identity = await readIdentity(tx)
    if (identity === null)
      throw new LicensingError('DATA_DIR_MISSING', `The authority in ${dataDir} is not initialized.`)
    const keys = new KeyStore(dataDir)
    const credentials = new Credentials(identity, keys, await ReservationKeys.load(tx, keys))
    await credentials.keyRing.readKeys(tx)
    credentials.#removeReplacedKeys()
    return credentials
  }

  /** Removes the files of keys that were replaced. */
  #removeReplacedKeys(): void {
    const { issuingKey, keys } = this.keyRing
    if (issuingKey !== ISSUING_CA_KEY_FILE) keys.removeReplaced(ISSUING_CA_KEY_FILE)
    this.rootKey.removeOld()
  }

  /** Returns the signer of a role that is valid at an instant. A new signer replaces the old one before it expires. */
  signer(tx: Tx, role: Signer, at: Instant): Promise<Credential> {
    return this.#leaves.getSigner(tx, role, this.keyRing.getIssuingContext(), at)
  }

  /**
   * Creates a key and a certificate for a signer. Devices accept the new certificate, because they check its role
   * and chain.
   */
  async rotateSigner(tx: Tx, role: Signer, at: Instant): Promise<void> {
    await this.#leaves.issueSigner(tx, role, this.keyRing.getIssuingContext(), at)
  }

  /**
   * Returns the expiry of the root, the issuing CA and the signer of answers. A certificate that does not exist
   * is left out.
   */
  async readExpiries(tx: Tx): Promise<Record<string, Instant>> {
    const { root, issuingCa } = this.keyRing.identity
    const pems = {
      root,
      'issuing-ca': issuingCa,
      'answer-signer': await this.#leaves.readCertificate(tx, 'answer-signer'),
    }
    return Object.fromEntries(
      Object.entries(pems).flatMap(([name, pem]) =>
        pem === null ? [] : [[name, Date.parse(new X509Certificate(pem).validTo)]],
      ),
    )
  }
}

const NEVER_ROTATED = {
  crossSignedCas: [],
  previousCas: [],
  trust: { number: INITIAL_ROOT_VERSION, bundles: [], until: null },
}
