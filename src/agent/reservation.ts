import type { X509Certificate } from 'node:crypto'
import {
  canHandle,
  type Context,
  getGrant,
  type Event,
  type InstalledAuthorization,
  type Reservation,
  getReservation,
  type ReturnedReservation,
} from '../../machines/index.ts'
import { LicensingError } from '../core/errors.ts'
import { type Instant, toIsoString } from '../core/time.ts'
import {
  type Authorization,
  AUTHORIZATION_TITLE,
  parseIssuedAt,
  parseAuthorization,
} from '../protocol/authorization-file.ts'
import { extractRotations } from '../protocol/text-format.ts'
import {
  MAX_REQUEST_NUMBER,
  type ProofKind,
  encodeProofCode,
  encodeRequestCode,
} from '../protocol/offline-codes.ts'
import { deriveSharedKey, deriveKeyPair, generateSeed, exportRawPublicKey } from '../pki/key-agreement.ts'
import type { ValidatedChain } from '../pki/chain-validation.ts'
import { verifyDelegation } from '../pki/delegation.ts'
import { verifyText } from '../pki/sign-text.ts'
import { applyRotations, type TrustAnchors, getTrustedRoots } from '../pki/root-rotation.ts'
import type { AgentCore } from './agent-core.ts'
import type { LicenseClock } from './license-clock.ts'
import { type Product, RESERVATION_SEED_FILE } from './persisted-state.ts'
import type { AgentStore } from './store.ts'
import type { MachineRunner } from './machine-runner.ts'
import { readAnchors, writeAnchors } from './trust-store.ts'

/**
 * Specific license reservation on the device (planning guide, "License Reservation"). Creates codes and verifies files.
 * The machine decides their effect. Makes no connections.
 */
export class DeviceReservation {
  readonly #store: AgentStore
  readonly #runner: MachineRunner
  readonly #clock: LicenseClock
  readonly #product: Product
  /** Newer trust anchors from the file. Null if it has none. */
  #newAnchors: TrustAnchors | null = null

  constructor({ store, runner, clock, device }: AgentCore) {
    this.#store = store
    this.#runner = runner
    this.#clock = clock
    this.#product = device.product
  }

  get #current(): Reservation {
    return getReservation(this.#runner.snapshot)
  }

