import type { AccountContext } from '../context/account-context.ts'
import { type Selectable, sql } from 'kysely'
import { LicensingError, notFoundError } from '../../core/errors.ts'
import { type Instant, toIsoString } from '../../core/time.ts'
import { listSerialForms } from '../../protocol/digest.ts'
import type { LogEntry } from '../events/event-log.ts'
import { recomputeCompliance } from './pools.ts'
import { markReservationChanged } from '../store/revisions.ts'
import type { ReservedQuantity } from '../policy.ts'
import type { Tables } from '../store/tables.ts'
import type { Tx } from '../store/store.ts'

export type ReservationRow = Selectable<Tables['reservations']>

/** Licenses of one tag that are reserved. */
export interface ReservedLicenseDocument {
  readonly tag: string
  readonly count: number
  readonly endsAt: string | null
}

/** A reservation as people and programs see it. */
export interface ReservationDocument {
  readonly instanceId: string
  readonly udi: { readonly pid: string; readonly serial: string; readonly version: string }
  readonly virtualAccount: string
  readonly status: 'active' | 'returned' | 'lost'
  /** The newest authorization that was made for the box. */
  readonly authorization: number
  /** The box has not said yet that it has installed the newest authorization: the larger of both is held. */
  readonly pending: boolean
  /** Since a restore: it may have been changed since the backup, and waits for a person. */
  readonly inReview: boolean
  readonly reservedAt: string
  readonly updatedAt: string
  readonly endedAt: string | null
  readonly licenses: readonly ReservedLicenseDocument[]
  /** What the box may still work from while an update waits for its confirmation; empty otherwise. */
  readonly previous: readonly ReservedLicenseDocument[]
}

/** The reservations in force, or the one of that id. */
export async function listReservations(context: AccountContext, id?: string): Promise<ReservationDocument[]> {
  let query = context.tx
    .selectFrom('reservations')
    .selectAll()
    .where('account_id', '=', context.account.id)
    .where('status', '=', sql.lit('active'))
    .orderBy('created_at')
  if (id !== undefined) query = query.where('id', '=', id)
  const rows = await query.execute()
  const documents: ReservationDocument[] = []
  for (const row of rows) documents.push(await toReservationDocument(context, row))
  return documents
}

/** Notes what the newest authorization reserves. */
export async function saveReservedLicenses(
  context: AccountContext,
  row: ReservationRow,
  parts: ReadonlyMap<string, readonly ReservedQuantity[]>,
  epoch: number,
): Promise<void> {
  const rows = [...parts].flatMap(([tag, list]) =>
    list.map(({ count, endsAt }) => ({
      reservation_id: row.id,
      sequence: row.sequence,
      epoch,
      tag,
      count,
      ends_at: endsAt,
    })),
  )
  await context.tx.insertInto('reserved_licenses').values(rows).execute()
  await recomputeReservedPools(context, row)
}

/** Notes what a change of this reservation makes of its pools. */
export async function recomputeReservedPools(context: AccountContext, row: ReservationRow): Promise<void> {
  await markReservationChanged(context.tx, row.id)
  const tags = await context.tx
    .selectFrom('reserved_licenses')
    .select('tag')
    .distinct()
    .where('reservation_id', '=', row.id)
    .execute()
  for (const { tag } of tags) await recomputeCompliance(context.tx, row.virtual_account_id, tag, context.at)
}

/** Ends a reservation: nothing is held for it any more. */
export async function endReservation(
  context: AccountContext,
  row: ReservationRow,
  status: 'returned' | 'lost',
): Promise<void> {
  await context.tx
    .updateTable('reservations')
    .set({ status, ended_at: context.at })
    .where('id', '=', row.id)
    .execute()
  await recomputeReservedPools(context, row)
}

/** The epoch in which an authorization was made: its codes are of that one. */
export async function findAuthorizationEpoch(
  context: AccountContext,
  row: ReservationRow,
  sequence: number,
): Promise<number | null> {
  const found = await context.tx
    .selectFrom('reserved_licenses')
    .select('epoch')
    .where('reservation_id', '=', row.id)
    .where('sequence', '=', sequence)
    .executeTakeFirst()
  return found?.epoch ?? null
}

/** What an authorization reserves, by tag, in the order of the catalog. */
export async function listReservedParts(
  context: AccountContext,
  row: ReservationRow,
  sequence: number,
): Promise<Map<string, ReservedQuantity[]>> {
  const rows = await context.tx
    .selectFrom('reserved_licenses')
    .select(['tag', 'count', 'ends_at as endsAt'])
    .where('reservation_id', '=', row.id)
    .where('sequence', '=', sequence)
    .execute()
  const order = context.profile.tags.map(({ tag }) => tag)
  const parts = new Map<string, ReservedQuantity[]>()
  for (const { tag, ...part } of rows.sort((a, b) => order.indexOf(a.tag) - order.indexOf(b.tag)))
    parts.set(tag, [...(parts.get(tag) ?? []), part])
  return parts
}

