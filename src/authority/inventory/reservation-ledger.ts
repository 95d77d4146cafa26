import type { AccountContext } from '../context/account-context.ts'
import { type Selectable, sql } from 'kysely'
import { LicensingError, notFoundError } from '../../core/errors.ts'
import { groupBy } from '../../core/group-by.ts'
import { type Instant, toIsoString } from '../../core/time.ts'
import { listSerialForms } from '../../protocol/digest.ts'
import type { LogEntry } from '../events/event-log.ts'
import type { InstanceRows, InstanceScope } from './instance-list.ts'
import { recomputeCompliance } from './pools.ts'
import { markReservationChanged } from '../store/revisions.ts'
import type { ReservedQuantity } from '../policy.ts'
import type { Tables } from '../store/tables.ts'
import type { Tx } from '../store/store.ts'

export type ReservationRow = Selectable<Tables['reservations']>

export interface ReservedLicenseDocument {
  readonly tag: string
  readonly count: number
  readonly endsAt: string | null
}

/** A reservation in the form of the APIs and the command line. */
export interface ReservationDocument {
  readonly instanceId: string
  readonly udi: { readonly pid: string; readonly serial: string; readonly version: string }
  readonly virtualAccount: string
  readonly status: 'active' | 'returned' | 'lost'
  /** Number of the device's newest authorization. */
  readonly authorization: number
  /** True until the confirmation code of an update is entered. The larger of both quantities stays reserved. */
  readonly pending: boolean
  /** True after a restore until an administrator has reviewed the reservation, which may have changed since the backup. */
  readonly inReview: boolean
  readonly reservedAt: string
  readonly updatedAt: string
  readonly endedAt: string | null
  readonly licenses: readonly ReservedLicenseDocument[]
  /** Licenses of the previous authorization while an update waits for its confirmation; empty otherwise. */
  readonly previous: readonly ReservedLicenseDocument[]
}

/** Selects the instances with an active reservation of a list. */
export function selectReservedRows(tx: Tx, { accountId, virtualAccountIds }: InstanceScope): InstanceRows {
  const query = tx
    .selectFrom('reservations')
    .select(['id', 'created_at as at', 'pid', 'serial'])
    .select(sql<string | null>`null`.as('hostname'))
    .where('status', '=', sql.lit('active'))
  return virtualAccountIds === null
    ? query.where('account_id', '=', accountId)
    : query.where('virtual_account_id', 'in', virtualAccountIds)
}

/** Returns all active reservations. */
export async function listReservations(context: AccountContext): Promise<ReservationDocument[]> {
  const rows = await context.tx
    .selectFrom('reservations')
    .selectAll()
    .where('account_id', '=', context.account.id)
    .where('status', '=', sql.lit('active'))
    .orderBy('created_at')
    .orderBy('pid')
    .orderBy('serial')
    .execute()
  return toReservationDocuments(context, rows)
}

/** Returns active reservations in the order of their ids. Ids without an active reservation are left out. */
export async function readReservations(
  context: AccountContext,
  ids: readonly string[],
): Promise<ReservationDocument[]> {
  if (ids.length === 0) return []
  // The ids alone choose the index. With further conditions SQLite reads all reservations of the account.
  const found = await context.tx.selectFrom('reservations').selectAll().where('id', 'in', ids).execute()
  const rows = found.filter(
    ({ account_id, status }) => account_id === context.account.id && status === 'active',
  )
  const documents = new Map(
    (await toReservationDocuments(context, rows)).map((document) => [document.instanceId, document]),
  )
  return ids.flatMap((id) => documents.get(id) ?? [])
}

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

/** Ends a reservation and releases its licenses. */
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

/** Returns the epoch of an authorization, which its codes are bound to. */
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

/** Returns the licenses of an authorization by tag, in the order of the catalog. */
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
  return groupByTag(context, rows)
}

/** Groups the licenses of an authorization by tag, in the order of the catalog. */
function groupByTag(
  { profile }: Pick<AccountContext, 'profile'>,
  parts: readonly (ReservedQuantity & { readonly tag: string })[],
): Map<string, ReservedQuantity[]> {
  const order = profile.tags.map(({ tag }) => tag)
  const groups = groupBy(
    parts.toSorted((a, b) => order.indexOf(a.tag) - order.indexOf(b.tag)),
    ({ tag }) => tag,
  )
  return new Map(
    [...groups].map(([tag, group]) => [tag, group.map(({ count, endsAt }) => ({ count, endsAt }))]),
  )
}

