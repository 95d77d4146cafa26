import { type Selectable, sql } from 'kysely'
import { z } from 'zod'
import { entitlementTagSchema } from '../../core/entitlement.ts'
import { type Instant, toIsoString } from '../../core/time.ts'
import { hashUdi } from '../../protocol/digest.ts'
import type {
  RemovalRecord,
  ReportedInstance,
  ReportedLicense,
  SyncCounts,
} from '../../protocol/sync-request.ts'
import type { Account, AccountContext } from '../context/account-context.ts'
import { type InstanceDocument, rateUsage } from '../inventory/instances.ts'
import type { InstanceRows, InstanceScope } from '../inventory/instance-list.ts'
import { recomputeCompliance, adjustUsage, readCompliance } from '../inventory/pools.ts'
import type { Tables } from '../store/tables.ts'
import type { Tx } from '../store/store.ts'

type ReportedRow = Selectable<Tables['reported_instances']>

/** Rows per query. */
const BATCH_SIZE = 500

const licensesSchema = z.array(
  z.object({ tag: entitlementTagSchema, count: z.number(), endsAt: z.number().nullable() }),
)
const parseLicenses = (row: Pick<ReportedRow, 'licenses'>): ReportedLicense[] =>
  licensesSchema.parse(JSON.parse(row.licenses))

/** Converts a row to the instance that the satellite reported. */
export const toReportedInstance = (row: ReportedRow): ReportedInstance => ({
  kind: row.kind,
  id: row.id,
  pid: row.pid,
  serial: row.serial,
  version: row.version,
  virtualAccount: row.virtual_account,
  since: row.since_at,
  hostname: row.hostname,
  licenses: parseLicenses(row),
})

const idsOf = (rows: readonly { readonly id: string }[]): string[] => rows.map(({ id }) => id)

function* splitBatches<T>(list: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < list.length; at += BATCH_SIZE) yield list.slice(at, at + BATCH_SIZE)
}

/** Changes of pools by a report, collected by virtual account and tag. */
class PoolChanges {
  readonly #usage = new Map<string, number>()
  readonly #changedPools = new Set<string>()

  addUsage(virtualAccountId: string, licenses: readonly ReportedLicense[], sign: 1 | -1): void {
    for (const { tag, count } of licenses) {
      const key = `${virtualAccountId} ${tag}`
      this.#usage.set(key, (this.#usage.get(key) ?? 0) + sign * count)
    }
  }

  markChanged(virtualAccountId: string, licenses: readonly ReportedLicense[]): void {
    for (const { tag } of licenses) this.#changedPools.add(`${virtualAccountId} ${tag}`)
  }

