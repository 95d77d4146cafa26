import { randomUUID } from 'node:crypto'
import { LicensingError } from '../../core/errors.ts'
import { MAX_AUTHORIZATIONS, decodeProofCode, decodeRequestCode } from '../../protocol/offline-codes.ts'
import { requireLocal } from '../inventory/accounts.ts'
import type { VirtualAccount } from '../context/account-context.ts'
import { logAccountEvent } from '../events/event-log.ts'
import {
  formatDevice,
  formatQuantities,
  type ReservationDocument,
  recomputeReservedPools,
  countActiveReservations,
  findActiveReservation,
  findReservation,
  saveReservedLicenses,
  listReservedParts,
  readVirtualAccountName,
  toLogSubject,
  toReservationDocument,
  type ReservationRow,
} from '../inventory/reservation-ledger.ts'
import {
  countReserved,
  SATELLITE_RECOMMENDED_AT,
  type ReservedQuantity,
  SATELLITE_RECOMMENDATION,
} from '../policy.ts'
import { type ReservationContext, issueAuthorization, type Quantities } from './authorization-issue.ts'
import {
  checkQuantities,
  allocateParts,
  findSameReservation,
  isPendingUpdate,
  encodeDeviceKey,
  requireEnabled,
  requireIssuingAllowed,
  requireUnusedRequest,
} from './reservation-checks.ts'
import { checkProofCode } from './proof-codes.ts'

/** A reservation with the authorization file for its device. */
export interface IssuedAuthorization extends ReservationDocument {
  readonly file: string
  /** Recommendation of the authority to the user; null for none (R-SLR-8). */
  readonly recommendation: string | null
}

/** Option to answer a repeated request with the same result, for programs that may lose a response. */
export interface ReserveOptions {
  readonly reissue?: boolean
}

/** Authorizes a smart account for reservation, which is off by default (R-SLR-1). */
export async function enableReservation(context: ReservationContext): Promise<void> {
  const { numUpdatedRows } = await context.tx
    .updateTable('accounts')
    .set({ reservation_at: context.at })
    .where('id', '=', context.account.id)
    .where('reservation_at', 'is', null)
    .executeTakeFirst()
  if (numUpdatedRows > 0n)
    await logAccountEvent(context, {
      type: 'RESERVATION_ENABLED',
      message: `${context.account.domain} is authorized to reserve licenses.`,
    })
}

/**
 * Reserves licenses for the device of a request code, and writes its authorization file (R-SLR-3).
 *
 * @param options.reissue accepts a used request code where the quantities are the same
 * @throws LicensingError RESERVATION_NOT_ENABLED, CODE_*, REQUEST_CODE_USED, INSTANCE_RESERVED,
 * INSTANCE_ALREADY_REGISTERED, LICENSES_UNAVAILABLE, UNKNOWN_TAG, INVALID_ARGUMENT
 */
export async function reserveLicenses(
  context: ReservationContext,
  virtual: VirtualAccount,
  code: string,
  quantities: Quantities,
  { reissue = false }: ReserveOptions = {},
): Promise<IssuedAuthorization> {
  await requireEnabled(context)
  requireIssuingAllowed(context)
  requireLocal(virtual, 'reserve for its devices there')
  const request = decodeRequestCode(code)
  if (!context.credentials.reservationKeys.deriveCodeKey(request.deviceKey, ''))
    throw new LicensingError('CODE_MALFORMED', 'The text is not a request code: its key is not valid.')
  const wanted = checkQuantities(context.profile, quantities, 1)
  const given = reissue ? await findSameReservation(context, virtual, request, wanted) : null
  if (given) return { ...(await issueAuthorization(context, given)), recommendation: null }
  await requireUnusedRequest(context, request)
  const parts = new Map<string, ReservedQuantity[]>()
  for (const [tag, count] of wanted) parts.set(tag, await allocateParts(context, virtual, tag, count))
  const { pid, serial, version } = request.udi
  const row: ReservationRow = {
    id: randomUUID(),
    account_id: context.account.id,
    virtual_account_id: virtual.id,
    pid,
    serial,
    version,
    status: 'active',
    request: request.number,
    device_key: encodeDeviceKey(request),
    sequence: 1,
    confirmed: 1,
    created_at: context.at,
    updated_at: context.at,
    ended_at: null,
    failed_code_attempts: 0,
    failed_code_attempts_since: 0,
    revision: 0,
    in_review: 0,
  }
  await context.tx.insertInto('reservations').values(row).execute()
  await saveReservedLicenses(context, row, parts, context.credentials.keyRing.identity.epoch)
  await logAccountEvent(context, {
    type: 'LICENSES_RESERVED',
    ...(await toLogSubject(context, row)),
    message: `${formatDevice(row)}: ${formatQuantities(parts)}.`,
  })
  const offline = await countActiveReservations(context)
  if (offline === SATELLITE_RECOMMENDED_AT + 1)
    await logAccountEvent(context, {
      type: 'SATELLITE_RECOMMENDED',
      severity: 'minor',
      message: SATELLITE_RECOMMENDATION,
    })
  return {
    ...(await issueAuthorization(context, row)),
    recommendation: offline > SATELLITE_RECOMMENDED_AT ? SATELLITE_RECOMMENDATION : null,
  }
}