/** Returns an active or ended reservation. @throws LicensingError NOT_FOUND, INSTANCE_NOT_RESERVED */
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
        `The product instance ${id} is registered and has no reservation.`,
      )
    : notFoundError(
        'product-instance',
        `${context.account.domain} has no product instance ${JSON.stringify(id)}.`,
      )
}

/** Returns an active reservation. @throws LicensingError NOT_FOUND, INSTANCE_NOT_RESERVED, RESERVATION_ENDED */
export async function findActiveReservation(context: AccountContext, id: string): Promise<ReservationRow> {
  const row = await findReservation(context, id)
  if (row.status === 'active') return row
  throw new LicensingError(
    'RESERVATION_ENDED',
    `The reservation of ${formatDevice(row)} ${row.status === 'lost' ? 'was removed without a return code' : 'was returned'} at ${toIsoString(row.ended_at ?? 0)}.`,
  )
}

export async function readVirtualAccountName(context: AccountContext, row: ReservationRow): Promise<string> {
  const { name } = await context.tx
    .selectFrom('virtual_accounts')
    .select('name')
    .where('id', '=', row.virtual_account_id)
    .executeTakeFirstOrThrow()
  return name
}

export async function countActiveReservations(context: AccountContext): Promise<number> {
  const { count } = await context.tx
    .selectFrom('reservations')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('account_id', '=', context.account.id)
    .where('status', '=', sql.lit('active'))
    .executeTakeFirstOrThrow()
  return count
}

/** Converts a reservation to the form of the APIs and the command line. */
export async function toReservationDocument(
  context: AccountContext,
  row: ReservationRow,
): Promise<ReservationDocument> {
  const [document] = await toReservationDocuments(context, [row])
  if (document) return document
  throw new Error(`The reservation ${row.id} has no virtual account.`)
}

/** Reservations whose licenses one statement reads. */
const BATCH_SIZE = 500

async function toReservationDocuments(
  context: AccountContext,
  rows: readonly ReservationRow[],
): Promise<ReservationDocument[]> {
  const virtualAccounts = await context.tx
    .selectFrom('virtual_accounts')
    .select(['id', 'name'])
    .where('account_id', '=', context.account.id)
    .execute()
  const names = new Map(virtualAccounts.map(({ id, name }) => [id, name]))
  const documents: ReservationDocument[] = []
  for (let from = 0; from < rows.length; from += BATCH_SIZE) {
    const batch = rows.slice(from, from + BATCH_SIZE)
    const parts = await context.tx
      .selectFrom('reserved_licenses as part')
      .innerJoin('reservations as r', 'r.id', 'part.reservation_id')
      .select(['r.id', 'part.sequence', 'part.tag', 'part.count', 'part.ends_at as endsAt'])
      .where(
        'r.id',
        'in',
        batch.map(({ id }) => id),
      )
      .where((or) =>
        or.or([
          or('part.sequence', '=', or.ref('r.sequence')),
          or('part.sequence', '=', or.ref('r.confirmed')),
        ]),
      )
      .execute()
    const byAuthorization = groupBy(parts, ({ id, sequence }) => `${id} ${sequence}`)
    const read = (row: ReservationRow, sequence: number) =>
      toReservedLicenses(groupByTag(context, byAuthorization.get(`${row.id} ${sequence}`) ?? []), context.at)
    for (const row of batch) {
      const pending = row.status === 'active' && row.sequence !== row.confirmed
      documents.push({
        instanceId: row.id,
        udi: { pid: row.pid, serial: row.serial, version: row.version },
        virtualAccount: names.get(row.virtual_account_id) ?? '',
        status: row.status,
        authorization: row.sequence,
        inReview: row.in_review !== 0,
        pending,
        reservedAt: toIsoString(row.created_at),
        updatedAt: toIsoString(row.updated_at),
        endedAt: toIsoString(row.ended_at),
        licenses: read(row, row.sequence),
        previous: pending ? read(row, row.confirmed) : [],
      })
    }
  }
  return documents
}

/** Finds the reservation of the account that a code belongs to. Returns null for none and for the expected reservation. */
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

/** Returns the licenses whose term has not ended. */
const toReservedLicenses = (
  parts: ReadonlyMap<string, readonly ReservedQuantity[]>,
  at: Instant,
): ReservedLicenseDocument[] =>
  [...parts].flatMap(([tag, list]) =>
    list
      .filter(({ endsAt }) => endsAt === null || at < endsAt)
      .map(({ count, endsAt }) => ({ tag, count, endsAt: toIsoString(endsAt) })),
  )