  async apply(tx: Tx, at: Instant): Promise<void> {
    const split = (key: string): [string, string] => {
      const [virtualAccountId = '', tag = ''] = key.split(' ')
      return [virtualAccountId, tag]
    }
    for (const [key, change] of this.#usage)
      if (change !== 0) await adjustUsage(tx, ...split(key), change, at)
    for (const key of this.#changedPools) await recomputeCompliance(tx, ...split(key), at)
  }
}

/** Transaction of a manager on the product instances of a satellite. */
export interface ReportedContext {
  readonly tx: Tx
  readonly satellite: Pick<Selectable<Tables['satellites']>, 'id' | 'status'>
  readonly at: Instant
}

/** Returns true if the satellite's instances count in the pools. They do not while the satellite is expired. */
const isCounted = ({ satellite }: ReportedContext): boolean => satellite.status !== 'expired'

/**
 * Applies a report of the present state of instances. Applying a report twice has no further effect. An ended instance
 * stays ended.
 *
 * @param mapAccount finds the manager's virtual account for one of the satellite's
 */
export async function takeReport(
  context: ReportedContext,
  instances: readonly ReportedInstance[],
  ended: readonly RemovalRecord[],
  mapAccount: (virtualAccount: string) => string,
): Promise<void> {
  const changes = new PoolChanges()
  for (const batch of splitBatches(instances)) {
    const before = await findRows(context, idsOf(batch))
    await stopCounting(context, [...before.values()], changes)
    const open = batch.filter(({ id }) => (before.get(id)?.status ?? 'active') === 'active')
    const rows = open.map((instance): ReportedRow => ({
      satellite_id: context.satellite.id,
      id: instance.id,
      kind: instance.kind,
      status: 'active',
      pid: instance.pid,
      serial: instance.serial,
      version: instance.version,
      udi: hashUdi(instance.pid, instance.serial),
      hostname: instance.hostname,
      virtual_account: instance.virtualAccount,
      virtual_account_id: mapAccount(instance.virtualAccount),
      // A satellite's clock that is ahead must not make a registration newer than the present.
      since_at: Math.min(instance.since, context.at),
      licenses: JSON.stringify(instance.licenses),
    }))
    await write(context, rows, changes)
  }
  for (const batch of splitBatches(ended)) {
    const before = [...(await findRows(context, idsOf(batch))).values()]
    await stopCounting(context, before, changes)
    await end(context, idsOf(before))
  }
  await changes.apply(context.tx, context.at)
}

/** Replaces an instance by a newer registration elsewhere. The satellite is notified at its next exchange. */
export async function replaceReported(context: ReportedContext, id: string): Promise<void> {
  const changes = new PoolChanges()
  await stopCounting(context, [...(await findRows(context, [id])).values()], changes)
  await context.tx
    .updateTable('reported_instances')
    .set({ status: 'replaced' })
    .where('satellite_id', '=', context.satellite.id)
    .where('id', '=', id)
    .execute()
  await changes.apply(context.tx, context.at)
}

/** Adds the usage of the satellite's registered instances to the pools, or subtracts it. Reservations always count. */
export async function countReported(context: ReportedContext, sign: 1 | -1): Promise<void> {
  const changes = new PoolChanges()
  for (const row of await activeRows(context))
    if (row.kind === 'registered') changes.addUsage(row.virtual_account_id, parseLicenses(row), sign)
  await changes.apply(context.tx, context.at)
}

/** Recomputes the usage of the satellite's pools from its instances, which corrects any difference. */
export async function rebuildUse(context: ReportedContext): Promise<void> {
  const virtualAccounts = await context.tx
    .selectFrom('virtual_accounts')
    .select('id')
    .where('satellite_id', '=', context.satellite.id)
    .execute()
  const expected = new Map<string, number>()
  for (const row of await activeRows(context)) {
    if (row.kind !== 'registered') continue
    for (const { tag, count } of parseLicenses(row)) {
      const key = `${row.virtual_account_id} ${tag}`
      expected.set(key, (expected.get(key) ?? 0) + count)
    }
  }
  const pools = await context.tx
    .selectFrom('pools')
    .selectAll()
    .where(
      'virtual_account_id',
      'in',
      virtualAccounts.map(({ id }) => id),
    )
    .execute()
  for (const { virtual_account_id, tag, in_use } of pools) {
    const change = (expected.get(`${virtual_account_id} ${tag}`) ?? 0) - in_use
    if (change !== 0) await adjustUsage(context.tx, virtual_account_id, tag, change, context.at)
  }
}

/** Ends the replaced instances that a full report no longer lists. */
export async function endReplaced(context: ReportedContext, listed: ReadonlySet<string>): Promise<void> {
  const rows = await listReplaced(context)
  for (const batch of splitBatches(rows.filter((id) => !listed.has(id)))) await end(context, batch)
}

/** Ends instances that ended before this manager was restored, as the satellite's full report shows. */
export async function endMissing(context: ReportedContext, ids: readonly string[]): Promise<void> {
  const changes = new PoolChanges()
  for (const batch of splitBatches(ids)) {
    await stopCounting(context, [...(await findRows(context, batch)).values()], changes)
    await end(context, batch)
  }
  await changes.apply(context.tx, context.at)
}

/** Lists the instances that the satellite must end and has not yet reported as ended. */
export async function listReplaced(context: ReportedContext): Promise<string[]> {
  const rows = await context.tx
    .selectFrom('reported_instances')
    .select('id')
    .where('satellite_id', '=', context.satellite.id)
    .where('status', '=', sql.lit('replaced'))
    .execute()
  return rows.map(({ id }) => id)
}

/**
 * Ends the registered instances of a removed satellite, whose delegation has expired. Reservations count until their
 * end, or until an administrator writes them off, because an offline device makes no contact.
 *
 * @param options.all true to end reservations too, because the satellite reports them again
 */
export async function forgetReported(context: ReportedContext, { all = false } = {}): Promise<void> {
  const changes = new PoolChanges()
  const rows = (await activeRows(context)).filter(({ kind }) => all || kind === 'registered')
  await stopCounting(context, rows, changes)
  for (const batch of splitBatches(rows)) await end(context, idsOf(batch))
  await changes.apply(context.tx, context.at)
}

/** Ends a reservation of a removed or expired satellite. An administrator has written it off. */
export async function writeOffReported(context: ReportedContext, id: string): Promise<void> {
  const changes = new PoolChanges()
  await stopCounting(context, [...(await findRows(context, [id])).values()], changes)
  await end(context, [id])
  await changes.apply(context.tx, context.at)
}

/** Lists the active instances as they were reported. */
export async function listActive(context: ReportedContext): Promise<ReportedInstance[]> {
  return (await activeRows(context)).map(toReportedInstance)
}

/** Returns the given ids whose instances have ended. */
export async function findEnded(context: ReportedContext, ids: readonly string[]): Promise<Set<string>> {
  const ended = new Set<string>()
  for (const batch of splitBatches(ids)) {
    for (const { id, status } of (await findRows(context, batch)).values())
      if (status === 'ended') ended.add(id)
  }
  return ended
}

/** Returns the totals of the instances, for comparison with the satellite's own totals. */
export async function readTotals(context: ReportedContext): Promise<SyncCounts> {
  const counts = await context.tx
    .selectFrom('reported_instances')
    .select(['kind', (eb) => eb.fn.countAll<number>().as('count')])
    .where('satellite_id', '=', context.satellite.id)
    .where('status', '=', sql.lit('active'))
    .groupBy('kind')
    .execute()
  const countOf = (kind: ReportedRow['kind']) => counts.find((row) => row.kind === kind)?.count ?? 0
  // The virtual accounts of a satellite have no other instances, so all their usage is that of the satellite.
  const use = await context.tx
    .selectFrom('pools')
    .innerJoin('virtual_accounts as va', 'va.id', 'pools.virtual_account_id')
    .select(['tag', (eb) => eb.fn.sum<number>('in_use').as('count')])
    .where('va.satellite_id', '=', context.satellite.id)
    .where('in_use', '<>', 0)
    .groupBy('tag')
    .orderBy('tag')
    .execute()
  return {
    registered: countOf('registered'),
    reserved: countOf('reserved'),
    use,
  }
}

function activeRows(context: ReportedContext): Promise<ReportedRow[]> {
  return context.tx
    .selectFrom('reported_instances')
    .selectAll()
    .where('satellite_id', '=', context.satellite.id)
    .where('status', '=', sql.lit('active'))
    .orderBy('id')
    .execute()
}

async function findRows(context: ReportedContext, ids: readonly string[]): Promise<Map<string, ReportedRow>> {
  if (ids.length === 0) return new Map()
  const rows = await context.tx
    .selectFrom('reported_instances')
    .selectAll()
    .where('satellite_id', '=', context.satellite.id)
    .where('id', 'in', ids)
    .execute()
  return new Map(rows.map((row) => [row.id, row]))
}

/** Subtracts the usage of rows from the pools, and deletes their reservations. */
async function stopCounting(
  context: ReportedContext,
  rows: readonly ReportedRow[],
  changes: PoolChanges,
): Promise<void> {
  const active = rows.filter(({ status }) => status === 'active')
  for (const row of active) {
    if (row.kind !== 'registered') changes.markChanged(row.virtual_account_id, parseLicenses(row))
    else if (isCounted(context)) changes.addUsage(row.virtual_account_id, parseLicenses(row), -1)
  }
  const reserved = active.filter(({ kind }) => kind === 'reserved').map(({ id }) => id)
  for (const batch of splitBatches(reserved))
    await context.tx
      .deleteFrom('reported_reserved')
      .where('satellite_id', '=', context.satellite.id)
      .where('instance_id', 'in', batch)
      .execute()
}

async function end(context: ReportedContext, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await context.tx
    .updateTable('reported_instances')
    .set({ status: 'ended' })
    .where('satellite_id', '=', context.satellite.id)
    .where('id', 'in', ids)
    .execute()
}

async function write(
  context: ReportedContext,
  rows: readonly ReportedRow[],
  changes: PoolChanges,
): Promise<void> {
  if (rows.length === 0) return
  await context.tx
    .insertInto('reported_instances')
    .values(rows)
    .onConflict((conflict) =>
      conflict.columns(['satellite_id', 'id']).doUpdateSet((eb) => ({
        kind: eb.ref('excluded.kind'),
        status: eb.ref('excluded.status'),
        pid: eb.ref('excluded.pid'),
        serial: eb.ref('excluded.serial'),
        version: eb.ref('excluded.version'),
        udi: eb.ref('excluded.udi'),
        hostname: eb.ref('excluded.hostname'),
        virtual_account: eb.ref('excluded.virtual_account'),
        virtual_account_id: eb.ref('excluded.virtual_account_id'),
        since_at: eb.ref('excluded.since_at'),
        licenses: eb.ref('excluded.licenses'),
      })),
    )
    .execute()
  const parts = []
  for (const row of rows) {
    const licenses = parseLicenses(row)
    if (row.kind === 'registered') {
      if (isCounted(context)) changes.addUsage(row.virtual_account_id, licenses, 1)
    } else {
      changes.markChanged(row.virtual_account_id, licenses)
      parts.push(
        ...licenses.map(({ tag, count, endsAt }) => ({
          satellite_id: context.satellite.id,
          instance_id: row.id,
          virtual_account_id: row.virtual_account_id,
          tag,
          count,
          ends_at: endsAt,
        })),
      )
    }
  }
  for (const batch of splitBatches(parts))
    await context.tx.insertInto('reported_reserved').values(batch).execute()
}

/** A product instance at a satellite that conflicts with a registration or reservation at the manager. */
export interface ConflictingInstance {
  readonly id: string
  readonly kind: 'registered' | 'reserved'
  readonly pid: string
  readonly serial: string
  readonly satelliteId: string
  readonly satellite: string
  readonly account_id: string
  /** The digest of the device's UDI. */
  readonly udi: string
}

/** Returns the product instance of a device that a satellite of the account has reported. */
export async function findConflictingInstance(
  tx: Tx,
  accountId: string,
  { pid, serial }: { pid: string; serial: string },
): Promise<ConflictingInstance | undefined> {
  const conflicts = await findConflictingInstances(tx, [hashUdi(pid, serial)])
  return conflicts.find(({ account_id }) => account_id === accountId)
}

/** Returns the product instances of devices, by UDI digest, that satellites have reported. */
export function findConflictingInstances(tx: Tx, udis: readonly string[]): Promise<ConflictingInstance[]> {
  return tx
    .selectFrom('reported_instances as one')
    .innerJoin('satellites', 'satellites.id', 'one.satellite_id')
    .select(['one.id', 'one.kind', 'one.pid', 'one.serial', 'one.satellite_id as satelliteId'])
    .select(['satellites.name as satellite', 'satellites.account_id', 'one.udi'])
    .where('one.udi', 'in', udis)
    .where('one.status', '=', sql.lit('active'))
    .where((or) =>
      or.or([or('satellites.status', '<>', sql.lit('expired')), or('one.kind', '=', 'reserved')]),
    )
    .execute()
}

/** Returns a reservation whose satellite is removed or expired. */
export async function findOrphanedReservation(tx: Tx, account: Account, id: string) {
  return tx
    .selectFrom('reported_instances as one')
    .innerJoin('satellites', 'satellites.id', 'one.satellite_id')
    .innerJoin('virtual_accounts as va', 'va.id', 'one.virtual_account_id')
    .selectAll('one')
    .select(['satellites.name as satellite', 'va.name as virtualAccount'])
    .select('satellites.status as satelliteStatus')
    .where('one.id', '=', id)
    .where('one.kind', '=', 'reserved')
    .where('one.status', '=', sql.lit('active'))
    .where('satellites.account_id', '=', account.id)
    .where('satellites.status', 'in', ['removed', 'expired'])
    .executeTakeFirst()
}

/** A satellite whose product instances are listed. Those of an expired one are listed only if they are reserved. */
export type ListedSatellite = Pick<Selectable<Tables['satellites']>, 'id' | 'status'>

/** Returns the satellites with reported product instances, ordered by name. */
export function listReportingSatellites(tx: Tx, accountId: string): Promise<ListedSatellite[]> {
  return tx
    .selectFrom('satellites')
    .select(['id', 'status'])
    .where('account_id', '=', accountId)
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom('reported_instances as one')
          .select('one.id')
          .whereRef('one.satellite_id', '=', 'satellites.id')
          .where('one.status', '=', sql.lit('active')),
      ),
    )
    .orderBy('name')
    .orderBy('id')
    .execute()
}

