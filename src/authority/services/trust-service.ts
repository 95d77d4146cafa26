import { sql } from 'kysely'
import { createPublicKey, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { validate } from '../../core/validate.ts'
import { LicensingError } from '../../core/errors.ts'
import { DAY, type Instant, toIsoString } from '../../core/time.ts'
import { parseCertificates } from '../../pki/chain-validation.ts'
import { formatCertificateFingerprint } from '../../pki/fingerprint.ts'
import { decryptText, encryptText } from '../../storage/age-files.ts'
import { listRotationsAfter, signRootRotation, formatRootRotations } from '../../pki/root-rotation.ts'
import { readNameConstraints } from '../../pki/name-constraints.ts'
import { issueSatelliteCa } from '../keys/ca-certificates.ts'
import type { AuthorityContext } from '../context/authority-context.ts'
import type { Credentials } from '../keys/credentials.ts'
import { logEvent } from '../events/event-log.ts'
import { SIGNERS, type Signer } from '../keys/leaf-certificates.ts'
import { passphraseSchema } from '../keys/passphrase.ts'
import type { Tx } from '../store/store.ts'

/** Keys that can be replaced without the private key of the root. */
export const ROTATABLE_KEYS = [...SIGNERS, 'tls'] as const
export type RotatableKey = (typeof ROTATABLE_KEYS)[number]

/**
 * Default overlap of two roots in days. Within half a year every active device makes contact and every satellite
 * synchronizes.
 */
export const ROOT_OVERLAP_DAYS = 180
const overlapSchema = z
  .int('it must be a whole number of days')
  .min(1, 'it must be at least 1 day')
  .max(3650, 'it must be at most 3650 days')

/** State of the roots, which administrators compare with the roots that devices trust. */
export interface TrustDocument {
  /** SHA-256 fingerprint of the newest root, in pairs of hexadecimal digits. */
  readonly fingerprint: string
  readonly rootVersion: number
  /** The former root and the end of its validity, or null outside an overlap. */
  readonly replacing: { readonly fingerprint: string; readonly until: string } | null
  /** True if the root's key is stored on this machine. */
  readonly rootKeyOnHost: boolean
  readonly issuingCaEndsAt: string | null
}

/** Management of an authority's keys and certificates. */
export class TrustService {
  readonly #context: AuthorityContext
  readonly #credentials: Credentials

  constructor(context: AuthorityContext) {
    this.#context = context
    this.#credentials = context.credentials
  }

  show(): Promise<TrustDocument> {
    return this.#context.withMaintenance(() => {
      const { keyRing, rootKey } = this.#credentials
      const { identity, roots } = keyRing
      const [newest, older] = roots.map((root) => formatCertificateFingerprint(root.toString()))
      const { until, number } = identity.trust
      return Promise.resolve({
        fingerprint: newest ?? '',
        rootVersion: number,
        replacing:
          older === undefined || until === null ? null : { fingerprint: older, until: toIsoString(until) },
        rootKeyOnHost: rootKey.readFromHost() !== null,
        issuingCaEndsAt:
          identity.issuingCa === null
            ? null
            : toIsoString(Date.parse(new X509Certificate(identity.issuingCa).validTo)),
      })
    })
  }

  /**
   * Returns all root rotation statements as an offline file for a device that lacks some of them.
   *
   * @throws LicensingError NO_TRUST_BUNDLE
   */
  bundles(): string {
    const statements = listRotationsAfter(this.#credentials.keyRing.identity.trust, 0)
    if (statements.length > 0) return formatRootRotations(statements)
    throw new LicensingError('NO_TRUST_BUNDLE', 'The root certificate was never replaced.')
  }

  /**
   * Replaces keys and their certificates. Every process of this authority uses the new keys at once, and devices
   * accept them.
   */
  async rotate(keys: readonly RotatableKey[]): Promise<void> {
    const isSatellite = this.#credentials.keyRing.identity.role === 'satellite'
    // Only a manager signs delegations and synchronization answers.
    const rotatableKeys = keys.filter((key) => !isSatellite || key !== 'sync')
    if (rotatableKeys.length === 0)
      throw new LicensingError(
        'WRONG_ROLE',
        'This authority is a satellite and has no key for delegations. Rotate the key `sync` at its manager.',
      )
    await this.#context.withMaintenance(async (tx, at) => {
      for (const key of rotatableKeys) {
        if (key === 'tls') await this.#credentials.servers.rotate(tx, at)
        else await this.#credentials.rotateSigner(tx, key, at)
        await logEvent(tx, {
          at,
          type: key === 'tls' ? 'TLS_ROTATED' : 'SIGNER_ROTATED',
          message: ROTATION_MESSAGES[key],
        })
      }
    })
  }

  /**
   * Replaces the issuing CA, and issues its certificates again. ID certificates of devices stay valid, since an
   * authority identifies them by their thumbprint. The CA of a satellite is certified by its manager and takes effect
   * at the next synchronization.
   *
   * @returns true if the new CA takes effect at once, false if the manager must certify it first
   * @throws LicensingError ROOT_KEY_ABSENT, ROTATION_UNDER_WAY
   */
  rotateIssuingCa(): Promise<boolean> {
    return this.#context.withMaintenance(async (tx, at) => {
      this.#requireOneRoot()
      if (this.#credentials.keyRing.identity.role === 'satellite') {
        await this.#credentials.satellite.prepareIssuingCa(tx)
        return false
      }
      await this.#credentials.rotation.rotateIssuingCa(tx, at)
      for (const signer of SIGNERS) await this.#credentials.rotateSigner(tx, signer, at)
      await logEvent(tx, {
        at,
        type: 'ISSUING_CA_ROTATED',
        severity: 'major',
        message: 'A new issuing CA issues the certificates of devices, signers and servers.',
      })
      return true
    })
  }

  /**
   * Replaces the root. The old and the new key sign a statement of both roots. Devices that lack the statement get it
   * with an answer, a synchronization or a reservation file. Both roots are trusted until the overlap ends.
   *
   * @param options.overlapDays days, 1 to 3650
   * @param options.store stores the private key of the next root (PEM) elsewhere before the key signs anything. By
   * default the key replaces the old one on this machine
   * @throws LicensingError ROOT_KEY_ABSENT, ROTATION_UNDER_WAY, INVALID_ARGUMENT, WRONG_ROLE
   */
  async rotateRoot(options: {
    overlapDays?: number
    store?: (privateKey: string) => Promise<void>
  }): Promise<TrustDocument> {
    const days = validate(overlapSchema, options.overlapDays ?? ROOT_OVERLAP_DAYS, 'overlap')
    const credentials = this.#credentials
    if (credentials.keyRing.identity.role === 'satellite')
      throw new LicensingError(
        'WRONG_ROLE',
        'This authority is a satellite. Replace the root at its manager.',
      )
    const { next, old, number } = await this.#context.withMaintenance(async (_tx, at) => {
      this.#requireOneRoot()
      return {
        next: await credentials.rotation.createNextRoot(at),
        old: credentials.rootKey.getIssuer(),
        number: credentials.keyRing.identity.trust.number + 1,
      }
    })
    // The key is stored first. A root whose key is lost is worse than an unused key.
    if (options.store) await options.store(next.privateKey)
    else credentials.rootKey.put(next.privateKey, number)
    await this.#context.withMaintenance(async (tx, at) => {
      this.#requireOneRoot()
      if (credentials.keyRing.identity.trust.number !== number - 1)
        throw new LicensingError(
          'ROTATION_UNDER_WAY',
          'The root certificate was just replaced by another process.',
        )
      const until = at + days * DAY
      const bundle = await signRootRotation(
        {
          number,
          managerId: credentials.keyRing.identity.id,
          issuedAt: at,
          until,
          roots: [next.certificate, old.certificate],
        },
        [old, next],
      )
      await credentials.rotation.adoptRoot(tx, { root: next, bundle, number, until }, at)
      await this.#certifySatellites(tx, next, at)
      await logEvent(tx, {
        at,
        type: 'ROOT_ROTATED',
        severity: 'major',
        message: `Root rotation ${number}: a new root certificate, ${formatCertificateFingerprint(next.certificate)}. The old root is trusted until ${toIsoString(until)}.`,
      })
    })
    credentials.rootKey.removeOld()
    return this.show()
  }

  /**
   * Issues certificates under the next root for the CAs of satellites, while the root's key is available.
   * Satellites get them at their next synchronization.
   */
  async #certifySatellites(
    tx: Tx,
    root: { certificate: string; privateKey: string },
    at: Instant,
  ): Promise<void> {
    const rows = await tx
      .selectFrom('satellites')
      .innerJoin('accounts', 'accounts.id', 'satellites.account_id')
      .select(['satellites.id as row', 'satellites.satellite_id as id', 'issuing_ca', 'accounts.domain'])
      .where('status', '<>', sql.lit('removed'))
      .where('issuing_ca', 'is not', null)
      .execute()
    for (const { row, id, issuing_ca: currentPem, domain: account } of rows) {
      const [certificate] = parseCertificates(currentPem ?? '')
      if (!certificate || id === null) continue
      const key = createPublicKey(certificate.publicKey.export({ type: 'spki', format: 'pem' }))
      const nameConstraints = readNameConstraints(certificate) ?? { permitted: [], excluded: [] }
      const newPem = await issueSatelliteCa(root, key, { id, account, nameConstraints }, at)
      await tx
        .updateTable('satellites')
        .set({ issuing_ca: `${currentPem?.trim() ?? ''}\n${newPem}` })
        .where('id', '=', row)
        .execute()
    }
  }

  #requireOneRoot(): void {
    const { until } = this.#credentials.keyRing.identity.trust
    if (until === null) return
    throw new LicensingError(
      'ROTATION_UNDER_WAY',
      `The root certificate is being replaced. Both roots are trusted until ${toIsoString(until)}.`,
    )
  }

  /**
   * Encrypts the root's key with a passphrase, and removes it from this machine once `write` has stored the file.
   *
   * @throws LicensingError ROOT_KEY_ABSENT, INVALID_ARGUMENT, and any error of `write`, after which the key is still on
   * this machine
   */
  async exportRootKey(passphrase: string, write: (file: Buffer) => Promise<void>): Promise<void> {
    const key = this.#credentials.rootKey.readFromHost()
    if (key === null)
      throw new LicensingError('ROOT_KEY_ABSENT', 'The key of the root certificate is not on this machine.')
    await write(await encryptRootKey(key, passphrase))
    this.#credentials.rootKey.remove()
  }

  /**
   * Loads the root's key from its file, for this process alone.
   *
   * @throws LicensingError ROOT_KEY_UNREADABLE, ROOT_KEY_WRONG
   */
  async loadRootKey(file: Buffer, passphrase: string): Promise<void> {
    const key = await decryptText(file, passphrase)
    if (!key?.startsWith('-----BEGIN '))
      throw new LicensingError(
        'ROOT_KEY_UNREADABLE',
        'The root key file cannot be decrypted with this passphrase.',
      )
    this.#credentials.rootKey.load(key)
  }
}

/**
 * Encrypts the key of a root as a file in the age format. @param privateKey PEM @throws LicensingError INVALID_ARGUMENT
 */
export function encryptRootKey(privateKey: string, passphrase: string): Promise<Buffer> {
  return encryptText(privateKey, validate(passphraseSchema, passphrase, 'passphrase'))
}

const ROTATION_MESSAGES: Readonly<Record<Signer | 'tls', string>> = {
  'answer-signer': 'A new key signs the answers.',
  'reservation-signer': 'A new key signs reservation files.',
  sync: 'A new key signs delegations and synchronization answers.',
  'audit-signer': 'A new key signs checkpoints of the audit log.',
  tls: 'The servers use a new key and certificate.',
}