/**
 * Creates the next authorization of a device with other quantities. Tags that are not named keep theirs. The larger of
 * both quantities stays reserved until the device has confirmed the installation (R-SLR-5).
 *
 * @param options.reissue accepts an update while another waits for confirmation, where the quantities are the same
 * @throws LicensingError NOT_FOUND, INSTANCE_NOT_RESERVED, UPDATE_PENDING, LICENSES_UNAVAILABLE, UNKNOWN_TAG,
 * INVALID_ARGUMENT
 */
export async function updateReservation(
  context: ReservationContext,
  id: string,
  quantities: Quantities,
  { reissue = false }: ReserveOptions = {},
): Promise<IssuedAuthorization> {
  await requireEnabled(context)
  requireIssuingAllowed(context)
  const row = await findActiveReservation(context, id)
  if (row.in_review !== 0)
    throw new LicensingError(
      'RESERVATION_IN_DOUBT',
      `The reservation of ${formatDevice(row)} may have been changed before the restore.`,
    )
  const changed = checkQuantities(context.profile, quantities, 0)
  if (reissue && row.sequence !== row.confirmed && (await isPendingUpdate(context, row, changed)))
    return { ...(await issueAuthorization(context, row)), recommendation: null }
  if (row.sequence !== row.confirmed)
    throw new LicensingError(
      'UPDATE_PENDING',
      `Authorization ${row.sequence} of ${formatDevice(row)} waits for its confirmation code.`,
    )
  if (row.sequence >= MAX_AUTHORIZATIONS)
    throw new LicensingError('NUMBERS_EXHAUSTED', 'The update counter of this reservation is exhausted.', {
      remedy: 'Return the reservation, then reserve again.',
    })
  const before = await listReservedParts(context, row, row.sequence)
  const after = new Map<string, ReservedQuantity[]>()
  const virtual = { id: row.virtual_account_id, name: await readVirtualAccountName(context, row) }
  for (const tag of new Set([...before.keys(), ...changed.keys()])) {
    const old = (before.get(tag) ?? []).filter(({ endsAt }) => endsAt === null || endsAt > context.at)
    const count = changed.get(tag)
    // A tag that is not named also keeps its terms. A named tag gets the licenses with the longest terms.
    if (count === undefined) after.set(tag, old)
    else if (count > 0)
      after.set(
        tag,
        await allocateParts(context, virtual, tag, count, {
          id: row.id,
          holds: countReserved([old], context.at),
        }),
      )
  }
  for (const [tag, parts] of after) if (parts.length === 0) after.delete(tag)
  if (after.size === 0)
    throw new LicensingError('RESERVATION_EMPTY', 'The update would leave nothing reserved.')
  const next = { ...row, sequence: row.sequence + 1, updated_at: context.at }
  await context.tx
    .updateTable('reservations')
    .set({ sequence: next.sequence, updated_at: context.at })
    .where('id', '=', id)
    .execute()
  await saveReservedLicenses(context, next, after, context.credentials.keyRing.identity.epoch)
  await logAccountEvent(context, {
    type: 'RESERVATION_UPDATED',
    ...(await toLogSubject(context, next)),
    message: `${formatDevice(row)}: ${formatQuantities(after)}, as authorization ${next.sequence}.`,
  })
  return { ...(await issueAuthorization(context, next)), recommendation: null }
}

/**
 * Signs the newest authorization again, for a file that was lost or is too old.
 *
 * @throws LicensingError NOT_FOUND, INSTANCE_NOT_RESERVED
 */
export async function showReservation(
  context: ReservationContext,
  id: string,
): Promise<ReservationDocument & { readonly file: string | null }> {
  const row = await findReservation(context, id)
  return row.status === 'active'
    ? issueAuthorization(context, row)
    : { ...(await toReservationDocument(context, row)), file: null }
}

/**
 * Accepts the confirmation code of the newest update, after which only its quantities are reserved (R-SLR-5).
 *
 * @throws LicensingError NOT_FOUND, INSTANCE_NOT_RESERVED, CODE_MISTYPED, CODE_MALFORMED, CODE_OTHER_KIND
 * @returns a failure for a wrong code: CODE_*, CONFIRMATION_CODE_OTHER_UPDATE, UPDATE_NOT_PENDING
 */
export async function confirmReservation(
  context: ReservationContext,
  id: string,
  code: string,
): Promise<ReservationDocument | LicensingError> {
  const row = await findActiveReservation(context, id)
  const failure = await checkProofCode(context, 'confirmation', row, code)
  if (failure) return failure
  const { sequence } = decodeProofCode('confirmation', code)
  if (row.sequence === row.confirmed)
    return new LicensingError(
      'UPDATE_NOT_PENDING',
      sequence === row.confirmed
        ? `Authorization ${sequence} of ${formatDevice(row)} is already confirmed.`
        : `No update of ${formatDevice(row)} waits for a confirmation code.`,
    )
  if (sequence !== row.sequence)
    return new LicensingError(
      'CONFIRMATION_CODE_OTHER_UPDATE',
      `The code confirms authorization ${sequence} of ${formatDevice(row)}, but authorization ${row.sequence} waits for its code.`,
    )
  await context.tx
    .updateTable('reservations')
    .set({ confirmed: row.sequence, updated_at: context.at, failed_code_attempts: 0 })
    .where('id', '=', id)
    .execute()
  await recomputeReservedPools(context, row)
  await logAccountEvent(context, {
    type: 'RESERVATION_CONFIRMED',
    ...(await toLogSubject(context, row)),
    message: `${formatDevice(row)} works from authorization ${row.sequence}.`,
  })
  return toReservationDocument(context, { ...row, confirmed: row.sequence, updated_at: context.at })
}
