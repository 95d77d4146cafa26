import type { X509Certificate } from 'node:crypto'
import {
  canHandle,
  type Event,
  type InstalledAuthorization,
  type ReservationState,
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
 * Specific license reservation at the box (guide, "License Reservation"): what people carry is made, checked and taken
 * in here; the chart decides what it does. Asks nobody anything.
 */
export class DeviceReservation {
  readonly #store: AgentStore
  readonly #runner: MachineRunner
  readonly #clock: LicenseClock
  readonly #product: Product
  /** The roots that the file brings, where they are newer. */
  #newAnchors: TrustAnchors | null = null

  constructor({ store, runner, clock, device }: AgentCore) {
    this.#store = store
    this.#runner = runner
    this.#clock = clock
    this.#product = device.product
  }

  get #state(): ReservationState {
    return this.#runner.snapshot.context.reservation
  }

  /** The request code: the same until it is canceled, a new one after (R-SLR-2). */
  request(): string {
    const { current, requests } = this.#state
    if (current?.stage === 'requested') return current.requestCode
    if (current) throw alreadyReservedError()
    if (requests >= MAX_REQUEST_NUMBER)
      throw new LicensingError('NUMBERS_EXHAUSTED', `This box has made ${requests} reservation requests.`)
    const event = (at: number, requestCode = ''): Event => ({ type: 'reservation.request', at, requestCode })
    if (!canHandle(this.#runner.snapshot, event(this.#clock.now()))) throw this.#createRegisteredError()
    // On disk before anything is made from it.
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
      return new LicensingError('REGISTRATION_IN_PROGRESS', 'A registration of this box is under way.', {
        remedy: 'Wait for its outcome, or give it up with `deregister`.',
      })
    return new LicensingError('NOT_ALLOWED_IN_STATE', 'A box that is registered requests no reservation.', {
      remedy: 'Deregister it first.',
    })
  }

  /** Gives the request up; says whether there was one. */
  cancel(): boolean {
    const { current } = this.#state
    if (current && current.stage !== 'requested') throw alreadyReservedError()
    if (!current) return false
    this.#runner.step((at) => ({ type: 'reservation.cancel', at }))
    return true
  }

  /**
   * Installs the authorization file of the request that is pending: the box is reserved from here on (R-SLR-4).
   *
   * @throws LicensingError SIGNED_FILE_*, AUTHORIZATION_*, RESERVATION_*, TRUST_ANCHOR_MISSING: nothing is changed
   */
  install(text: string): void {
    const file = this.#verifyFile(text)
    const { current } = this.#state
    if (current?.stage !== 'requested')
      throw alreadyReservedError('Give a newer file to `reservation update`.')
    this.#installFile('reservation.install', file, current.at)
  }

  /**
   * Installs a newer authorization file, and makes the confirmation code for the authority (R-SLR-5).
   *
   * @throws LicensingError as `install`
   */
  update(text: string): void {
    const file = this.#verifyFile(text)
    const { current } = this.#state
    if (current?.stage !== 'installed')
      throw new LicensingError('RESERVATION_NONE', 'No reservation is installed that could be updated.', {
        remedy: 'Install the file with `reservation install`.',
      })
    this.#installFile('reservation.update', file, current.grant.knownAt)
  }

  /** The file is good: it is on disk, with the code that says so, before anybody hears of it. */
  #installFile(
    type: 'reservation.install' | 'reservation.update',
    file: Authorization,
    knownAt: number,
  ): void {
    // The first authorization needs no confirmation: the authority holds nothing else for it.
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
    const { current } = this.#state
    const before = current?.stage === 'installed' ? current.grant.licenses : []
    // What was warned of is not warned of again because other quantities came.
    const findLastWarning = (tag: string, endsAt: number | null) =>
      before.find((one) => one.tag === tag && one.endsAt === endsAt)?.lastWarningSeconds ?? null
    const reservedAt = current?.stage === 'installed' ? current.grant.reservedAt : null
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
      // The authority makes the next file once it was told that this one is installed: the first needs no telling.
      knownAt: confirmationCode === null ? Math.min(knownAt, issuedAt) : installedAt,
    })
    this.#runner.step(
      (at) => ({ type, at, grant: grant(at) }),
      (store) => {
        this.#clock.applySignedTime(issuedAt, knownAt)
        if (this.#newAnchors) writeAnchors(store, this.#newAnchors)
      },
    )
    if (this.#newAnchors) this.#runner.recordNotice('TRUST_CHANGED', `bundle ${this.#newAnchors.number}`)
  }

  /** Ends the grant, and makes the code that gives it back; again, the same code (R-SLR-6). */
  returnCode(): string {
    const { current } = this.#state
    if (current?.stage === 'returning') return current.returnCode
    if (current?.stage !== 'installed') throw noReservationError(current)
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

  /** Completes the return: the box goes on with what is left of its evaluation. */
  return(): void {
    const { current } = this.#state
    if (current?.stage === 'installed')
      throw new LicensingError('RESERVATION_NOT_RETURNING', 'The return code was not made yet.')
    if (current?.stage !== 'returning') throw noReservationError(current)
    this.#runner.step((at) => ({ type: 'reservation.return', at }))
  }

  /**
   * Gives back an authorization file that came after its request was canceled, without installing it.
   *
   * @returns with the return code, the same whenever that file is given back
   * @throws LicensingError SIGNED_FILE_*, AUTHORIZATION_*: nothing is changed
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

  /** Checks a file to the last: afterwards nothing stands against taking it. */
  #verifyFile(text: string, { canceled = false } = {}): Authorization {
    const held = readAnchors(this.#store)
    if (held === null)
      throw new LicensingError(
        'TRUST_ANCHOR_MISSING',
        'The box has no root certificate to check the file by.',
      )
    const { current, requests, returned } = this.#state
    const knownAt =
      current?.stage === 'requested' ? current.at : (current?.grant.knownAt ?? this.#clock.now())
    // A box that was off while the root was replaced learns of it by the file: each bundle is signed by a root it has.
    const anchors = applyRotations(held, extractRotations(text), this.#clock.now())
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
      // The later of the file's time and the box's (trust §10), as the file itself corrects it.
      // What is given back may be as old as it likes.
      at: (lines) => (canceled ? parseIssuedAt(lines) : at(lines)),
    })
    const file = parseAuthorization(lines)
    this.#newAnchors = anchors === held ? null : anchors
    if (signer.authorityId !== file.authorityId)
      throw new LicensingError(
        'SIGNED_FILE_UNTRUSTED',
        'The authorization file names another authority than its signer.',
      )
    if (signer.authorityId !== signer.managerId)
      checkDelegation(file, { signer, roots, at: canceled ? file.issuedAt : at(lines) })
    const { pid, serial } = this.#product
    if (file.udi.pid !== pid || file.udi.serial !== serial)
      throw new LicensingError(
        'AUTHORIZATION_OTHER_BOX',
        `The authorization file is for ${file.udi.pid}, serial ${file.udi.serial}; this box is ${pid}, serial ${serial}.`,
        canceled ? { remedy: 'Give it back on the box it names.' } : {},
      )
    if (file.request > requests || !this.#isOwnRequest(file)) throw otherRequestError(file)
    const earlier = returned.find(({ reservationId }) => reservationId === file.reservationId)
    if (earlier) throw new AlreadyReturnedError(earlier)
    // Two authorities may have answered one request: only one of them was taken, and the other can be given back.
    const answered = returned.find(({ request }) => request === file.request)
    const other =
      current !== null && current.stage !== 'requested' && current.grant.reservationId !== file.reservationId
    if (canceled && (answered !== undefined || (other && file.request === requests))) return file
    if (answered) throw new AlreadyReturnedError(answered)
    if (file.request !== requests || current === null) {
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

  /** Whether the key in the file is that of the request whose number it bears. */
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
    if (!key)
      throw new LicensingError(
        'SIGNED_FILE_UNTRUSTED',
        'The key of the authority in the file is not a good one.',
      )
    return encodeProofCode(key, { kind, udi: this.#product, reservationId, epoch, sequence })
  }
}

/**
 * A satellite reserves under the mandate of its manager, and no more than that gave it (trust §7).
 *
 * @throws LicensingError MANDATE_*
 */
function checkDelegation(
  file: Authorization,
  { signer, roots, at }: { signer: ValidatedChain; roots: readonly X509Certificate[]; at: Instant },
): void {
  if (file.mandate === null)
    throw new LicensingError('MANDATE_MISSING', 'The authorization file of a satellite holds no mandate.')
  const delegation = verifyDelegation(file.mandate, {
    roots,
    satelliteId: file.authorityId,
    account: file.smartAccount,
    issuingCa: signer.issuingCa,
  })
  if (at >= Date.parse(delegation.notAfter))
    throw new LicensingError(
      'MANDATE_EXPIRED',
      `It is ${toIsoString(at)}, and the mandate under which the file was made ended at ${delegation.notAfter}.`,
    )
  for (const { tag, quantity } of sumByTag(file)) {
    const given = delegation.quantities.find((one) => one.tag === tag)?.quantity ?? 0
    if (quantity > given)
      throw new LicensingError(
        'MANDATE_EXCEEDED',
        `The authorization file reserves ${quantity} of ${tag}; the satellite was given ${given}.`,
      )
  }
}

const sumByTag = ({ licenses }: Authorization) =>
  [...new Set(licenses.map(({ tag }) => tag))].map((tag) => ({
    tag,
    quantity: licenses.reduce((sum, one) => (one.tag === tag ? sum + one.count : sum), 0),
  }))

/** The reservation of a file was returned: installing it is refused, giving it back gives the same code. */
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
      `Authorization ${file.sequence} is installed already.`,
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
    `The authorization file answers request number ${request} of a box of this name, which this one did not make.`,
  )

const alreadyReservedError = (remedy?: string) =>
  new LicensingError('RESERVED', 'This box works from a reservation already.', {
    ...(remedy !== undefined && { remedy }),
  })

const returningError = () =>
  new LicensingError('RESERVATION_RETURNING', 'The return code of this reservation was made already.')

const noReservationError = (current: ReservationState['current']) =>
  current === null
    ? new LicensingError('RESERVATION_NONE', 'This box works from no reservation.')
    : new LicensingError('RESERVATION_NONE', 'A reservation was requested, and none is installed.', {
        remedy: 'Give the request up with `reservation cancel`.',
      })
