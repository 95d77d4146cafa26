import { sql } from 'kysely'
import { udiDigest } from '../../protocol/digest.ts'
import type {
  Leavable,
  ReportedEnd,
  ReportedInstance,
  ReportedLicense,
  Totals,
} from '../../protocol/sync-request.ts'
import type { Instant } from '../../core/time.ts'
import { changeUse } from '../inventory/pools.ts'
import { heldParts, type ReservedPart } from '../policy.ts'
import type { Tx } from '../store/store.ts'

/** What of a satellite's boxes goes up. */
export interface Report {
  readonly instances: readonly ReportedInstance[]
  readonly ended: readonly ReportedEnd[]
  readonly totals: Totals
}

/**
 * Gathers what a satellite reports: whatever has changed since an exchange, or everything.
 *
 * @param since the exchange that the manager is known to have heard; 0 for none
 * @param full everything that is, and what has ended since
 */
export async function gatherReport(
  tx: Tx,
  { since, full, leftOut, at }: { since: number; full: boolean; leftOut: readonly Leavable[]; at: Instant },
): Promise<Report> {
  const registered = await gatherRegistered(tx, since, full)
  const reserved = await gatherReserved(tx, since, full, at)
  const hidden = (one: ReportedInstance): ReportedInstance => ({
    ...one,
    serial: leftOut.includes('serial-numbers') ? `sha256:${udiDigest(one.pid, one.serial)}` : one.serial,
    hostname: leftOut.includes('hostnames') ? null : one.hostname,
  })
  return {
    instances: [...registered.instances, ...reserved.instances].map(hidden).sort(byId),
    ended: [...registered.ended, ...reserved.ended].sort(byId),
    totals: await gatherTotals(tx),
  }
}

// By the database it would be sorted by a walk through everything there is.
const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1)
const byTag = (a: { tag: string }, b: { tag: string }): number => (a.tag < b.tag ? -1 : 1)

async function gatherRegistered(tx: Tx, since: number, full: boolean) {
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
  const demands = await tx
    .selectFrom('instance_usage')
    .innerJoin('instances', 'instances.id', 'instance_usage.instance_id')
    .select(['instance_id as id', 'tag', 'count'])
    .where((or) =>
      or.or([or('revision', '>', since), ...(full ? [or('instances.status', '=', sql.lit('active'))] : [])]),
    )
    .execute()
  const licenses = new Map<string, ReportedLicense[]>()
  for (const { id, tag, count } of demands) {
    const list = licenses.get(id)
    if (list) list.push({ tag, count, endsAt: null })
    else licenses.set(id, [{ tag, count, endsAt: null }])
  }
  const instances: ReportedInstance[] = []
  const ended: ReportedEnd[] = []
  for (const { status, ...row } of rows) {
    if (status !== 'active') ended.push({ id: row.id, how: status })
    else instances.push({ kind: 'registered', ...row, licenses: licenses.get(row.id)?.sort(byTag) ?? [] })
  }
  return { instances, ended }
}

async function gatherReserved(tx: Tx, since: number, full: boolean, at: Instant) {
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
  const ended: ReportedEnd[] = []
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
      const authorizations = new Map<number, ReservedPart[]>()
      for (const part of parts.filter((one) => one.tag === tag))
        authorizations.set(part.sequence, [...(authorizations.get(part.sequence) ?? []), part])
      licenses.push(...heldParts([...authorizations.values()], at).map((part) => ({ tag, ...part })))
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

/** What there is altogether, as the pools of this satellite have it. */
export async function gatherTotals(tx: Tx): Promise<Totals> {
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
    use: use,
  }
}

/** Counts what is in use anew, from what each instance uses: whatever had gone wrong is right again. */
export async function rebuildPools(tx: Tx, at: Instant): Promise<void> {
  const sums = await tx
    .selectFrom('instance_usage')
    .innerJoin('instances', 'instances.id', 'instance_usage.instance_id')
    .select(['virtual_account_id as place', 'tag', (eb) => eb.fn.sum<number>('count').as('count')])
    .where('status', '=', sql.lit('active'))
    .groupBy(['virtual_account_id', 'tag'])
    .execute()
  const right = new Map(sums.map(({ place, tag, count }) => [`${place} ${tag}`, count]))
  for (const { virtual_account_id, tag, in_use } of await tx.selectFrom('pools').selectAll().execute()) {
    const change = (right.get(`${virtual_account_id} ${tag}`) ?? 0) - in_use
    if (change !== 0) await changeUse(tx, virtual_account_id, tag, change, at)
  }
}
