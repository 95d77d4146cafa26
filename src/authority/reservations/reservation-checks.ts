import { sql } from 'kysely'
import { countSchema } from '../../core/entitlement.ts'
import { validate } from '../../core/validate.ts'
import { LicensingError } from '../../core/errors.ts'
import { toIsoString } from '../../core/time.ts'
import { type ProductProfile, requireTag } from '../../core/profile.ts'
import { listSerialForms } from '../../protocol/digest.ts'
import { type ReservationRequest } from '../../protocol/offline-codes.ts'
import type { VirtualAccount } from '../context/account-context.ts'
import { issuanceBlockedBy } from '../satellite-sync/issuing-limits.ts'
import { recomputeCompliance, sumHoldings, listLots } from '../inventory/pools.ts'
import {
  findReservationByDevice,
  formatDevice,
  listReservedParts,
  type ReservationRow,
} from '../inventory/reservation-ledger.ts'
import { findConflictingInstance } from '../satellites/reported-instances.ts'
import { allocateLicenses, type ReservedQuantity } from '../policy.ts'
import { type ReservationContext } from './authorization-issue.ts'
import type { Quantities } from './authorization-issue.ts'

export function requireIssuingAllowed(context: ReservationContext): void {
  const blocked = issuanceBlockedBy(context.limits)
  if (blocked) throw blocked
}

export async function requireEnabled(context: ReservationContext): Promise<void> {
  const { reservation_at: enabled } = await context.tx
    .selectFrom('accounts')
    .select('reservation_at')
    .where('id', '=', context.account.id)
    .executeTakeFirstOrThrow()
  if (enabled === null)
    throw new LicensingError(
      'RESERVATION_NOT_ENABLED',
      `${context.account.domain} is not authorized for specific license reservation.`,
    )
}

/** Returns the active reservation of the same request. A request is answered once, and a device is in a smart account once. */
export async function findSameReservation(
  context: ReservationContext,
  virtual: VirtualAccount,
  request: ReservationRequest,
  wanted: ReadonlyMap<string, number>,
): Promise<ReservationRow | null> {
  const row = await context.tx
    .selectFrom('reservations')
    .selectAll()
    .where('device_key', '=', encodeDeviceKey(request))
    .where('request', '=', request.number)
    .where('virtual_account_id', '=', virtual.id)
    .where('status', '=', sql.lit('active'))
    .where('sequence', '=', 1)
    .executeTakeFirst()
  return row && areCountsEqual(countByTag(await listReservedParts(context, row, 1)), wanted) ? row : null
}

/** Returns true where the unconfirmed update has the same quantities. */
export async function isPendingUpdate(
  context: ReservationContext,
  row: ReservationRow,
  changed: ReadonlyMap<string, number>,
): Promise<boolean> {
  const wanted = new Map([...countByTag(await listReservedParts(context, row, row.confirmed)), ...changed])
  return areCountsEqual(countByTag(await listReservedParts(context, row, row.sequence)), wanted)
}

export async function requireUnusedRequest(
  context: ReservationContext,
  request: ReservationRequest,
): Promise<void> {
  const { pid, serial } = request.udi
  const used = await context.tx
    .selectFrom('reservations')
    .selectAll()
    .where('device_key', '=', encodeDeviceKey(request))
    .where('request', '=', request.number)
    .executeTakeFirst()
  if (used && used.account_id !== context.account.id)
    throw new LicensingError(
      'REQUEST_CODE_USED',
      'Licenses were reserved with this request code by another smart account.',
      {
        remedy: 'Create a new request code on the device: `reservation cancel`, then `reservation request`.',
      },
    )
  if (used)
    throw new LicensingError(
      'REQUEST_CODE_USED',
      `Licenses were reserved with this request code at ${toIsoString(used.created_at)}, for ${formatDevice(used)}.`,
      used.status === 'active'
        ? { remedy: `Write its file again with \`reservation show ${used.id} --out FILE\`.` }
        : {
            remedy:
              'Create a new request code on the device: `reservation cancel`, then `reservation request`.',
          },
    )
  const reserved = await findReservationByDevice(context.tx, context.account.id, request.udi)
  if (reserved)
    throw new LicensingError(
      'INSTANCE_RESERVED',
      `Licenses are already reserved for ${formatDevice(reserved)}, by another request of this device.`,
      {
        remedy: `Create the return code on the device with \`reservation return-code\`, or with \`reservation discard FILE\` if the request was canceled. Enter the code with \`instance remove ${reserved.id} --return-code CODE\`. For a lost device, give --without-return-code --reason TEXT.`,
      },
    )
  const below = await findConflictingInstance(context.tx, context.account.id, request.udi)
  if (below)
    throw new LicensingError(
      below.kind === 'reserved' ? 'INSTANCE_RESERVED' : 'INSTANCE_ALREADY_REGISTERED',
      `${pid}:${serial} is a product instance of the satellite ${below.satellite}.`,
      { remedy: 'Remove the instance there, synchronize, then reserve.' },
    )
  const registered = await context.tx
    .selectFrom('instances')
    .select('id')
    .where('account_id', '=', context.account.id)
    .where('pid', '=', pid)
    .where('serial', 'in', listSerialForms(pid, serial))
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
export async function allocateParts(
  context: ReservationContext,
  virtual: Pick<VirtualAccount, 'id' | 'name'>,
  tag: string,
  count: number,
  changing?: { id: string; holds: number },
): Promise<ReservedQuantity[]> {
  const lots = await listLots(context.tx, virtual.id, tag)
  const held = await sumHoldings(context.tx, virtual.id, tag, changing?.id)
  const { owned, inUse } = await recomputeCompliance(context.tx, virtual.id, tag, context.at)
  // Registered devices use the same pool. Their usage is not available for reservation.
  const available = Math.max(changing?.holds ?? 0, owned - inUse - held(context.at), 0)
  const parts =
    count <= available ? allocateLicenses(count, { lots, reservedAt: held, inUse, at: context.at }) : null
  if (parts) return parts
  throw new LicensingError(
    'LICENSES_UNAVAILABLE',
    `${count} of ${tag} cannot be reserved: ${available} ${available === 1 ? 'is' : 'are'} available in ${virtual.name}.`,
  )
}

export const encodeDeviceKey = ({ deviceKey }: ReservationRequest): string =>
  Buffer.from(deviceKey).toString('base64url')

/** @throws LicensingError UNKNOWN_TAG, INVALID_ARGUMENT */
export function checkQuantities(
  profile: ProductProfile,
  quantities: Quantities,
  least: number,
): Map<string, number> {
  const list = Object.entries(quantities)
  if (list.length === 0)
    throw new LicensingError('INVALID_ARGUMENT', 'No licenses were named.', {
      remedy: 'Name each with --license TAG=QUANTITY.',
    })
  for (const [tag] of list) requireTag(profile, tag)
  const counts = countSchema.min(least, `a quantity to reserve is ${least} or more`)
  return new Map(list.map(([tag, count]) => [tag, validate(counts, count, `quantity of ${tag}`)]))
}

export const countByTag = (parts: ReadonlyMap<string, readonly ReservedQuantity[]>): Map<string, number> =>
  new Map([...parts].map(([tag, list]) => [tag, list.reduce((sum, { count }) => sum + count, 0)]))

const areCountsEqual = (a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean =>
  [...a.keys(), ...b.keys()].every((tag) => (a.get(tag) ?? 0) === (b.get(tag) ?? 0))
