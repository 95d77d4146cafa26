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
import type { Account } from '../context/account-context.ts'
import type { InstanceDocument } from '../inventory/instances.ts'
import { recomputeCompliance, adjustUsage } from '../inventory/pools.ts'
import type { Tables } from '../store/tables.ts'
import type { Tx } from '../store/store.ts'

type ReportedRow = Selectable<Tables['reported_instances']>

/** Rows that are read or written at a time. */
const BATCH_SIZE = 500

const licensesSchema = z.array(
  z.object({ tag: entitlementTagSchema, count: z.number(), endsAt: z.number().nullable() }),
)
const parseLicenses = (row: Pick<ReportedRow, 'licenses'>): ReportedLicense[] =>
  licensesSchema.parse(JSON.parse(row.licenses))

/** A row as it was reported. */
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

/** What changes of pools a report makes, gathered: `virtual account, tag` to the change of what is in use. */
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

/** The satellite whose product instances a transaction of its manager works on. */
export interface ReportedContext {
  readonly tx: Tx
  readonly satellite: Pick<Selectable<Tables['satellites']>, 'id' | 'status'>
  readonly at: Instant
}

/** Tells whether the instances count for pools. Those of a satellite that was taken out do not. */
const isCounted = ({ satellite }: ReportedContext): boolean => satellite.status !== 'expired'

/**
 * Takes what was reported: each instance as it is now. Taken twice, it is there once; what has ended does not come back.
 *
 * @param place finds the manager's virtual account that one of the satellite's counts for
 */
