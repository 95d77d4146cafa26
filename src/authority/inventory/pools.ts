import { sql } from 'kysely'
import { groupBy } from '../../core/group-by.ts'
import type { Instant } from '../../core/time.ts'
import { type LogEntry, logEvent } from '../events/event-log.ts'
import { isCompliant, countReserved, type Lot, type ReservedQuantity } from '../policy.ts'
import { markInstanceChanged } from '../store/revisions.ts'
import type { Tx } from '../store/store.ts'

/** The purchased, used and reserved licenses of one tag in a virtual account. */
export interface Pool {
  readonly tag: string
  readonly owned: number
  readonly inUse: number
  readonly reserved: number
  readonly compliant: boolean
}

export async function listLots(tx: Tx, virtualAccountId: string, tag: string): Promise<Lot[]> {
  return tx
    .selectFrom('licenses')
    .select(['quantity', 'starts_at as startsAt', 'ends_at as endsAt'])
    .where('virtual_account_id', '=', virtualAccountId)
    .where('tag', '=', tag)
    .execute()
}

/**
 * Returns a function of time for the reserved licenses of a pool.
 *
 * @param except id of a reservation to leave out, because it is being changed
 */
export async function sumHoldings(
  tx: Tx,
  virtualAccountId: string,
  tag: string,
  except?: string,
): Promise<(at: Instant) => number> {
  let query = tx
    .selectFrom('reserved_licenses as part')
    .innerJoin('reservations as r', 'r.id', 'part.reservation_id')
    .select(['r.id', 'part.sequence', 'part.count', 'part.ends_at as endsAt'])
    .where('r.virtual_account_id', '=', virtualAccountId)
    .where('r.status', '=', sql.lit('active'))
    .whereRef('part.sequence', '>=', 'r.confirmed')
    .where('part.tag', '=', tag)
  if (except !== undefined) query = query.where('r.id', '<>', except)
  const reservations = new Map<string, Map<number, ReservedQuantity[]>>()
  for (const { id, sequence, ...part } of await query.execute()) {
    const authorizations = reservations.get(id) ?? new Map<number, ReservedQuantity[]>()
    authorizations.set(sequence, [...(authorizations.get(sequence) ?? []), part])
    reservations.set(id, authorizations)
  }
  const held = [...reservations.values()].map((authorizations) => [...authorizations.values()])
  // A satellite's reservations count until their own end, whatever its status: reserved devices make no requests.
  const below = await tx
    .selectFrom('reported_reserved')
    .select(['count', 'ends_at as endsAt'])
    .where('virtual_account_id', '=', virtualAccountId)
    .where('tag', '=', tag)
    .execute()
  return (at) =>
    held.reduce((sum, authorizations) => sum + countReserved(authorizations, at), countReserved([below], at))
}

/** Reads a pool and computes its totals at an instant. */
export async function readPool(
  tx: Tx,
  virtualAccountId: string,
  tag: string,
  at: Instant,
): Promise<{
  row: { in_use: number; out_of_compliance: number } | undefined
  owned: number
  reserved: number
}> {
  // Summed by the database, because a pool may have many lots.
  const { owned } = await tx
    .selectFrom('licenses')
    .select((eb) => eb.fn.coalesce(eb.fn.sum<number>('quantity'), eb.lit(0)).as('owned'))
    .where('virtual_account_id', '=', virtualAccountId)
    .where('tag', '=', tag)
    .where('starts_at', '<=', at)
    .where((or) => or.or([or('ends_at', 'is', null), or('ends_at', '>', at)]))
    .executeTakeFirstOrThrow()
  const held = await sumHoldings(tx, virtualAccountId, tag)
  const row = await tx
    .selectFrom('pools')
    .select(['in_use', 'out_of_compliance'])
    .where('virtual_account_id', '=', virtualAccountId)
    .where('tag', '=', tag)
    .executeTakeFirst()
  return { row, owned, reserved: held(at) }
}

/** A pool and its virtual account. */
export interface LocatedPool extends Pool {
  readonly virtualAccountId: string
}

/**
 * Reads the pools of virtual accounts with a few statements, ordered by virtual account, and logs changes of their
 * compliance (R-AUTH-2). A pool without licenses, usage and reservations is left out.
 */
