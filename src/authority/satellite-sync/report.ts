import { sql } from 'kysely'
import { hashUdi } from '../../protocol/digest.ts'
import type {
  RedactableField,
  RemovalRecord,
  ReportedInstance,
  ReportedLicense,
  SyncCounts,
} from '../../protocol/sync-request.ts'
import type { Instant } from '../../core/time.ts'
import { adjustUsage } from '../inventory/pools.ts'
import { toReservedIntervals, type ReservedQuantity } from '../policy.ts'
import type { Tx } from '../store/store.ts'

/** Contents of a report to the manager. */
export interface Report {
  readonly instances: readonly ReportedInstance[]
  readonly ended: readonly RemovalRecord[]
  readonly totals: SyncCounts
}

/**
 * Collects the changes since an exchange, or a full report.
 *
 * @param options.since the last exchange that the manager has processed, or 0
 * @param options.full true for all active instances, and those that have ended since
 */
export async function buildReport(
  tx: Tx,
  {
    since,
    full,
    redactedFields,
    at,
  }: { since: number; full: boolean; redactedFields: readonly RedactableField[]; at: Instant },
): Promise<Report> {
  const registered = await collectRegistered(tx, since, full)
  const reserved = await collectReserved(tx, since, full, at)
  const redact = (instance: ReportedInstance): ReportedInstance => ({
    ...instance,
    serial: redactedFields.includes('serial-numbers')
      ? `sha256:${hashUdi(instance.pid, instance.serial)}`
      : instance.serial,
    hostname: redactedFields.includes('hostnames') ? null : instance.hostname,
  })
  return {
    instances: [...registered.instances, ...reserved.instances].map(redact).sort(compareById),
    ended: [...registered.ended, ...reserved.ended].sort(compareById),
    totals: await computeTotals(tx),
  }
}

// Sorting in the database would scan all rows.
const compareById = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1)
const compareByTag = (a: { tag: string }, b: { tag: string }): number => (a.tag < b.tag ? -1 : 1)

async function collectRegistered(tx: Tx, since: number, full: boolean) {
  const rows = await tx
    .selectFrom('instances')
    .innerJoin('virtual_accounts as va', 'va.id', 'instances.virtual_account_id')
    .select([
      'instances.id',
      'instances.pid',
      'instances.serial',
      'instances.version',
      'instances.hostname',
      'instances.status',
      'instances.registered_at as since',
      'va.name as virtualAccount',
    ])
    .where((or) =>
      or.or([or('revision', '>', since), ...(full ? [or('instances.status', '=', sql.lit('active'))] : [])]),
    )
    .execute()
  const usage = await tx
    .selectFrom('instance_usage')
    .innerJoin('instances', 'instances.id', 'instance_usage.instance_id')
    .select(['instance_id as id', 'tag', 'count'])
    .where((or) =>
      or.or([or('revision', '>', since), ...(full ? [or('instances.status', '=', sql.lit('active'))] : [])]),
    )
    .execute()
  const licenses = new Map<string, ReportedLicense[]>()
  for (const { id, tag, count } of usage) {
    const list = licenses.get(id)
    if (list) list.push({ tag, count, endsAt: null })
    else licenses.set(id, [{ tag, count, endsAt: null }])
  }
  const instances: ReportedInstance[] = []
  const ended: RemovalRecord[] = []
  for (const { status, ...row } of rows) {
    if (status !== 'active') ended.push({ id: row.id, how: status })
    else
      instances.push({ kind: 'registered', ...row, licenses: licenses.get(row.id)?.sort(compareByTag) ?? [] })
  }
  return { instances, ended }
}

async function collectReserved(tx: Tx, since: number, full: boolean, at: Instant) {
  const rows = await tx
    .selectFrom('reservations')
    .innerJoin('virtual_accounts as va', 'va.id', 'reservations.virtual_account_id')
    .selectAll('reservations')
    .select('va.name as virtualAccount')
    .where((or) =>
      or.or([
        or('revision', '>', since),
        ...(full ? [or('reservations.status', '=', sql.lit('active'))] : []),
      ]),
    )
    .execute()
  const instances: ReportedInstance[] = []
  const ended: RemovalRecord[] = []
  for (const row of rows) {
    if (row.status !== 'active') {
      ended.push({ id: row.id, how: row.status })
      continue
    }
    const parts = await tx
      .selectFrom('reserved_licenses')
      .select(['sequence', 'tag', 'count', 'ends_at as endsAt'])
      .where('reservation_id', '=', row.id)
      .where('sequence', '>=', row.confirmed)
      .execute()
    const licenses: ReportedLicense[] = []
    for (const tag of [...new Set(parts.map((part) => part.tag))].sort()) {
      const authorizations = new Map<number, ReservedQuantity[]>()
      for (const part of parts.filter((reserved) => reserved.tag === tag))
        authorizations.set(part.sequence, [...(authorizations.get(part.sequence) ?? []), part])
      licenses.push(
        ...toReservedIntervals([...authorizations.values()], at).map((part) => ({ tag, ...part })),
      )
    }
    const { id, pid, serial, version, virtualAccount, created_at } = row
    instances.push({
      kind: 'reserved',
      id,
      pid,
      serial,
      version,
      virtualAccount,
      since: created_at,
      hostname: null,
      licenses,
    })
  }
  return { instances, ended }
}

/** Returns the totals of this satellite, as its pools have them. */
export async function computeTotals(tx: Tx): Promise<SyncCounts> {
  const count = async (table: 'instances' | 'reservations'): Promise<number> => {
    const { number } = await tx
      .selectFrom(table)
      .select((eb) => eb.fn.countAll<number>().as('number'))
      .where('status', '=', sql.lit('active'))
      .executeTakeFirstOrThrow()
    return number
  }
  const use = await tx
    .selectFrom('pools')
    .select(['tag', (eb) => eb.fn.sum<number>('in_use').as('count')])
    .where('in_use', '<>', 0)
    .groupBy('tag')
    .orderBy('tag')
    .execute()
  return {
    registered: await count('instances'),
    reserved: await count('reservations'),
    use,
  }
}

/** Recomputes the usage of all pools from the instances, which corrects any difference. */
export async function recomputePools(tx: Tx, at: Instant): Promise<void> {
  const sums = await tx
    .selectFrom('instance_usage')
    .innerJoin('instances', 'instances.id', 'instance_usage.instance_id')
    .select(['virtual_account_id as virtualAccountId', 'tag', (eb) => eb.fn.sum<number>('count').as('count')])
    .where('status', '=', sql.lit('active'))
    .groupBy(['virtual_account_id', 'tag'])
    .execute()
  const expected = new Map(
    sums.map(({ virtualAccountId, tag, count }) => [`${virtualAccountId} ${tag}`, count]),
  )
  for (const { virtual_account_id, tag, in_use } of await tx.selectFrom('pools').selectAll().execute()) {
    const change = (expected.get(`${virtual_account_id} ${tag}`) ?? 0) - in_use
    if (change !== 0) await adjustUsage(tx, virtual_account_id, tag, change, at)
  }
}