export async function takeReport(
  context: ReportedContext,
  instances: readonly ReportedInstance[],
  ended: readonly RemovalRecord[],
  place: (virtualAccount: string) => string,
): Promise<void> {
  const changes = new PoolChanges()
  for (const batch of splitBatches(instances)) {
    const before = await findRows(context, idsOf(batch))
    await stopCounting(context, [...before.values()], changes)
    const open = batch.filter(({ id }) => (before.get(id)?.status ?? 'active') === 'active')
    const rows = open.map((one): ReportedRow => ({
      satellite_id: context.satellite.id,
      id: one.id,
      kind: one.kind,
      status: 'active',
      pid: one.pid,
      serial: one.serial,
      version: one.version,
      udi: hashUdi(one.pid, one.serial),
      hostname: one.hostname,
      virtual_account: one.virtualAccount,
      virtual_account_id: place(one.virtualAccount),
      // A clock that is ahead makes nothing newer than it can be.
      since_at: Math.min(one.since, context.at),
      licenses: JSON.stringify(one.licenses),
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

/** Ends the counting of an instance that gave way to a newer registration elsewhere. The satellite hears of it. */
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

/** Counts what is registered at the satellite for the pools, or does so no more. What is reserved counts on. */
export async function countReported(context: ReportedContext, sign: 1 | -1): Promise<void> {
  const changes = new PoolChanges()
  for (const row of await activeRows(context))
    if (row.kind === 'registered') changes.addUsage(row.virtual_account_id, parseLicenses(row), sign)
  await changes.apply(context.tx, context.at)
}

/** Counts what is in use anew, from the instances themselves: whatever had gone wrong is right again. */
export async function rebuildUse(context: ReportedContext): Promise<void> {
  const places = await context.tx
    .selectFrom('virtual_accounts')
    .select('id')
    .where('satellite_id', '=', context.satellite.id)
    .execute()
  const right = new Map<string, number>()
  for (const row of await activeRows(context)) {
    if (row.kind !== 'registered') continue
    for (const { tag, count } of parseLicenses(row)) {
      const key = `${row.virtual_account_id} ${tag}`
      right.set(key, (right.get(key) ?? 0) + count)
    }
  }
  const pools = await context.tx
    .selectFrom('pools')
    .selectAll()
    .where(
      'virtual_account_id',
      'in',
      places.map(({ id }) => id),
    )
    .execute()
  for (const { virtual_account_id, tag, in_use } of pools) {
    const change = (right.get(`${virtual_account_id} ${tag}`) ?? 0) - in_use
    if (change !== 0) await adjustUsage(context.tx, virtual_account_id, tag, change, context.at)
  }
}

/** Ends what the satellite was told to end, and a full report does not name any more. */
export async function endReplaced(context: ReportedContext, listed: ReadonlySet<string>): Promise<void> {
  const rows = await listReplaced(context)
  for (const batch of splitBatches(rows.filter((id) => !listed.has(id)))) await end(context, batch)
}

/** Ends what had ended before this manager was restored, as the satellite's full report shows. */
export async function endMissing(context: ReportedContext, ids: readonly string[]): Promise<void> {
  const changes = new PoolChanges()
  for (const batch of splitBatches(ids)) {
    await stopCounting(context, [...(await findRows(context, batch)).values()], changes)
    await end(context, batch)
  }
  await changes.apply(context.tx, context.at)
}

/** Lists what the satellite is told to end, until it says that it has. */
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
 * Forgets what is registered at the satellite: it is removed, and its mandate has ended. A box that works from a
 * reservation never asks: what is reserved counts until its own end, or until a person answers for it.
 *
 * @param all what is reserved too: the satellite tells of it anew
 */
export async function forgetReported(context: ReportedContext, { all = false } = {}): Promise<void> {
  const changes = new PoolChanges()
  const rows = (await activeRows(context)).filter(({ kind }) => all || kind === 'registered')
  await stopCounting(context, rows, changes)
  for (const batch of splitBatches(rows)) await end(context, idsOf(batch))
  await changes.apply(context.tx, context.at)
}

/** Ends what a satellite that is no more had reserved: a person has answered for the box. */
export async function writeOffReported(context: ReportedContext, id: string): Promise<void> {
  const changes = new PoolChanges()
  await stopCounting(context, [...(await findRows(context, [id])).values()], changes)
  await end(context, [id])
  await changes.apply(context.tx, context.at)
}

/** Lists the instances that are active, as they were reported. */
export async function listActive(context: ReportedContext): Promise<ReportedInstance[]> {
  return (await activeRows(context)).map(toReportedInstance)
}

/** Finds those of the instances that the manager knows to have ended. */
export async function findEnded(context: ReportedContext, ids: readonly string[]): Promise<Set<string>> {
  const ended = new Set<string>()
  for (const batch of splitBatches(ids)) {
    for (const { id, status } of (await findRows(context, batch)).values())
      if (status === 'ended') ended.add(id)
  }
  return ended
}

/** Sums up the instances, to compare with what the satellite says of itself. */
export async function readTotals(context: ReportedContext): Promise<SyncCounts> {
  const counts = await context.tx
    .selectFrom('reported_instances')
    .select(['kind', (eb) => eb.fn.countAll<number>().as('count')])
    .where('satellite_id', '=', context.satellite.id)
    .where('status', '=', sql.lit('active'))
    .groupBy('kind')
    .execute()
  const of = (kind: ReportedRow['kind']) => counts.find((one) => one.kind === kind)?.count ?? 0
  // A virtual account of a satellite has no other instances: what is in use there is the satellite's.
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
    registered: of('registered'),
    reserved: of('reserved'),
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

/** Ends the counting of rows. */
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

/** A product instance of a satellite, as a rival of one that would be the manager's own. */
export interface ConflictingInstance {
  readonly id: string
  readonly kind: 'registered' | 'reserved'
  readonly pid: string
  readonly serial: string
  readonly satelliteId: string
  readonly satellite: string
  readonly account_id: string
  /** The digest of its UDI. */
  readonly udi: string
}

/** The product instance of a box that a satellite of the account has told of. */
export async function findConflictingInstance(
  tx: Tx,
  accountId: string,
  { pid, serial }: { pid: string; serial: string },
): Promise<ConflictingInstance | undefined> {
  const conflicts = await findConflictingInstances(tx, [hashUdi(pid, serial)])
  return conflicts.find(({ account_id }) => account_id === accountId)
}

/** The product instances that satellites have told of, of boxes with these digests of their UDIs. */
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

/** A box that a satellite had reserved licenses for, and the satellite is out of reach: removed, or taken out. */
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

/** The product instances of an account's satellites, or the one of that id, as the manager knows them. */
export async function listReportedInstances(
  tx: Tx,
  account: Account,
  at: Instant,
  id?: string,
): Promise<InstanceDocument[]> {
  let query = tx
    .selectFrom('reported_instances as one')
    .innerJoin('satellites', 'satellites.id', 'one.satellite_id')
    .innerJoin('virtual_accounts as va', 'va.id', 'one.virtual_account_id')
    .selectAll('one')
    .select(['satellites.name as satellite', 'va.name as virtualAccount', 'satellites.answered_at'])
    .where('satellites.account_id', '=', account.id)
    .where((or) =>
      or.or([or('satellites.status', '<>', sql.lit('expired')), or('one.kind', '=', 'reserved')]),
    )
    .where('one.status', '=', sql.lit('active'))
    .orderBy('one.since_at')
    .orderBy('one.serial')
  if (id !== undefined) query = query.where('one.id', '=', id)
  const compliance = new Map<string, boolean>()
  const compliant = async (virtualAccountId: string, tag: string): Promise<boolean> => {
    const key = `${virtualAccountId} ${tag}`
    const known = compliance.get(key) ?? (await recomputeCompliance(tx, virtualAccountId, tag, at)).compliant
    compliance.set(key, known)
    return known
  }
  const documents: InstanceDocument[] = []
  for (const row of await query.execute()) {
    const counts = new Map<string, number>()
    for (const { tag, count, endsAt } of parseLicenses(row))
      if (endsAt === null || at < endsAt) counts.set(tag, (counts.get(tag) ?? 0) + count)
    const entitlements = []
    for (const [tag, count] of counts) {
      const good = row.kind === 'reserved' || (await compliant(row.virtual_account_id, tag))
      const status =
        row.kind === 'reserved'
          ? ('reserved' as const)
          : good
            ? ('in-compliance' as const)
            : ('out-of-compliance' as const)
      entitlements.push({ tag, count, status })
    }
    documents.push({
      id: row.id,
      udi: { pid: row.pid, serial: row.serial, version: row.version },
      hostname: row.hostname,
      virtualAccount: row.virtualAccount,
      satellite: row.satellite,
      status:
        row.kind === 'reserved'
          ? 'reserved'
          : entitlements.some(({ status }) => status === 'out-of-compliance')
            ? 'out-of-compliance'
            : 'in-compliance',
      exportControlled: false,
      inReview: false,
      registeredAt: toIsoString(row.since_at),
      lastContactAt: toIsoString(row.answered_at),
      expiresAt: null,
      entitlements,
      reservation: null,
    })
  }
  return documents
}
