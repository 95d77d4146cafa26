import { z } from 'zod'
import { validate } from '../../core/validate.ts'
import { LicensingError } from '../../core/errors.ts'
import { toIsoString } from '../../core/time.ts'
import {
  formatDevice,
  formatQuantities,
  type ReservationDocument,
  endReservation,
  findActiveReservation,
  findReservation,
  listReservedParts,
  toLogSubject,
  toReservationDocument,
} from '../inventory/reservation-ledger.ts'
import { type findOrphanedReservation, writeOffReported } from '../satellites/reported-instances.ts'
import type { AccountContext } from '../context/account-context.ts'
import { logAccountEvent } from '../events/event-log.ts'
import { checkProofCode } from './proof-codes.ts'

/**
 * Accepts the return code of a device, whose licenses return to the pool (R-SLR-6). The code of any authorization is
 * valid: once the device has returned its reservation, it grants nothing.
 *
 * @throws LicensingError NOT_FOUND, CODE_MISTYPED, CODE_MALFORMED, CODE_OTHER_KIND
 * @returns a failure for a wrong code or an ended reservation: CODE_*, RESERVATION_ENDED
 */
export async function acceptReturnCode(
  context: AccountContext,
  id: string,
  code: string,
): Promise<ReservationDocument | LicensingError> {
  const row = await findReservation(context, id)
  const failure = await checkProofCode(context, 'return', row, code)
  if (failure) return failure
  if (row.status === 'returned')
    return new LicensingError(
      'RESERVATION_ENDED',
      `The reservation of ${formatDevice(row)} was returned at ${toIsoString(row.ended_at ?? 0)}.`,
    )
  await endReservation(context, row, 'returned')
  const found = row.status === 'lost' ? ', which had been written off as lost,' : ''
  await logAccountEvent(context, {
    type: 'RESERVATION_RETURNED',
    ...(await toLogSubject(context, row)),
    message: `${formatDevice(row)}${found} has returned its reservation.`,
  })
  return toReservationDocument(context, { ...row, status: 'returned', ended_at: context.at })
}

/**
 * Ends the reservation of a lost device without its return code. The device may still be in use, so the administrator and
 * the reason are recorded.
 *
 * @throws LicensingError NOT_FOUND, INSTANCE_NOT_RESERVED, INVALID_ARGUMENT
 */
export async function writeOffReservation(
  context: AccountContext,
  id: string,
  reason: string,
  by: string,
): Promise<ReservationDocument> {
  const row = await findActiveReservation(context, id)
  const why = validate(reasonSchema, reason, 'reason')
  const parts = await listReservedParts(context, row, row.sequence)
  await endReservation(context, row, 'lost')
  await logAccountEvent(context, {
    type: 'RESERVATION_OVERRIDDEN',
    severity: 'major',
    ...(await toLogSubject(context, row)),
    message: `${formatDevice(row)} was removed without its return code by ${by}: ${why}. Returned without proof: ${formatQuantities(parts)}.`,
  })
  return toReservationDocument(context, { ...row, status: 'lost', ended_at: context.at })
}

/**
 * Ends the reservation of a device whose satellite was removed or expired and can no longer end it.
 *
 * @throws LicensingError INVALID_ARGUMENT
 */
export async function writeOffOrphan(
  context: AccountContext,
  orphan: NonNullable<Awaited<ReturnType<typeof findOrphanedReservation>>>,
  reason: string,
  by: string,
): Promise<ReservationDocument> {
  const why = validate(reasonSchema, reason, 'reason')
  const { id, pid, serial, version, virtualAccount, since_at, satellite } = orphan
  const { tx, at } = context
  const source = { id: orphan.satellite_id, status: orphan.satelliteStatus }
  await writeOffReported({ tx, satellite: source, at }, id)
  await logAccountEvent(context, {
    type: 'RESERVATION_OVERRIDDEN',
    severity: 'major',
    message: `${pid}:${serial} of the satellite ${satellite} was removed without its return code by ${by}: ${why}.`,
  })
  return {
    instanceId: id,
    udi: { pid, serial, version },
    virtualAccount,
    status: 'lost',
    authorization: 0,
    pending: false,
    inReview: false,
    reservedAt: toIsoString(since_at),
    updatedAt: toIsoString(context.at),
    endedAt: toIsoString(context.at),
    licenses: [],
    previous: [],
  }
}

const reasonSchema = z
  .string()
  .trim()
  .min(3, 'a reason is 3 characters or more')
  .max(500, 'a reason is at most 500 characters')
  .regex(/^[^\p{Cc}]+$/u, 'a reason has no control characters')