export async function listPools(
  tx: Tx,
  virtualAccountIds: readonly string[],
  at: Instant,
): Promise<LocatedPool[]> {
  const ids = [...new Set(virtualAccountIds)]
  if (ids.length === 0) return []
  const owned = await tx
    .selectFrom('licenses')
    .select(['virtual_account_id', 'tag'])
    .select(
      sql<number>`coalesce(sum(case when starts_at <= ${at} and (ends_at is null or ends_at > ${at}) then quantity end), 0)`.as(
        'owned',
      ),
    )
    .where('virtual_account_id', 'in', ids)
    .groupBy(['virtual_account_id', 'tag'])
    .orderBy('virtual_account_id')
    .orderBy('tag')
    .execute()
  const used = await tx.selectFrom('pools').selectAll().where('virtual_account_id', 'in', ids).execute()
  const reserved = await sumReservations(tx, ids, at)
  const pools = new Map<string, { virtualAccountId: string; tag: string; owned: number; reserved: number }>()
  const find = (virtualAccountId: string, tag: string) => {
    const key = toPoolKey(virtualAccountId, tag)
    const found = pools.get(key) ?? { virtualAccountId, tag, owned: 0, reserved: 0 }
    pools.set(key, found)
    return found
  }
  for (const row of owned) find(row.virtual_account_id, row.tag).owned = row.owned
  for (const row of used) if (row.in_use > 0) find(row.virtual_account_id, row.tag)
  for (const row of reserved) find(row.virtualAccountId, row.tag).reserved += row.count
  const rows = new Map(used.map((row) => [toPoolKey(row.virtual_account_id, row.tag), row]))
  const result: LocatedPool[] = []
  for (const { virtualAccountId, ...counts } of pools.values()) {
    const row = rows.get(toPoolKey(virtualAccountId, counts.tag))
    const pool = { ...counts, inUse: row?.in_use ?? 0 }
    const compliant = isCompliant(pool)
    if (row && compliant !== (row.out_of_compliance === 0))
      await recomputeCompliance(tx, virtualAccountId, pool.tag, at)
    result.push({ ...pool, virtualAccountId, compliant })
  }
  return result
}

const toPoolKey = (virtualAccountId: string, tag: string): string => `${virtualAccountId} ${tag}`

/** Returns the licenses that reservations hold at an instant. A pool may occur in several rows. */
async function sumReservations(
  tx: Tx,
  virtualAccountIds: readonly string[],
  at: Instant,
): Promise<{ virtualAccountId: string; tag: string; count: number }[]> {
  const current = sql<number>`coalesce(sum(case when ends_at is null or ends_at > ${at} then count end), 0)`
  const held = await tx
    .selectFrom('reserved_licenses as part')
    .innerJoin('reservations as r', 'r.id', 'part.reservation_id')
    .select(['r.virtual_account_id as virtualAccountId', 'part.tag', current.as('count')])
    .where('r.virtual_account_id', 'in', virtualAccountIds)
    .where('r.status', '=', sql.lit('active'))
    .whereRef('r.sequence', '=', 'r.confirmed')
    .whereRef('part.sequence', '=', 'r.sequence')
    .groupBy(['r.virtual_account_id', 'part.tag'])
    .execute()
  const reported = await tx
    .selectFrom('reported_reserved')
    .select(['virtual_account_id as virtualAccountId', 'tag', current.as('count')])
    .where('virtual_account_id', 'in', virtualAccountIds)
    .groupBy(['virtual_account_id', 'tag'])
    .execute()
  return [...held, ...reported, ...(await sumPendingReservations(tx, virtualAccountIds, at))]
}

/** Returns the licenses of reservations with an unconfirmed update, which hold the larger of two quantities. */
async function sumPendingReservations(
  tx: Tx,
  virtualAccountIds: readonly string[],
  at: Instant,
): Promise<{ virtualAccountId: string; tag: string; count: number }[]> {
  const parts = await tx
    .selectFrom('reserved_licenses as part')
    .innerJoin('reservations as r', 'r.id', 'part.reservation_id')
    .select(['r.id', 'r.virtual_account_id as virtualAccountId'])
    .select(['part.tag', 'part.sequence', 'part.count', 'part.ends_at as endsAt'])
    .where('r.virtual_account_id', 'in', virtualAccountIds)
    .where('r.status', '=', sql.lit('active'))
    .whereRef('r.sequence', '<>', 'r.confirmed')
    .whereRef('part.sequence', '>=', 'r.confirmed')
    .execute()
  const reservations = groupBy(parts, ({ id, tag }) => `${id} ${tag}`)
  return [...reservations.values()].flatMap((all) => {
    const [first] = all
    if (!first) return []
    const { virtualAccountId, tag } = first
    const authorizations = [...groupBy(all, ({ sequence }) => sequence).values()]
    return [{ virtualAccountId, tag, count: countReserved(authorizations, at) }]
  })
}

/** Returns a function that tells whether a pool of the virtual accounts is compliant. */
export async function readCompliance(
  tx: Tx,
  virtualAccountIds: readonly string[],
  at: Instant,
): Promise<(virtualAccountId: string, tag: string) => boolean> {
  const pools = await listPools(tx, virtualAccountIds, at)
  const excess = new Set(
    pools.filter(({ compliant }) => !compliant).map((one) => toPoolKey(one.virtualAccountId, one.tag)),
  )
  return (virtualAccountId, tag) => !excess.has(toPoolKey(virtualAccountId, tag))
}

