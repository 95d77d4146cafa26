import type { X509Certificate } from 'node:crypto'
import { can, type Event, type Grant, type ReservationFacts, type Returned } from '../../machines/index.ts'
import { LicensingError } from '../core/errors.ts'
import { type Instant, iso } from '../core/time.ts'
import {
  type Authorization,
  AUTHORIZATION_TITLE,
  issuedAtOf,
  readAuthorization,
} from '../protocol/authorization-file.ts'
import { bundlesIn } from '../protocol/text-format.ts'
import { MOST_REQUESTS, type ProofKind, writeProofCode, writeRequestCode } from '../protocol/offline-codes.ts'
import { agreedKey, agreementKey, newSeed, publicBytes } from '../pki/key-agreement.ts'
import type { Chained } from '../pki/chain-validation.ts'
import { verifyMandate } from '../pki/delegation.ts'
import { verifyText } from '../pki/sign-text.ts'
import { adoptBundles, type Anchors, rootsAt } from '../pki/root-rotation.ts'
import type { AgentCore } from './agent-core.ts'
import type { LicenseClock } from './license-clock.ts'
import { type Product, RESERVATION_SEED_FILE } from './persisted-state.ts'
import type { AgentStore } from './store.ts'
import type { MachineRunner } from './machine-runner.ts'
import { readAnchors, writeAnchors } from './trust-store.ts'

/**
 * Specific licence reservation at the box (guide, "License Reservation"): what people carry is made, checked and taken
 * in here; the chart decides what it does. Asks nobody anything.
 */
export class BoxReservation {
  readonly #store: AgentStore
  readonly #runner: MachineRunner
  readonly #clock: LicenseClock
  readonly #product: Product
  /** The roots that the file brings, where they are newer. */
  #adopting: Anchors | null = null

  constructor({ store, runner, clock, device }: AgentCore) {
    this.#store = store
    this.#runner = runner
    this.#clock = clock
    this.#product = device.product
  }