/** Selects the product instances of a satellite for a list. */
export function selectReportedRows(
  tx: Tx,
  satellite: ListedSatellite,
  { virtualAccountIds }: InstanceScope,
): InstanceRows {
  let query = tx
    .selectFrom('reported_instances')
    .select(['id', 'since_at as at', 'pid', 'serial', 'hostname'])
    .where('satellite_id', '=', satellite.id)
    .where('status', '=', sql.lit('active'))
  if (satellite.status === 'expired') query = query.where('kind', '=', 'reserved')
  if (virtualAccountIds !== null) query = query.where('virtual_account_id', 'in', virtualAccountIds)
  return query
}

/** Returns the product instances of satellites, as last reported, in the order of their ids. Other ids are left out. */
export async function readReportedInstances(
  { tx, account, at }: Pick<AccountContext, 'tx' | 'account' | 'at'>,
  ids: readonly string[],
): Promise<InstanceDocument[]> {
  if (ids.length === 0) return []
  const found = await tx
    .selectFrom('reported_instances as one')
    .innerJoin('satellites', 'satellites.id', 'one.satellite_id')
    .innerJoin('virtual_accounts as va', 'va.id', 'one.virtual_account_id')
    .selectAll('one')
    .select(['satellites.name as satellite', 'va.name as virtualAccount', 'satellites.answered_at'])
    .select(['satellites.account_id', 'satellites.status as satelliteStatus'])
    // The ids alone choose the index. With further conditions SQLite reads all instances of the satellites.
    .where('one.id', 'in', ids)
    .execute()
  const rows = found.filter(
    (one) =>
      one.account_id === account.id &&
      one.status === 'active' &&
      (one.satelliteStatus !== 'expired' || one.kind === 'reserved'),
  )
  const compliance = await readCompliance(
    tx,
    rows.map((row) => row.virtual_account_id),
    at,
  )
  const documents = new Map(
    rows.map((row): [string, InstanceDocument] => {
      const counts = new Map<string, number>()
      for (const { tag, count, endsAt } of parseLicenses(row))
        if (endsAt === null || at < endsAt) counts.set(tag, (counts.get(tag) ?? 0) + count)
      const usage = [...counts].map(([tag, count]) => ({ tag, count }))
      const rated =
        row.kind === 'reserved'
          ? {
              entitlements: usage.map((one) => ({ ...one, status: 'reserved' as const })),
              status: 'reserved' as const,
            }
          : rateUsage(usage, (tag) => compliance(row.virtual_account_id, tag))
      return [
        row.id,
        {
          id: row.id,
          udi: { pid: row.pid, serial: row.serial, version: row.version },
          hostname: row.hostname,
          virtualAccount: row.virtualAccount,
          satellite: row.satellite,
          status: rated.status,
          exportControlled: false,
          inReview: false,
          registeredAt: toIsoString(row.since_at),
          lastContactAt: toIsoString(row.answered_at),
          expiresAt: null,
          entitlements: rated.entitlements,
          reservation: null,
        },
      ]
    }),
  )
  return ids.flatMap((id) => documents.get(id) ?? [])
}
