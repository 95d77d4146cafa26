import { sql } from 'kysely'
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { countSchema } from '../../core/entitlement.ts'
import { checked } from '../../core/validate.ts'
import { LicensingError } from '../../core/errors.ts'
import { type Instant, iso } from '../../core/time.ts'
import { type ProductProfile, requireTag } from '../../core/profile.ts'
import { serialsOf } from '../../protocol/digest.ts'
import { writeAuthorization } from '../../protocol/authorization-file.ts'
import {
  MOST_AUTHORIZATIONS,
  type Proof,
  type ProofKind,
  proves,
  readProofCode,
  readRequestCode,
  type ReservationRequest,
} from '../../protocol/offline-codes.ts'
import { signText } from '../../pki/sign-text.ts'
import { requireOwn } from '../inventory/accounts.ts'
import type { Account, VirtualAccount } from '../context/account-context.ts'
import type { Credentials } from '../keys/credentials.ts'
import { type IssuingLimits, issuanceBlockedBy } from '../satellite-sync/issuing-limits.ts'
import { assessPool, holdings, lotsOf } from '../inventory/pools.ts'
import {
  activeReservation,
  describeBox,
  describeParts,
  type ReservationDocument,
  ReservationLedger,
  type ReservationRow,
} from '../inventory/reservation-ledger.ts'
import { type orphanedReservation, Reported, reportedRival } from '../satellites/reported-instances.ts'
import {
  chooseLicenses,
  heldAt,
  OFFLINE_BOXES,
  type ReservedPart,
  SATELLITE_ADVICE,
  WRONG_CODES,
  WRONG_CODES_WITHIN,
} from '../policy.ts'
import type { Tx } from '../store/store.ts'
import { TimeFloor } from '../store/time-floor.ts'

/** Epochs that a code may be of: more restores of one authority are not looked back over. */
const EPOCHS_TRIED = 50

/** How many of each tag are to be reserved. */
export type Quantities = Readonly<Record<string, number>>

/** A reservation and the file that is carried to its box. */
export interface IssuedAuthorization extends ReservationDocument {
  readonly file: string
  /** What the authority recommends to the licensing user; null for nothing (R-SLR-8). */
  readonly advice: string | null
}

/** Whether what was given for the same request is given again: for programs, whose answers get lost. */
export interface Asking {
  readonly again?: boolean
}

/**
 * Specific licence reservation at the authority (guide, "License Reservation"), in the transaction it is given. What is
 * refused after a wrong code is told as a value, so that the count of wrong codes is kept.
 */
export class Reservations {
  readonly #tx: Tx
  readonly #credentials: Credentials
  readonly #profile: ProductProfile
  readonly #account: Account
  readonly #limits: IssuingLimits
  readonly #at: Instant
  readonly #ledger: ReservationLedger

  constructor(
    tx: Tx,
    credentials: Credentials,
    profile: ProductProfile,
    account: Account,
    limits: IssuingLimits,
    at: Instant,
  ) {
    this.#limits = limits
    this.#profile = profile
    this.#tx = tx
    this.#credentials = credentials
    this.#account = account
    this.#at = at
    this.#ledger = new ReservationLedger(tx, profile, account, at)
  }

