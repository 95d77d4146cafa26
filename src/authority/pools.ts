import type { Instant } from '../domain/instant.ts'
import { logEvent } from './event-log.ts'
import { compliant, heldAt, type Lot, ownedAt, type ReservedPart } from './rules.ts'
import { touchInstance } from './revisions.ts'
import type { Tx } from './store.ts'

/** One pool: what a virtual account owns of a tag, what its instances use together, and what is reserved for boxes. */
export interface Pool {
  readonly tag: string
  readonly owned: number
  readonly inUse: number
  readonly reserved: number
  readonly compliant: boolean
}

/** The licences of a pool, lot by lot. */
export async function lotsOf(tx: Tx, virtualAccountId: string, tag: string): Promise<Lot[]> {
  return tx
    .selectFrom('licenses')
    .select(['quantity', 'starts_at as startsAt', 'ends_at as endsAt'])
    .where('virtual_account_id', '=', virtualAccountId)
    .where('tag', '=', tag)
    .execute()
}

/**
 * What the reservations of a pool hold, as a function of time.
 *
 * @param except a reservation that is left out: the one that is being changed
 */
export async function holdings(
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
    .where('r.status', '=', 'active')
    .whereRef('part.sequence', '>=', 'r.confirmed')
    .where('part.tag', '=', tag)
  if (except !== undefined) query = query.where('r.id', '<>', except)
  const reservations = new Map<string, Map<number, ReservedPart[]>>()
  for (const { id, sequence, ...part } of await query.execute()) {
    const authorizations = reservations.get(id) ?? new Map<number, ReservedPart[]>()
    authorizations.set(sequence, [...(authorizations.get(sequence) ?? []), part])
    reservations.set(id, authorizations)
  }
  const held = [...reservations.values()].map((authorizations) => [...authorizations.values()])
  // What a satellite has reserved is held until its own end, part by part: its boxes never ask, whatever becomes of it.
  const below = await tx
    .selectFrom('reported_reserved')
    .select(['count', 'ends_at as endsAt'])
    .where('virtual_account_id', '=', virtualAccountId)
    .where('tag', '=', tag)
    .execute()
  return (at) => held.reduce((sum, authorizations) => sum + heldAt(authorizations, at), heldAt([below], at))
}

/** Reads a pool and, where its compliance has changed, records that it did (R-AUTH-2). */
export async function assessPool(tx: Tx, virtualAccountId: string, tag: string, at: Instant): Promise<Pool> {
  const lots = await lotsOf(tx, virtualAccountId, tag)
  const held = await holdings(tx, virtualAccountId, tag)
  const row = await tx
    .selectFrom('pools')
    .selectAll()
    .where('virtual_account_id', '=', virtualAccountId)
    .where('tag', '=', tag)
    .executeTakeFirst()
  const pool = { tag, owned: ownedAt(lots, at), inUse: row?.in_use ?? 0, reserved: held(at) }
  const good = compliant(pool)
  if (row && good !== (row.out_of_compliance === 0))
    await noteCompliance(tx, virtualAccountId, pool, good, at)
  return { ...pool, compliant: good }
}

async function noteCompliance(
  tx: Tx,
  virtualAccountId: string,
  pool: { tag: string; owned: number; inUse: number; reserved: number },
  good: boolean,
  at: Instant,
): Promise<void> {
  await tx
    .updateTable('pools')
    .set({ out_of_compliance: good ? 0 : 1 })
    .where('virtual_account_id', '=', virtualAccountId)
    .where('tag', '=', pool.tag)
    .execute()
  const account = await tx
    .selectFrom('virtual_accounts')
    .select(['name', 'account_id'])
    .where('id', '=', virtualAccountId)
    .executeTakeFirst()
  await logEvent(tx, {
    at,
    type: good ? 'LICENSES_SUFFICIENT' : 'INSUFFICIENT_LICENSES',
    severity: good ? 'info' : 'major',
    accountId: account?.account_id ?? null,
    virtualAccount: account?.name ?? null,
    message: `${pool.tag}: ${pool.inUse} in use, ${pool.reserved === 0 ? '' : `${pool.reserved} reserved, `}${pool.owned} owned.`,
  })
}

/** Replaces what an instance uses; an empty list gives everything back (R-ACC-4). */
export async function setDemand(
  tx: Tx,
  instance: { id: string; virtualAccountId: string },
  wanted: readonly { tag: string; count: number }[],
  at: Instant,
): Promise<void> {
  const before = new Map(
    (
      await tx.selectFrom('demands').select(['tag', 'count']).where('instance_id', '=', instance.id).execute()
    ).map(({ tag, count }) => [tag, count]),
  )
  const after = new Map<string, number>()
  for (const { tag, count } of wanted) if (count > 0) after.set(tag, (after.get(tag) ?? 0) + count)
  const same = after.size === before.size && [...after].every(([tag, count]) => before.get(tag) === count)
  if (same) return
  await touchInstance(tx, instance.id)
  for (const tag of new Set([...before.keys(), ...after.keys()])) {
    const count = after.get(tag) ?? 0
    const change = count - (before.get(tag) ?? 0)
    if (change === 0) continue
    if (count === 0) {
      await tx.deleteFrom('demands').where('instance_id', '=', instance.id).where('tag', '=', tag).execute()
    } else {
      await tx
        .insertInto('demands')
        .values({ instance_id: instance.id, tag, count })
        .onConflict((conflict) => conflict.columns(['instance_id', 'tag']).doUpdateSet({ count }))
        .execute()
    }
    await changeUse(tx, instance.virtualAccountId, tag, change, at)
  }
}

/** Adds to what is in use of a pool, or takes from it, and notes what that makes of its compliance. */
export async function changeUse(
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
  await assessPool(tx, virtualAccountId, tag, at)
}