/** Reads a pool and logs a change of its compliance (R-AUTH-2). */
export async function recomputeCompliance(
  tx: Tx,
  virtualAccountId: string,
  tag: string,
  at: Instant,
): Promise<Pool> {
  const { row, owned, reserved } = await readPool(tx, virtualAccountId, tag, at)
  const counts = { tag, owned, inUse: row?.in_use ?? 0, reserved }
  const pool = { ...counts, compliant: isCompliant(counts) }
  if (row && pool.compliant !== (row.out_of_compliance === 0)) {
    await writePools(tx, [{ ...pool, virtualAccountId }])
    await logEvent(tx, await createComplianceEvent(tx, virtualAccountId, pool, at))
  }
  return pool
}

export async function writePools(
  tx: Tx,
  pools: readonly (Pick<Pool, 'tag' | 'inUse' | 'compliant'> & { virtualAccountId: string })[],
): Promise<void> {
  if (pools.length === 0) return
  await tx
    .insertInto('pools')
    .values(
      pools.map(({ virtualAccountId, tag, inUse, compliant }) => ({
        virtual_account_id: virtualAccountId,
        tag,
        in_use: inUse,
        out_of_compliance: compliant ? 0 : 1,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(['virtual_account_id', 'tag']).doUpdateSet((eb) => ({
        in_use: eb.ref('excluded.in_use'),
        out_of_compliance: eb.ref('excluded.out_of_compliance'),
      })),
    )
    .execute()
}

/** Writes the usage of instances by tag. A usage of 0 deletes the row. */
export async function saveInstanceUsage(
  tx: Tx,
  usage: ReadonlyMap<string, ReadonlyMap<string, number>>,
): Promise<void> {
  const rows = [...usage].flatMap(([instance_id, tags]) =>
    [...tags].map(([tag, count]) => ({ instance_id, tag, count })),
  )
  const kept = rows.filter(({ count }) => count > 0)
  for (const { instance_id, tag, count } of rows)
    if (count === 0)
      await tx
        .deleteFrom('instance_usage')
        .where('instance_id', '=', instance_id)
        .where('tag', '=', tag)
        .execute()
  if (kept.length > 0)
    await tx
      .insertInto('instance_usage')
      .values(kept)
      .onConflict((conflict) =>
        conflict.columns(['instance_id', 'tag']).doUpdateSet((eb) => ({ count: eb.ref('excluded.count') })),
      )
      .execute()
}

/** Creates the event log entry for a change of a pool's compliance. */
export async function createComplianceEvent(
  tx: Tx,
  virtualAccountId: string,
  pool: Pool,
  at: Instant,
): Promise<LogEntry> {
  const account = await tx
    .selectFrom('virtual_accounts')
    .select(['name', 'account_id'])
    .where('id', '=', virtualAccountId)
    .executeTakeFirst()
  return {
    at,
    type: pool.compliant ? 'LICENSES_SUFFICIENT' : 'INSUFFICIENT_LICENSES',
    severity: pool.compliant ? 'info' : 'major',
    accountId: account?.account_id ?? null,
    virtualAccount: account?.name ?? null,
    message: `${pool.tag}: ${pool.inUse} in use, ${pool.reserved === 0 ? '' : `${pool.reserved} reserved, `}${pool.owned} owned.`,
  }
}

/** Replaces the usage of an instance. An empty list returns all licenses (R-ACC-4). */
export async function setInstanceUsage(
  tx: Tx,
  instance: { id: string; virtualAccountId: string },
  wanted: readonly { tag: string; count: number }[],
  at: Instant,
): Promise<void> {
  const before = new Map(
    (
      await tx
        .selectFrom('instance_usage')
        .select(['tag', 'count'])
        .where('instance_id', '=', instance.id)
        .execute()
    ).map(({ tag, count }) => [tag, count]),
  )
  const after = new Map<string, number>()
  for (const { tag, count } of wanted) after.set(tag, (after.get(tag) ?? 0) + count)
  const changes = [...new Set([...before.keys(), ...after.keys()])]
    .map((tag) => {
      const count = after.get(tag) ?? 0
      return { tag, count, change: count - (before.get(tag) ?? 0) }
    })
    .filter(({ change }) => change !== 0)
  if (changes.length === 0) return
  await markInstanceChanged(tx, instance.id)
  await saveInstanceUsage(
    tx,
    new Map([[instance.id, new Map(changes.map(({ tag, count }) => [tag, count]))]]),
  )
  for (const { tag, change } of changes) await adjustUsage(tx, instance.virtualAccountId, tag, change, at)
}

/** Changes the usage of a pool by a difference, and updates its compliance. */
export async function adjustUsage(
  tx: Tx,
  virtualAccountId: string,
  tag: string,
  change: number,
  at: Instant,
): Promise<void> {
  await tx
    .insertInto('pools')
    .values({ virtual_account_id: virtualAccountId, tag, in_use: change, out_of_compliance: 0 })
    .onConflict((conflict) =>
      conflict
        .columns(['virtual_account_id', 'tag'])
        .doUpdateSet((eb) => ({ in_use: eb('pools.in_use', '+', change) })),
    )
    .execute()
  await recomputeCompliance(tx, virtualAccountId, tag, at)
}