  get #state(): Context['reservation'] {
    return this.#runner.snapshot.context.reservation
  }

  /** Returns the request code. It stays the same until the request is canceled (R-SLR-2). */
  request(): string {
    const { requests } = this.#state
    const current = this.#current
    if (current.stage === 'requested') return current.requestCode
    if (current.stage !== 'none') throw alreadyReservedError()
    if (requests >= MAX_REQUEST_NUMBER)
      throw new LicensingError('NUMBERS_EXHAUSTED', `This device has made ${requests} reservation requests.`)
    const event = (at: number, requestCode = ''): Event => ({ type: 'reservation.request', at, requestCode })
    if (!canHandle(this.#runner.snapshot, event(this.#clock.now()))) throw this.#createRegisteredError()
    // Store the seed before deriving a key from it.
    if (!this.#store.secrets.has(RESERVATION_SEED_FILE))
      this.#store.secrets.put(RESERVATION_SEED_FILE, generateSeed())
    const { pid, serial, version } = this.#product
    const number = requests + 1
    const requestCode = encodeRequestCode({
      udi: { pid, serial, version },
      number,
      deviceKey: exportRawPublicKey(this.#deriveKey(number)),
    })
    this.#runner.step((at) => event(at, requestCode))
    return requestCode
  }

  #createRegisteredError(): LicensingError {
    const { registering } = this.#runner.snapshot.context
    if (registering)
      return new LicensingError('REGISTRATION_IN_PROGRESS', 'A registration of this device is in progress.', {
        remedy: 'Wait for its outcome, or cancel the registration with `deregister`.',
        libraryRemedy: 'Wait for its outcome, or cancel the registration with `deregister()`.',
      })
    return new LicensingError('NOT_ALLOWED_IN_STATE', 'A registered device cannot request a reservation.', {
      remedy: 'Deregister the device first.',
    })
  }

  /** Cancels the request. Returns false if there was none. */
  cancel(): boolean {
    const { stage } = this.#current
    if (stage === 'none') return false
    if (stage !== 'requested') throw alreadyReservedError()
    this.#runner.step((at) => ({ type: 'reservation.cancel', at }))
    return true
  }

  /**
   * Installs the authorization file of the pending request. The device is reserved afterwards (R-SLR-4).
   *
   * @throws LicensingError SIGNED_FILE_*, AUTHORIZATION_*, RESERVATION_*, or TRUST_ANCHOR_MISSING, and nothing is changed
   */
  install(text: string): void {
    const file = this.#verifyFile(text)
    const current = this.#current
    if (current.stage !== 'requested')
      throw alreadyReservedError('Install a newer file with `reservation update`.')
    this.#installFile('reservation.install', file, current.requestedAt)
  }

  /**
   * Installs a newer authorization file, and creates the confirmation code for the authority (R-SLR-5).
   *
   * @throws LicensingError as `install`
   */
  update(text: string): void {
    const file = this.#verifyFile(text)
    const current = this.#current
    if (current.stage !== 'installed')
      throw new LicensingError('RESERVATION_NONE', 'No reservation is installed to update.', {
        remedy: 'Install the file with `reservation install`.',
        libraryRemedy: 'Install the file with `reservation.install(file)`.',
      })
    this.#installFile('reservation.update', file, current.grant.knownAt)
  }

  /** Stores a verified file together with its confirmation code, before the code is shown. */
  #installFile(
    type: 'reservation.install' | 'reservation.update',
    file: Authorization,
    knownAt: number,
  ): void {
    // The first authorization needs no confirmation, because the authority holds no other for this device.
    const confirmationCode =
      type === 'reservation.install' && file.sequence === 1
        ? null
        : this.#createProofCode('confirmation', file)
    const {
      reservationId,
      authorityId,
      authorityKey,
      smartAccount,
      virtualAccount,
      epoch,
      sequence,
      issuedAt,
    } = file
    const current = this.#current
    const before = current.stage === 'installed' ? current.grant.licenses : []
    // Keep the warning thresholds, so that an update does not repeat a warning.
    const findLastWarning = (tag: string, endsAt: number | null) =>
      before.find((license) => license.tag === tag && license.endsAt === endsAt)?.lastWarningSeconds ?? null
    const reservedAt = current.stage === 'installed' ? current.grant.reservedAt : null
    const grant = (installedAt: number): InstalledAuthorization => ({
      reservationId,
      authorityId,
      authorityKey,
      smartAccount,
      virtualAccount,
      epoch,
      sequence,
      issuedAt,
      installedAt,
      reservedAt: reservedAt ?? installedAt,
      licenses: file.licenses.map(({ tag, name, count, endsAt }) => ({
        tag,
        name,
        count,
        endsAt,
        lastWarningSeconds: findLastWarning(tag, endsAt),
      })),
      confirmationCode,
      // The authority creates the next file only after the confirmation of this one. The first needs no confirmation.
      knownAt: confirmationCode === null ? Math.min(knownAt, issuedAt) : installedAt,
    })
    this.#runner.step(
      (at) => ({ type, at, grant: grant(at) }),
      (store) => {
        this.#clock.applySignedTime(issuedAt, knownAt)
        if (this.#newAnchors) writeAnchors(store, this.#newAnchors)
      },
    )
    if (this.#newAnchors)
      this.#runner.recordNotice('TRUST_CHANGED', `root version ${this.#newAnchors.number}`)
  }

  /** Ends the grant, and returns its return code, the same for each call (R-SLR-6). */
  returnCode(): string {
    const current = this.#current
    if (current.stage === 'returning') return current.returnCode
    if (current.stage !== 'installed') throw noReservationError(current)
    const { reservationId, authorityKey, epoch, sequence } = current.grant
    const returnCode = this.#createProofCode('return', {
      request: this.#state.requests,
      authorityKey,
      reservationId,
      epoch,
      sequence,
    })
    this.#runner.step((at) => ({ type: 'reservation.return-code', at, returnCode }))
    return returnCode
  }

  /** Completes the return. The device continues with its remaining evaluation period. */
  return(): void {
    const current = this.#current
    if (current.stage === 'installed')
      throw new LicensingError('RESERVATION_NOT_RETURNING', 'The return code was not created yet.')
    if (current.stage !== 'returning') throw noReservationError(current)
    this.#runner.step((at) => ({ type: 'reservation.return', at }))
  }

  /**
   * Returns the authorization file of a canceled request, without installing the file.
   *
   * @returns the returned reservation with its return code, the same for each call
   * @throws LicensingError SIGNED_FILE_* or AUTHORIZATION_*, and nothing is changed
   */
  discard(text: string): ReturnedReservation {
    let file: Authorization
    try {
      file = this.#verifyFile(text, { canceled: true })
    } catch (error) {
      if (error instanceof AlreadyReturnedError) return error.returned
      throw error
    }
    const { request, reservationId } = file
    const returnCode = this.#createProofCode('return', file)
    const returned = { request, reservationId, returnCode, at: this.#clock.now() }
    this.#runner.step((at) => ({ type: 'reservation.discard', at, returned: { ...returned, at } }))
    return returned
  }

  /** Verifies everything about a file that is required to install or discard it. */
  #verifyFile(text: string, { canceled = false } = {}): Authorization {
    const storedAnchors = readAnchors(this.#store)
    if (storedAnchors === null)
      throw new LicensingError(
        'TRUST_ANCHOR_MISSING',
        'No root certificate of the authority is installed to verify the file.',
      )
    const { requests, returned } = this.#state
    const current = this.#current
    const grant = getGrant(this.#runner.snapshot)
    const knownAt =
      current.stage === 'requested' ? current.requestedAt : (grant?.knownAt ?? this.#clock.now())
    // The file carries the root rotations for devices that were off meanwhile. Each is signed by an earlier root.
    const anchors = applyRotations(storedAnchors, extractRotations(text), this.#clock.now())
    const roots = getTrustedRoots(
      anchors,
      canceled ? parseIssuedAt(text.split(/\r?\n|\r/)) : this.#clock.now(),
    )
    const at = (lines: readonly string[]) =>
      Math.max(parseIssuedAt(lines), this.#clock.correctedTime(parseIssuedAt(lines), knownAt))
    const { lines, signer } = verifyText(text, {
      what: 'authorization file',
      title: AUTHORIZATION_TITLE,
      role: 'reservation-signer',
      roots,
      // Verify at the later of the file's time and the device's corrected time. A discarded file may have any age.
      at: (lines) => (canceled ? parseIssuedAt(lines) : at(lines)),
    })
    const file = parseAuthorization(lines)
    this.#newAnchors = anchors === storedAnchors ? null : anchors
    if (signer.authorityId !== file.authorityId)
      throw new LicensingError(
        'SIGNED_FILE_UNTRUSTED',
        'The authorization file was not signed by the authority that it names.',
      )
    if (signer.authorityId !== signer.managerId)
      checkDelegation(file, { signer, roots, at: canceled ? file.issuedAt : at(lines) })
    const { pid, serial } = this.#product
    if (file.udi.pid !== pid || file.udi.serial !== serial)
      throw new LicensingError(
        'AUTHORIZATION_OTHER_DEVICE',
        `The authorization file is for ${file.udi.pid}, serial ${file.udi.serial}; this device is ${pid}, serial ${serial}.`,
        canceled ? { remedy: 'Return the file on the device that it names.' } : {},
      )
    if (file.request > requests || !this.#isOwnRequest(file)) throw otherRequestError(file)
    const earlier = returned.find(({ reservationId }) => reservationId === file.reservationId)
    if (earlier) throw new AlreadyReturnedError(earlier)
    // Two authorities may have answered one request. Only one file was installed, so the other can be discarded.
    const answered = returned.find(({ request }) => request === file.request)
    const other = grant !== null && grant.reservationId !== file.reservationId
    if (canceled && (answered !== undefined || (other && file.request === requests))) return file
    if (answered) throw new AlreadyReturnedError(answered)
    if (file.request !== requests || current.stage === 'none') {
      if (canceled) return file
      throw new LicensingError(
        'AUTHORIZATION_CANCELED',
        `The authorization file answers request ${file.request}, which was canceled.`,
      )
    }
    if (other) throw otherRequestError(file)
    if (canceled)
      throw new LicensingError(
        'AUTHORIZATION_NOT_CANCELED',
        `The authorization file answers request ${file.request}, which was not canceled.`,
      )
    if (current.stage === 'returning') throw returningError()
    if (current.stage === 'installed') checkNewer(file, current.grant)
    return file
  }

  /** Checks that the device key in the file belongs to the request number in the file. */
  #isOwnRequest(file: Authorization): boolean {
    return (
      this.#store.secrets.has(RESERVATION_SEED_FILE) &&
      Buffer.from(exportRawPublicKey(this.#deriveKey(file.request))).toString('base64url') === file.deviceKey
    )
  }

  #deriveKey(number: number) {
    return deriveKeyPair(this.#store.secrets.get(RESERVATION_SEED_FILE), number)
  }

  #createProofCode(
    kind: ProofKind,
    of: Pick<Authorization, 'request' | 'authorityKey' | 'reservationId' | 'epoch' | 'sequence'>,
  ): string {
    const { reservationId, epoch, sequence } = of
    const key = deriveSharedKey(
      this.#deriveKey(of.request),
      Buffer.from(of.authorityKey, 'base64url'),
      reservationId,
    )
    if (!key) throw new LicensingError('SIGNED_FILE_UNTRUSTED', 'The authority key in the file is not valid.')
    return encodeProofCode(key, { kind, udi: this.#product, reservationId, epoch, sequence })
  }
}

/**
 * Checks that a satellite's file stays within the period and quantities of its manager's delegation.
 *
 * @throws LicensingError MANDATE_*
 */
function checkDelegation(
  file: Authorization,
  { signer, roots, at }: { signer: ValidatedChain; roots: readonly X509Certificate[]; at: Instant },
): void {
  if (file.mandate === null)
    throw new LicensingError(
      'MANDATE_MISSING',
      'The authorization file of a satellite contains no delegation of its manager.',
    )
  const delegation = verifyDelegation(file.mandate, {
    roots,
    satelliteId: file.authorityId,
    account: file.smartAccount,
    issuingCa: signer.issuingCa,
  })
  if (at >= Date.parse(delegation.notAfter))
    throw new LicensingError(
      'MANDATE_EXPIRED',
      `The delegation for the authorization file ended at ${delegation.notAfter}; the time is ${toIsoString(at)}.`,
    )
  for (const { tag, quantity } of sumByTag(file)) {
    const given = delegation.quantities.find((delegated) => delegated.tag === tag)?.quantity ?? 0
    if (quantity > given)
      throw new LicensingError(
        'MANDATE_EXCEEDED',
        `The authorization file reserves ${quantity} of ${tag}; the manager delegated ${given} to the satellite.`,
      )
  }
}

const sumByTag = ({ licenses }: Authorization) =>
  [...new Set(licenses.map(({ tag }) => tag))].map((tag) => ({
    tag,
    quantity: licenses.reduce((sum, license) => (license.tag === tag ? sum + license.count : sum), 0),
  }))

/** Error for a file whose reservation was returned. Discarding the file again gives the same return code. */
class AlreadyReturnedError extends LicensingError {
  readonly returned: ReturnedReservation
  constructor(returned: ReturnedReservation) {
    super(
      'AUTHORIZATION_RETURNED',
      `The reservation of the file was returned at ${toIsoString(returned.at)}.`,
    )
    this.returned = returned
  }
}

/** @throws LicensingError AUTHORIZATION_OTHER_REQUEST, AUTHORIZATION_INSTALLED, AUTHORIZATION_SUPERSEDED */
function checkNewer(file: Authorization, grant: InstalledAuthorization): void {
  if (file.reservationId !== grant.reservationId || file.authorityId !== grant.authorityId)
    throw otherRequestError(file)
  const order = file.epoch - grant.epoch || file.sequence - grant.sequence
  if (order === 0)
    throw new LicensingError(
      'AUTHORIZATION_INSTALLED',
      `Authorization ${file.sequence} is already installed.`,
    )
  if (order < 0)
    throw new LicensingError(
      'AUTHORIZATION_SUPERSEDED',
      `The file is authorization ${file.sequence} of this reservation; ${grant.sequence} is installed.`,
    )
}

const otherRequestError = ({ request }: Authorization) =>
  new LicensingError(
    'AUTHORIZATION_OTHER_REQUEST',
    `The authorization file answers request number ${request}, which this device did not make.`,
  )

const alreadyReservedError = (remedy?: string) =>
  new LicensingError('RESERVED', 'This device already works from a reservation.', {
    ...(remedy !== undefined && { remedy }),
  })

const returningError = () =>
  new LicensingError('RESERVATION_RETURNING', 'The return code of this reservation was already created.')

const noReservationError = ({ stage }: Reservation) =>
  stage === 'none'
    ? new LicensingError('RESERVATION_NONE', 'This device has no reservation.')
    : new LicensingError('RESERVATION_NONE', 'A reservation was requested, but none is installed.', {
        remedy: 'Cancel the request with `reservation cancel`.',
        libraryRemedy: 'Cancel the request with `reservation.cancel()`.',
      })