  /** Authorises the smart account for reservation; without that nothing is reserved (R-SLR-1). */
  async enable(): Promise<void> {
    const { numUpdatedRows } = await this.#tx
      .updateTable('accounts')
      .set({ reservation_at: this.#at })
      .where('id', '=', this.#account.id)
      .where('reservation_at', 'is', null)
      .executeTakeFirst()
    if (numUpdatedRows > 0n)
      await this.#ledger.log('RESERVATION_ENABLED', null, `${this.#account.domain} may reserve licences.`)
  }

  /**
   * Reserves licences for the box that made the code, and writes its authorization file (R-SLR-3).
   *
   * @param asking.again a code that licences were reserved with is refused, unless they are the same that are wanted
   * @throws LicensingError RESERVATION_NOT_ENABLED, CODE_*, REQUEST_CODE_USED, INSTANCE_RESERVED,
   * INSTANCE_ALREADY_REGISTERED, LICENSES_UNAVAILABLE, UNKNOWN_TAG, INVALID_ARGUMENT
   */
  async reserve(
    virtual: VirtualAccount,
    code: string,
    quantities: Quantities,
    { again = false }: Asking = {},
  ): Promise<IssuedAuthorization> {
    await this.#requireEnabled()
    this.#requireIssuingAllowed()
    requireOwn(virtual, 'it reserves for its boxes')
    const request = readRequestCode(code)
    if (!this.#credentials.codeKey(request.boxKey, ''))
      throw new LicensingError(
        'CODE_MALFORMED',
        'The text given is not a request code: no box makes such a key.',
      )
    const wanted = checkQuantities(this.#profile, quantities, 1)
    const given = again ? await this.#given(virtual, request, wanted) : null
    if (given) return { ...(await this.#issue(given)), advice: null }
    await this.#requireFree(request)
    const parts = new Map<string, ReservedPart[]>()
    for (const [tag, count] of wanted) parts.set(tag, await this.#choose(virtual, tag, count))
    const { pid, serial, version } = request.udi
    const row: ReservationRow = {
      id: randomUUID(),
      account_id: this.#account.id,
      virtual_account_id: virtual.id,
      pid,
      serial,
      version,
      status: 'active',
      request: request.number,
      device_key: keyText(request),
      sequence: 1,
      confirmed: 1,
      created_at: this.#at,
      updated_at: this.#at,
      ended_at: null,
      failed_code_attempts: 0,
      failed_code_attempts_since: 0,
      revision: 0,
      in_review: 0,
    }
    await this.#tx.insertInto('reservations').values(row).execute()
    await this.#ledger.hold(row, parts, this.#credentials.identity.epoch)
    await this.#ledger.log('LICENSES_RESERVED', row, `${describeBox(row)}: ${describeParts(parts)}.`)
    const offline = await this.#ledger.countActive()
    if (offline === OFFLINE_BOXES + 1)
      await this.#ledger.log('SATELLITE_RECOMMENDED', null, SATELLITE_ADVICE, 'minor')
    return { ...(await this.#issue(row)), advice: offline > OFFLINE_BOXES ? SATELLITE_ADVICE : null }
  }

  /**
   * Makes the next authorization of a box, with other quantities; tags that are not named stay as they are. The larger of
   * both counts is held until the box has said that it is installed (R-SLR-5).
   *
   * @param asking.again while that is waited for an update is refused, unless it is the one that is waited for
   * @throws LicensingError NOT_FOUND, INSTANCE_NOT_RESERVED, UPDATE_PENDING, LICENSES_UNAVAILABLE, UNKNOWN_TAG,
   * INVALID_ARGUMENT
   */
  async update(
    id: string,
    quantities: Quantities,
    { again = false }: Asking = {},
  ): Promise<IssuedAuthorization> {
    await this.#requireEnabled()
    this.#requireIssuingAllowed()
    const row = await this.#ledger.active(id)
    if (row.in_review !== 0)
      throw new LicensingError(
        'RESERVATION_IN_DOUBT',
        `The reservation of ${describeBox(row)} may have been changed before the restore.`,
      )
    const changed = checkQuantities(this.#profile, quantities, 0)
    if (again && row.sequence !== row.confirmed && (await this.#isPending(row, changed)))
      return { ...(await this.#issue(row)), advice: null }
    if (row.sequence !== row.confirmed)
      throw new LicensingError(
        'UPDATE_PENDING',
        `Authorization ${row.sequence} of ${describeBox(row)} waits for its confirmation code.`,
      )
    if (row.sequence >= MOST_AUTHORIZATIONS)
      throw new LicensingError(
        'NUMBERS_EXHAUSTED',
        'This reservation was updated as often as can be numbered.',
        {
          remedy: 'Return it, and reserve anew.',
        },
      )
    const before = await this.#ledger.parts(row, row.sequence)
    const after = new Map<string, ReservedPart[]>()
    const virtual = { id: row.virtual_account_id, name: await this.#ledger.virtualName(row) }
    for (const tag of new Set([...before.keys(), ...changed.keys()])) {
      const old = (before.get(tag) ?? []).filter(({ endsAt }) => endsAt === null || endsAt > this.#at)
      const count = changed.get(tag)
      // A tag that is not named keeps its terms too; one that is named takes the licences that last longest now.
      if (count === undefined) after.set(tag, old)
      else if (count > 0)
        after.set(
          tag,
          await this.#choose(virtual, tag, count, { id: row.id, holds: heldAt([old], this.#at) }),
        )
    }
    for (const [tag, parts] of after) if (parts.length === 0) after.delete(tag)
    if (after.size === 0) throw new LicensingError('RESERVATION_EMPTY', 'Nothing would be reserved any more.')
    const next = { ...row, sequence: row.sequence + 1, updated_at: this.#at }
    await this.#tx
      .updateTable('reservations')
      .set({ sequence: next.sequence, updated_at: this.#at })
      .where('id', '=', id)
      .execute()
    await this.#ledger.hold(next, after, this.#credentials.identity.epoch)
    await this.#ledger.log(
      'RESERVATION_UPDATED',
      next,
      `${describeBox(row)}: ${describeParts(after)}, as authorization ${next.sequence}.`,
    )
    return { ...(await this.#issue(next)), advice: null }
  }

  /**
   * The newest authorization, signed anew: for a file that was lost, or has lain too long.
   *
   * @throws LicensingError NOT_FOUND, INSTANCE_NOT_RESERVED
   */
  async show(id: string): Promise<ReservationDocument & { readonly file: string | null }> {
    const row = await this.#ledger.row(id)
    return row.status === 'active' ? this.#issue(row) : { ...(await this.#ledger.document(row)), file: null }
  }

  /**
   * Takes the confirmation code of the newest update: from here on only its quantities are held (R-SLR-5).
   *
   * @throws LicensingError NOT_FOUND, INSTANCE_NOT_RESERVED, CODE_MISTYPED, CODE_MALFORMED, CODE_OTHER_KIND
   * @returns a failure after a code that is wrong: CODE_*, CONFIRMATION_CODE_OTHER_UPDATE, UPDATE_NOT_PENDING
   */
  async confirm(id: string, code: string): Promise<ReservationDocument | LicensingError> {
    const row = await this.#ledger.active(id)
    const failure = await this.#checkCode('confirmation', row, code)
    if (failure) return failure
    const { sequence } = readProofCode('confirmation', code)
    if (row.sequence === row.confirmed)
      return new LicensingError(
        'UPDATE_NOT_PENDING',
        sequence === row.confirmed
          ? `Authorization ${sequence} of ${describeBox(row)} is confirmed already.`
          : `No update of ${describeBox(row)} waits for a confirmation code.`,
      )
    if (sequence !== row.sequence)
      return new LicensingError(
        'CONFIRMATION_CODE_OTHER_UPDATE',
        `The code confirms authorization ${sequence} of ${describeBox(row)}; ${row.sequence} waits for its own.`,
      )
    await this.#tx
      .updateTable('reservations')
      .set({ confirmed: row.sequence, updated_at: this.#at, failed_code_attempts: 0 })
      .where('id', '=', id)
      .execute()
    await this.#ledger.assess(row)
    await this.#ledger.log(
      'RESERVATION_CONFIRMED',
      row,
      `${describeBox(row)} works from authorization ${row.sequence}.`,
    )
    return this.#ledger.document({ ...row, confirmed: row.sequence, updated_at: this.#at })
  }

  /**
   * Takes the return code of a box: its licences are back in the pool (R-SLR-6). The box may have made it for a newer or an
   * older authorization than the newest: whichever it was, nothing is granted there any more.
   *
   * @throws LicensingError NOT_FOUND, CODE_MISTYPED, CODE_MALFORMED, CODE_OTHER_KIND
   * @returns a failure after a code that is wrong, or of a reservation that has ended: CODE_*, RESERVATION_ENDED
   */
  async takeBack(id: string, code: string): Promise<ReservationDocument | LicensingError> {
    const row = await this.#ledger.row(id)
    const failure = await this.#checkCode('return', row, code)
    if (failure) return failure
    if (row.status === 'returned')
      return new LicensingError(
        'RESERVATION_ENDED',
        `The reservation of ${describeBox(row)} was returned at ${iso(row.ended_at ?? 0)}.`,
      )
    await this.#ledger.end(row, 'returned')
    const found = row.status === 'lost' ? ', which was taken for lost,' : ''
    await this.#ledger.log(
      'RESERVATION_RETURNED',
      row,
      `${describeBox(row)}${found} has given its reservation back.`,
    )
    return this.#ledger.document({ ...row, status: 'returned', ended_at: this.#at })
  }

  /**
   * Ends the reservation of a box that is lost, without its return code: it may be in use all the same, and that somebody
   * took the responsibility is recorded.
   *
   * @throws LicensingError NOT_FOUND, INSTANCE_NOT_RESERVED, INVALID_ARGUMENT
   */
  async writeOff(id: string, reason: string, by: string): Promise<ReservationDocument> {
    const row = await this.#ledger.active(id)
    const why = checked(reasonSchema, reason, 'reason')
    const parts = await this.#ledger.parts(row, row.sequence)
    await this.#ledger.end(row, 'lost')
    await this.#ledger.log(
      'RESERVATION_OVERRIDDEN',
      row,
      `${describeBox(row)} was removed without its return code by ${by}: ${why}. Given back without proof: ${describeParts(parts)}.`,
      'major',
    )
    return this.#ledger.document({ ...row, status: 'lost', ended_at: this.#at })
  }

  /**
   * The same for a box of a satellite that is removed or taken out: nobody else can end it any more.
   *
   * @throws LicensingError INVALID_ARGUMENT
   */
  async writeOffOrphan(
    orphan: NonNullable<Awaited<ReturnType<typeof orphanedReservation>>>,
    reason: string,
    by: string,
  ): Promise<ReservationDocument> {
    const why = checked(reasonSchema, reason, 'reason')
    const { id, pid, serial, version, virtualAccount, since_at, satellite } = orphan
    await new Reported(
      this.#tx,
      { id: orphan.satellite_id, status: orphan.satelliteStatus },
      this.#at,
    ).writeOff(id)
    await this.#ledger.log(
      'RESERVATION_OVERRIDDEN',
      null,
      `${pid}:${serial} of the satellite ${satellite} was removed without its return code by ${by}: ${why}.`,
      'major',
    )
    return {
      instanceId: id,
      udi: { pid, serial, version },
      virtualAccount,
      status: 'lost',
      authorization: 0,
      pending: false,
      inReview: false,
      reservedAt: iso(since_at),
      updatedAt: iso(this.#at),
      endedAt: iso(this.#at),
      licenses: [],
      previous: [],
    }
  }

  #requireIssuingAllowed(): void {
    const blocked = issuanceBlockedBy(this.#limits)
    if (blocked) throw blocked
  }

  async #requireEnabled(): Promise<void> {
    const { reservation_at: enabled } = await this.#tx
      .selectFrom('accounts')
      .select('reservation_at')
      .where('id', '=', this.#account.id)
      .executeTakeFirstOrThrow()
    if (enabled === null)
      throw new LicensingError(
        'RESERVATION_NOT_ENABLED',
        `${this.#account.domain} is not authorised for specific licence reservation.`,
      )
  }

  /** A request is answered once, and a box is in a smart account once, registered or reserved (trust §6). */
  async #given(
    virtual: VirtualAccount,
    request: ReservationRequest,
    wanted: ReadonlyMap<string, number>,
  ): Promise<ReservationRow | null> {
    const row = await this.#tx
      .selectFrom('reservations')
      .selectAll()
      .where('device_key', '=', keyText(request))
      .where('request', '=', request.number)
      .where('virtual_account_id', '=', virtual.id)
      .where('status', '=', sql.lit('active'))
      .where('sequence', '=', 1)
      .executeTakeFirst()
    return row && sameCounts(counted(await this.#ledger.parts(row, 1)), wanted) ? row : null
  }

  /** Whether the update that waits for its confirmation is this one. */
  async #isPending(row: ReservationRow, changed: ReadonlyMap<string, number>): Promise<boolean> {
    const wanted = new Map([...counted(await this.#ledger.parts(row, row.confirmed)), ...changed])
    return sameCounts(counted(await this.#ledger.parts(row, row.sequence)), wanted)
  }

  async #requireFree(request: ReservationRequest): Promise<void> {
    const { pid, serial } = request.udi
    const used = await this.#tx
      .selectFrom('reservations')
      .selectAll()
      .where('device_key', '=', keyText(request))
      .where('request', '=', request.number)
      .executeTakeFirst()
    if (used && used.account_id !== this.#account.id)
      throw new LicensingError(
        'REQUEST_CODE_USED',
        'Licences were reserved with this request code by another smart account.',
        {
          remedy: 'Make a new request code on the box: `reservation cancel`, then `reservation request`.',
        },
      )
    if (used)
      throw new LicensingError(
        'REQUEST_CODE_USED',
        `Licences were reserved with this request code at ${iso(used.created_at)}, for ${describeBox(used)}.`,
        used.status === 'active'
          ? { remedy: `Write its file again with \`reservation show ${used.id} --out FILE\`.` }
          : {
              remedy: 'Make a new request code on the box: `reservation cancel`, then `reservation request`.',
            },
      )
    const reserved = await activeReservation(this.#tx, this.#account.id, request.udi)
    if (reserved)
      throw new LicensingError(
        'INSTANCE_RESERVED',
        `Licences are reserved for ${describeBox(reserved)} already, by another request of it.`,
        {
          remedy: `Have the box give them back (a file that came too late: \`reservation discard FILE\`) and enter its return code: \`instance remove ${reserved.id} --return-code CODE\`. For a box that is lost: --lost-box REASON.`,
        },
      )
    const below = await reportedRival(this.#tx, this.#account.id, request.udi)
    if (below)
      throw new LicensingError(
        below.kind === 'reserved' ? 'INSTANCE_RESERVED' : 'INSTANCE_ALREADY_REGISTERED',
        `${pid}:${serial} is a product instance of the satellite ${below.satellite}.`,
        { remedy: 'Remove it there, synchronise, then reserve.' },
      )
    const registered = await this.#tx
      .selectFrom('instances')
      .select('id')
      .where('account_id', '=', this.#account.id)
      .where('pid', '=', pid)
      .where('serial', 'in', serialsOf(pid, serial))
      .where('status', '=', sql.lit('active'))
      .executeTakeFirst()
    if (registered)
      throw new LicensingError(
        'INSTANCE_ALREADY_REGISTERED',
        `${pid}:${serial} is registered as product instance ${registered.id}.`,
        { remedy: `Remove it with \`instance remove ${registered.id}\`, then reserve.` },
      )
  }

  /** @throws LicensingError LICENSES_UNAVAILABLE */
  async #choose(
    virtual: Pick<VirtualAccount, 'id' | 'name'>,
    tag: string,
    count: number,
    changing?: { id: string; holds: number },
  ): Promise<ReservedPart[]> {
    const lots = await lotsOf(this.#tx, virtual.id, tag)
    const held = await holdings(this.#tx, virtual.id, tag, changing?.id)
    const { owned, inUse } = await assessPool(this.#tx, virtual.id, tag, this.#at)
    // Who is connected draws on the same pool: what they use is not available, though none of it is taken from them.
    const available = Math.max(changing?.holds ?? 0, owned - inUse - held(this.#at), 0)
    const parts = count <= available ? chooseLicenses(count, { lots, held, inUse, at: this.#at }) : null
    if (parts) return parts
    throw new LicensingError(
      'LICENSES_UNAVAILABLE',
      `${count} of ${tag} cannot be reserved: ${available} ${available === 1 ? 'is' : 'are'} available in ${virtual.name}.`,
    )
  }

  async #issue(row: ReservationRow): Promise<ReservationDocument & { file: string }> {
    const document = await this.#ledger.document(row)
    const parts = await this.#ledger.parts(row, row.sequence)
    const names = new Map(this.#profile.tags.map(({ tag, name }) => [tag, name]))
    const lines = writeAuthorization({
      udi: document.udi,
      smartAccount: this.#account.domain,
      virtualAccount: document.virtualAccount,
      authorityId: this.#credentials.identity.id,
      reservationId: row.id,
      request: row.request,
      epoch: (await this.#ledger.epochOf(row, row.sequence)) ?? this.#credentials.identity.epoch,
      sequence: row.sequence,
      issuedAt: this.#at,
      licenses: [...parts].flatMap(([tag, list]) =>
        list.map((part) => ({ tag, name: names.get(tag) ?? tag, ...part })),
      ),
      boxKey: row.device_key,
      authorityKey: this.#credentials.reservationKey(),
      trustBundle: this.#credentials.identity.trust.number,
      mandate: this.#limits.mandate,
      trustBundles: this.#credentials.bundlesAfter(0),
    })
    await TimeFloor.raise(this.#tx, this.#at)
    const signer = await this.#credentials.reservationSigner(this.#tx, this.#at)
    return { ...document, file: signText(lines, signer) }
  }

  /** Whether a code is the box's; a wrong one is counted, and after too many none is looked at for an hour. */
  async #checkCode(kind: ProofKind, row: ReservationRow, code: string): Promise<LicensingError | null> {
    const written = readProofCode(kind, code)
    const since = this.#at - row.failed_code_attempts_since
    const counted = since >= 0 && since < WRONG_CODES_WITHIN ? row.failed_code_attempts : 0
    if (counted >= WRONG_CODES)
      return new LicensingError(
        'CODE_ATTEMPTS_EXCEEDED',
        `${counted} wrong codes were entered for ${describeBox(row)} since ${iso(row.failed_code_attempts_since)}.`,
      )
    const key = this.#credentials.codeKey(Buffer.from(row.device_key, 'base64url'), row.id)
    const { sequence } = written
    const proof = (epoch: number): Proof => ({ kind, udi: row, reservationId: row.id, epoch, sequence })
    // After a restore the box may have installed what is not known here any more, of any epoch before.
    const { epoch } = this.#credentials.identity
    const highest = epoch === 1 ? row.sequence : MOST_AUTHORIZATIONS
    const epochs =
      epoch === 1
        ? [(await this.#ledger.epochOf(row, sequence)) ?? 0]
        : Array.from({ length: Math.min(epoch, EPOCHS_TRIED) }, (_, i) => epoch - i)
    if (key && sequence >= 1 && sequence <= highest && epochs.some((one) => proves(key, written, proof(one))))
      return null
    const other = await this.#ledger.ofAnother(row, written.hint)
    if (other)
      return new LicensingError(
        'CODE_OTHER_RESERVATION',
        describeBox(other) === describeBox(row)
          ? `The code is of an earlier reservation of ${describeBox(row)}, made at ${iso(other.created_at)}.`
          : `The code is of ${describeBox(other)}, not of ${describeBox(row)}.`,
      )
    await this.#tx
      .updateTable('reservations')
      .set({
        failed_code_attempts: counted + 1,
        failed_code_attempts_since: counted === 0 ? this.#at : row.failed_code_attempts_since,
      })
      .where('id', '=', row.id)
      .execute()
    await this.#ledger.log(
      'CODE_REFUSED',
      row,
      `A wrong ${kind} code was entered for ${describeBox(row)}.`,
      'minor',
    )
    return new LicensingError(
      'CODE_WRONG',
      `The ${kind} code was not made by ${describeBox(row)} for this reservation.`,
    )
  }
}

const keyText = ({ boxKey }: ReservationRequest): string => Buffer.from(boxKey).toString('base64url')

const reasonSchema = z
  .string()
  .trim()
  .min(3, 'a reason is 3 characters or more')
  .max(500, 'a reason is at most 500 characters')
  .regex(/^[^\p{Cc}]+$/u, 'a reason holds no control characters')

/** @throws LicensingError UNKNOWN_TAG, INVALID_ARGUMENT */
function checkQuantities(
  profile: ProductProfile,
  quantities: Quantities,
  least: number,
): Map<string, number> {
  const list = Object.entries(quantities)
  if (list.length === 0)
    throw new LicensingError('INVALID_ARGUMENT', 'No licences were named.', {
      remedy: 'Name each with --license TAG=QUANTITY.',
    })
  for (const [tag] of list) requireTag(profile, tag)
  const counts = countSchema.min(least, `a quantity to reserve is ${least} or more`)
  return new Map(list.map(([tag, count]) => [tag, checked(counts, count, `quantity of ${tag}`)]))
}

const counted = (parts: ReadonlyMap<string, readonly ReservedPart[]>): Map<string, number> =>
  new Map([...parts].map(([tag, list]) => [tag, list.reduce((sum, { count }) => sum + count, 0)]))

const sameCounts = (a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean =>
  [...a.keys(), ...b.keys()].every((tag) => (a.get(tag) ?? 0) === (b.get(tag) ?? 0))