  get #facts(): ReservationFacts {
    return this.#runner.position.context.reservation
  }

  /** The request code: the same until it is cancelled, a new one after (R-SLR-2). */
  request(): string {
    const { current, requests } = this.#facts
    if (current?.stage === 'requested') return current.requestCode
    if (current) throw reserved()
    if (requests >= MOST_REQUESTS)
      throw new LicensingError('NUMBERS_EXHAUSTED', `This box has made ${requests} reservation requests.`)
    const event = (at: number, requestCode = ''): Event => ({ type: 'RESERVATION_REQUEST', at, requestCode })
    if (!can(this.#runner.position, event(this.#clock.now()))) throw this.#registered()
    // On disk before anything is made from it.
    if (!this.#store.secrets.has(RESERVATION_SEED_FILE))
      this.#store.secrets.put(RESERVATION_SEED_FILE, newSeed())
    const { pid, serial, version } = this.#product
    const number = requests + 1
    const requestCode = writeRequestCode({
      udi: { pid, serial, version },
      number,
      boxKey: publicBytes(this.#key(number)),
    })
    this.#runner.step((at) => event(at, requestCode))
    return requestCode
  }

  #registered(): LicensingError {
    const { registering } = this.#runner.position.context
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
    const { current } = this.#facts
    if (current && current.stage !== 'requested') throw reserved()
    if (!current) return false
    this.#runner.step((at) => ({ type: 'RESERVATION_CANCEL', at }))
    return true
  }

  /**
   * Installs the authorization file of the request that is pending: the box is reserved from here on (R-SLR-4).
   *
   * @throws LicensingError SIGNED_FILE_*, AUTHORIZATION_*, RESERVATION_*, TRUST_ANCHOR_MISSING: nothing is changed
   */
  install(text: string): void {
    const file = this.#read(text)
    const { current } = this.#facts
    if (current?.stage !== 'requested') throw reserved('Give a newer file to `reservation update`.')
    this.#take('RESERVATION_INSTALL', file, current.at)
  }

  /**
   * Installs a newer authorization file, and makes the confirmation code for the authority (R-SLR-5).
   *
   * @throws LicensingError as `install`
   */
  update(text: string): void {
    const file = this.#read(text)
    const { current } = this.#facts
    if (current?.stage !== 'installed')
      throw new LicensingError('RESERVATION_NONE', 'No reservation is installed that could be updated.', {
        remedy: 'Install the file with `reservation install`.',
      })
    this.#take('RESERVATION_UPDATE', file, current.grant.knownAt)
  }

  /** The file is good: it is on disk, with the code that says so, before anybody hears of it. */
  #take(type: 'RESERVATION_INSTALL' | 'RESERVATION_UPDATE', file: Authorization, knownAt: number): void {
    // The first authorization needs no confirmation: the authority holds nothing else for it.
    const confirmationCode =
      type === 'RESERVATION_INSTALL' && file.sequence === 1 ? null : this.#prove('confirmation', file)
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
    const { current } = this.#facts
    const before = current?.stage === 'installed' ? current.grant.licenses : []
    // What was warned of is not warned of again because other quantities came.
    const told = (tag: string, endsAt: number | null) =>
      before.find((one) => one.tag === tag && one.endsAt === endsAt)?.told ?? null
    const reservedAt = current?.stage === 'installed' ? current.grant.reservedAt : null
    const grant = (installedAt: number): Grant => ({
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
        told: told(tag, endsAt),
      })),
      confirmationCode,
      // The authority makes the next file once it was told that this one is installed: the first needs no telling.
      knownAt: confirmationCode === null ? Math.min(knownAt, issuedAt) : installedAt,
    })
    this.#runner.step(
      (at) => ({ type, at, grant: grant(at) }),
      (store) => {
        this.#clock.applySignedTime(issuedAt, knownAt)
        if (this.#adopting) writeAnchors(store, this.#adopting)
      },
    )
    if (this.#adopting) this.#runner.recordNotice('TRUST_CHANGED', `bundle ${this.#adopting.number}`)
  }

  /** Ends the grant, and makes the code that gives it back; again, the same code (R-SLR-6). */
  returnCode(): string {
    const { current } = this.#facts
    if (current?.stage === 'returning') return current.returnCode
    if (current?.stage !== 'installed') throw none(current)
    const { reservationId, authorityKey, epoch, sequence } = current.grant
    const returnCode = this.#prove('return', {
      request: this.#facts.requests,
      authorityKey,
      reservationId,
      epoch,
      sequence,
    })
    this.#runner.step((at) => ({ type: 'RESERVATION_RETURN_CODE', at, returnCode }))
    return returnCode
  }

  /** Completes the return: the box goes on with what is left of its evaluation. */
  return(): void {
    const { current } = this.#facts
    if (current?.stage === 'installed')
      throw new LicensingError('RESERVATION_NOT_RETURNING', 'The return code was not made yet.')
    if (current?.stage !== 'returning') throw none(current)
    this.#runner.step((at) => ({ type: 'RESERVATION_RETURN', at }))
  }

  /**
   * Gives back an authorization file that came after its request was cancelled, without installing it.
   *
   * @returns with the return code, the same whenever that file is given back
   * @throws LicensingError SIGNED_FILE_*, AUTHORIZATION_*: nothing is changed
   */
  discard(text: string): Returned {
    let file: Authorization
    try {
      file = this.#read(text, { cancelled: true })
    } catch (thrown) {
      if (thrown instanceof EarlierReturn) return thrown.returned
      throw thrown
    }
    const { request, reservationId } = file
    const returnCode = this.#prove('return', file)
    const returned = { request, reservationId, returnCode, at: this.#clock.now() }
    this.#runner.step((at) => ({ type: 'RESERVATION_DISCARD', at, returned: { ...returned, at } }))
    return returned
  }

  /** Checks a file to the last: afterwards nothing stands against taking it. */
  #read(text: string, { cancelled = false } = {}): Authorization {
    const held = readAnchors(this.#store)
    if (held === null)
      throw new LicensingError(
        'TRUST_ANCHOR_MISSING',
        'The box has no root certificate to check the file by.',
      )
    const { current, requests, returned } = this.#facts
    const knownAt =
      current?.stage === 'requested' ? current.at : (current?.grant.knownAt ?? this.#clock.now())
    // A box that was off while the root was replaced learns of it by the file: each bundle is signed by a root it has.
    const anchors = adoptBundles(held, bundlesIn(text), this.#clock.now())
    const roots = rootsAt(anchors, cancelled ? issuedAtOf(text.split(/\r?\n|\r/)) : this.#clock.now())
    const at = (lines: readonly string[]) =>
      Math.max(issuedAtOf(lines), this.#clock.correctedTime(issuedAtOf(lines), knownAt))
    const { lines, signer } = verifyText(text, {
      what: 'authorization file',
      title: AUTHORIZATION_TITLE,
      role: 'reservation-signer',
      roots,
      // The later of the file's time and the box's (trust §10), as the file itself corrects it.
      // What is given back may be as old as it likes.
      at: (lines) => (cancelled ? issuedAtOf(lines) : at(lines)),
    })
    const file = readAuthorization(lines)
    this.#adopting = anchors === held ? null : anchors
    if (signer.authorityId !== file.authorityId)
      throw new LicensingError(
        'SIGNED_FILE_UNTRUSTED',
        'The authorization file names another authority than its signer.',
      )
    if (signer.authorityId !== signer.managerId)
      checkMandate(file, { signer, roots, at: cancelled ? file.issuedAt : at(lines) })
    const { pid, serial } = this.#product
    if (file.udi.pid !== pid || file.udi.serial !== serial)
      throw new LicensingError(
        'AUTHORIZATION_OTHER_BOX',
        `The authorization file is for ${file.udi.pid}, serial ${file.udi.serial}; this box is ${pid}, serial ${serial}.`,
        cancelled ? { remedy: 'Give it back on the box it names.' } : {},
      )
    if (file.request > requests || !this.#made(file)) throw otherRequest(file)
    const earlier = returned.find(({ reservationId }) => reservationId === file.reservationId)
    if (earlier) throw new EarlierReturn(earlier)
    // Two authorities may have answered one request: only one of them was taken, and the other can be given back.
    const answered = returned.find(({ request }) => request === file.request)
    const other =
      current !== null && current.stage !== 'requested' && current.grant.reservationId !== file.reservationId
    if (cancelled && (answered !== undefined || (other && file.request === requests))) return file
    if (answered) throw new EarlierReturn(answered)
    if (file.request !== requests || current === null) {
      if (cancelled) return file
      throw new LicensingError(
        'AUTHORIZATION_CANCELLED',
        `The authorization file answers request ${file.request}, which was cancelled.`,
      )
    }
    if (other) throw otherRequest(file)
    if (cancelled)
      throw new LicensingError(
        'AUTHORIZATION_NOT_CANCELLED',
        `The authorization file answers request ${file.request}, which was not cancelled.`,
      )
    if (current.stage === 'returning') throw returning()
    if (current.stage === 'installed') checkNewer(file, current.grant)
    return file
  }

  /** Whether the key in the file is that of the request whose number it bears. */
  #made(file: Authorization): boolean {
    return (
      this.#store.secrets.has(RESERVATION_SEED_FILE) &&
      Buffer.from(publicBytes(this.#key(file.request))).toString('base64url') === file.boxKey
    )
  }

  #key(number: number) {
    return agreementKey(this.#store.secrets.get(RESERVATION_SEED_FILE), number)
  }

  #prove(
    kind: ProofKind,
    of: Pick<Authorization, 'request' | 'authorityKey' | 'reservationId' | 'epoch' | 'sequence'>,
  ): string {
    const { reservationId, epoch, sequence } = of
    const key = agreedKey(this.#key(of.request), Buffer.from(of.authorityKey, 'base64url'), reservationId)
    if (!key)
      throw new LicensingError(
        'SIGNED_FILE_UNTRUSTED',
        'The key of the authority in the file is not a good one.',
      )
    return writeProofCode(key, { kind, udi: this.#product, reservationId, epoch, sequence })
  }
}

/**
 * A satellite reserves under the mandate of its manager, and no more than that gave it (trust §7).
 *
 * @throws LicensingError MANDATE_*
 */
function checkMandate(
  file: Authorization,
  { signer, roots, at }: { signer: Chained; roots: readonly X509Certificate[]; at: Instant },
): void {
  if (file.mandate === null)
    throw new LicensingError('MANDATE_MISSING', 'The authorization file of a satellite holds no mandate.')
  const mandate = verifyMandate(file.mandate, {
    roots,
    satelliteId: file.authorityId,
    account: file.smartAccount,
    issuingCa: signer.issuingCa,
  })
  if (at >= Date.parse(mandate.notAfter))
    throw new LicensingError(
      'MANDATE_EXPIRED',
      `It is ${iso(at)}, and the mandate under which the file was made ended at ${mandate.notAfter}.`,
    )
  for (const { tag, quantity } of totals(file)) {
    const given = mandate.quantities.find((one) => one.tag === tag)?.quantity ?? 0
    if (quantity > given)
      throw new LicensingError(
        'MANDATE_EXCEEDED',
        `The authorization file reserves ${quantity} of ${tag}; the satellite was given ${given}.`,
      )
  }
}

const totals = ({ licenses }: Authorization) =>
  [...new Set(licenses.map(({ tag }) => tag))].map((tag) => ({
    tag,
    quantity: licenses.reduce((sum, one) => (one.tag === tag ? sum + one.count : sum), 0),
  }))

/** The reservation of a file was returned: installing it is refused, giving it back gives the same code. */
class EarlierReturn extends LicensingError {
  readonly returned: Returned
  constructor(returned: Returned) {
    super('AUTHORIZATION_RETURNED', `The reservation of the file was returned at ${iso(returned.at)}.`)
    this.returned = returned
  }
}

/** @throws LicensingError AUTHORIZATION_OTHER_REQUEST, AUTHORIZATION_INSTALLED, AUTHORIZATION_SUPERSEDED */
function checkNewer(file: Authorization, grant: Grant): void {
  if (file.reservationId !== grant.reservationId || file.authorityId !== grant.authorityId)
    throw otherRequest(file)
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

const otherRequest = ({ request }: Authorization) =>
  new LicensingError(
    'AUTHORIZATION_OTHER_REQUEST',
    `The authorization file answers request number ${request} of a box of this name, which this one did not make.`,
  )

const reserved = (remedy?: string) =>
  new LicensingError('RESERVED', 'This box works from a reservation already.', {
    ...(remedy !== undefined && { remedy }),
  })

const returning = () =>
  new LicensingError('RESERVATION_RETURNING', 'The return code of this reservation was made already.')

const none = (current: ReservationFacts['current']) =>
  current === null
    ? new LicensingError('RESERVATION_NONE', 'This box works from no reservation.')
    : new LicensingError('RESERVATION_NONE', 'A reservation was requested, and none is installed.', {
        remedy: 'Give the request up with `reservation cancel`.',
      })