/** A reservation, in force or ended. @throws LicensingError NOT_FOUND, INSTANCE_NOT_RESERVED */
export async function findReservation(context: AccountContext, id: string): Promise<ReservationRow> {
  const row = await context.tx
    .selectFrom('reservations')
    .selectAll()
    .where('account_id', '=', context.account.id)
    .where('id', '=', id)
    .executeTakeFirst()
  if (row) return row
  const registered = await context.tx
    .selectFrom('instances')
    .select('id')
    .where('account_id', '=', context.account.id)
    .where('id', '=', id)
    .where('status', '=', sql.lit('active'))
    .executeTakeFirst()
  throw registered
    ? new LicensingError(
        'INSTANCE_NOT_RESERVED',
        `The product instance ${id} is registered, and works from no reservation.`,
      )
    : notFoundError(
        'product-instance',
        `${context.account.domain} has no product instance ${JSON.stringify(id)}.`,
      )
}

/** One that is in force. @throws LicensingError as `row`, and RESERVATION_ENDED */
export async function findActiveReservation(context: AccountContext, id: string): Promise<ReservationRow> {
  const row = await findReservation(context, id)
  if (row.status === 'active') return row
  throw new LicensingError(
    'RESERVATION_ENDED',
    `The reservation of ${formatDevice(row)} ${row.status === 'lost' ? 'was removed without a return code' : 'was returned'} at ${toIsoString(row.ended_at ?? 0)}.`,
  )
}

/** The name of the virtual account it reserves from. */
export async function readVirtualAccountName(context: AccountContext, row: ReservationRow): Promise<string> {
  const { name } = await context.tx
    .selectFrom('virtual_accounts')
    .select('name')
    .where('id', '=', row.virtual_account_id)
    .executeTakeFirstOrThrow()
  return name
}

/** How many boxes of the account work from a reservation. */
export async function countActiveReservations(context: AccountContext): Promise<number> {
  const { count } = await context.tx
    .selectFrom('reservations')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('account_id', '=', context.account.id)
    .where('status', '=', sql.lit('active'))
    .executeTakeFirstOrThrow()
  return count
}

/** As people and programs see it. */
export async function toReservationDocument(
  context: AccountContext,
  row: ReservationRow,
): Promise<ReservationDocument> {
  const pending = row.status === 'active' && row.sequence !== row.confirmed
  return {
    instanceId: row.id,
    udi: { pid: row.pid, serial: row.serial, version: row.version },
    virtualAccount: await readVirtualAccountName(context, row),
    status: row.status,
    authorization: row.sequence,
    inReview: row.in_review !== 0,
    pending,
    reservedAt: toIsoString(row.created_at),
    updatedAt: toIsoString(row.updated_at),
    endedAt: toIsoString(row.ended_at),
    licenses: toReservedLicenses(await listReservedParts(context, row, row.sequence), context.at),
    previous: pending
      ? toReservedLicenses(await listReservedParts(context, row, row.confirmed), context.at)
      : [],
  }
}

/** The other reservation of the account that a code names; null when it names none, or this one. */
export async function findOtherReservation(
  context: AccountContext,
  row: ReservationRow,
  hint: string,
): Promise<ReservationRow | null> {
  if (row.id.startsWith(hint)) return null
  const other = await context.tx
    .selectFrom('reservations')
    .selectAll()
    .where('account_id', '=', context.account.id)
    .where('id', 'like', `${hint}%`)
    .executeTakeFirst()
  return other ?? null
}

/** Returns the fields of an event log entry that name a reservation. */
export async function toLogSubject(
  context: AccountContext,
  row: ReservationRow,
): Promise<Pick<LogEntry, 'virtualAccount' | 'instanceId'>> {
  return { virtualAccount: await readVirtualAccountName(context, row), instanceId: row.id }
}

/** The reservation that is in force for a box of an account. */
export async function findReservationByDevice(
  tx: Tx,
  accountId: string,
  { pid, serial }: { pid: string; serial: string },
): Promise<ReservationRow | undefined> {
  return tx
    .selectFrom('reservations')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('pid', '=', pid)
    .where('serial', 'in', listSerialForms(pid, serial))
    .where('status', '=', sql.lit('active'))
    .executeTakeFirst()
}

export const formatDevice = ({ pid, serial }: Pick<ReservationRow, 'pid' | 'serial'>): string =>
  `${pid}:${serial}`

export const formatQuantities = (parts: ReadonlyMap<string, readonly ReservedQuantity[]>): string =>
  [...parts]
    .flatMap(([tag, list]) =>
      list.map(
        ({ count, endsAt }) => `${count} of ${tag}${endsAt === null ? '' : ` until ${toIsoString(endsAt)}`}`,
      ),
    )
    .join(', ')

/** What still lasts of it. */
const toReservedLicenses = (
  parts: ReadonlyMap<string, readonly ReservedQuantity[]>,
  at: Instant,
): ReservedLicenseDocument[] =>
  [...parts].flatMap(([tag, list]) =>
    list
      .filter(({ endsAt }) => endsAt === null || at < endsAt)
      .map(({ count, endsAt }) => ({ tag, count, endsAt: toIsoString(endsAt) })),
  )
