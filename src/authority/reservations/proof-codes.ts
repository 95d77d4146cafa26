import { LicensingError } from '../../core/errors.ts'
import { toIsoString } from '../../core/time.ts'
import {
  MAX_AUTHORIZATIONS,
  type OfflineProof,
  type ProofKind,
  verifyProof,
  decodeProofCode,
} from '../../protocol/offline-codes.ts'
import {
  formatDevice,
  findAuthorizationEpoch,
  findOtherReservation,
  toLogSubject,
  type ReservationRow,
} from '../inventory/reservation-ledger.ts'
import { MAX_CODE_ATTEMPTS, CODE_ATTEMPT_WINDOW_MS } from '../policy.ts'
import type { AccountContext } from '../context/account-context.ts'
import { logAccountEvent } from '../events/event-log.ts'

/** Maximum number of previous epochs that a code is checked against. */
const MAX_EPOCHS_CHECKED = 50

/** Verifies a code of a device. Too many wrong codes block all codes for an hour. */
export async function checkProofCode(
  context: AccountContext,
  kind: ProofKind,
  row: ReservationRow,
  code: string,
): Promise<LicensingError | null> {
  const written = decodeProofCode(kind, code)
  const since = context.at - row.failed_code_attempts_since
  const counted = since >= 0 && since < CODE_ATTEMPT_WINDOW_MS ? row.failed_code_attempts : 0
  if (counted >= MAX_CODE_ATTEMPTS)
    return new LicensingError(
      'CODE_ATTEMPTS_EXCEEDED',
      `${counted} wrong codes were entered for ${formatDevice(row)} since ${toIsoString(row.failed_code_attempts_since)}.`,
    )
  const key = context.credentials.reservationKeys.deriveCodeKey(
    Buffer.from(row.device_key, 'base64url'),
    row.id,
  )
  const { sequence } = written
  const proof = (epoch: number): OfflineProof => ({ kind, udi: row, reservationId: row.id, epoch, sequence })
  // After a restore, the device may have installed an authorization of any earlier epoch that is no longer stored.
  const { epoch } = context.credentials.keyRing.identity
  const highest = epoch === 1 ? row.sequence : MAX_AUTHORIZATIONS
  const epochs =
    epoch === 1
      ? [(await findAuthorizationEpoch(context, row, sequence)) ?? 0]
      : Array.from({ length: Math.min(epoch, MAX_EPOCHS_CHECKED) }, (_, i) => epoch - i)
  if (
    key &&
    sequence >= 1 &&
    sequence <= highest &&
    epochs.some((one) => verifyProof(key, written, proof(one)))
  )
    return null
  const other = await findOtherReservation(context, row, written.hint)
  if (other)
    return new LicensingError(
      'CODE_OTHER_RESERVATION',
      formatDevice(other) === formatDevice(row)
        ? `The code belongs to an earlier reservation of ${formatDevice(row)}, made at ${toIsoString(other.created_at)}.`
        : `The code belongs to ${formatDevice(other)}, not to ${formatDevice(row)}.`,
    )
  await context.tx
    .updateTable('reservations')
    .set({
      failed_code_attempts: counted + 1,
      failed_code_attempts_since: counted === 0 ? context.at : row.failed_code_attempts_since,
    })
    .where('id', '=', row.id)
    .execute()
  await logAccountEvent(context, {
    type: 'CODE_REFUSED',
    severity: 'minor',
    ...(await toLogSubject(context, row)),
    message: `A wrong ${kind} code was entered for ${formatDevice(row)}.`,
  })
  return new LicensingError(
    'CODE_WRONG',
    `The ${kind} code was not made by ${formatDevice(row)} for this reservation.`,
  )
}
