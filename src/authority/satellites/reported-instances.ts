import { type Selectable, sql } from 'kysely'
import { z } from 'zod'
import { entitlementTagSchema } from '../../core/entitlement.ts'
import { type Instant, iso } from '../../core/time.ts'
import { udiDigest } from '../../protocol/digest.ts'
import type { ReportedEnd, ReportedInstance, ReportedLicense, Totals } from '../../protocol/sync-request.ts'
import type { Account } from '../context/account-context.ts'
import type { InstanceDocument } from '../inventory/instances.ts'
import { assessPool, changeUse } from '../inventory/pools.ts'
import type { Tables } from '../store/tables.ts'
import type { Tx } from '../store/store.ts'

type ReportedRow = Selectable<Tables['reported_instances']>

/** Rows that are read or written at a time. */
const BATCH = 500

const licensesSchema = z.array(
  z.object({ tag: entitlementTagSchema, count: z.number(), endsAt: z.number().nullable() }),
)
const licensesOf = (row: Pick<ReportedRow, 'licenses'>): ReportedLicense[] =>
  licensesSchema.parse(JSON.parse(row.licenses))

/** A row as it was reported. */
export const reportedOf = (row: ReportedRow): ReportedInstance => ({
  kind: row.kind,
  id: row.id,
  pid: row.pid,
  serial: row.serial,
  version: row.version,
  virtualAccount: row.virtual_account,
  since: row.since_at,
  hostname: row.hostname,
  licenses: licensesOf(row),
})

function* batches<T>(list: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < list.length; at += BATCH) yield list.slice(at, at + BATCH)
}

/** What changes of pools a report makes, gathered: `virtual account, tag` to the change of what is in use. */
class Changes {
  readonly #use = new Map<string, number>()
  readonly #touched = new Set<string>()

  use(virtualAccountId: string, licenses: readonly ReportedLicense[], sign: 1 | -1): void {
    for (const { tag, count } of licenses) {
      const key = `${virtualAccountId} ${tag}`
      this.#use.set(key, (this.#use.get(key) ?? 0) + sign * count)
    }
  }

  touch(virtualAccountId: string, licenses: readonly ReportedLicense[]): void {
    for (const { tag } of licenses) this.#touched.add(`${virtualAccountId} ${tag}`)
  }

  async apply(tx: Tx, at: Instant): Promise<void> {
    const split = (key: string): [string, string] => {
      const [virtualAccountId = '', tag = ''] = key.split(' ')
      return [virtualAccountId, tag]
    }
    for (const [key, change] of this.#use) if (change !== 0) await changeUse(tx, ...split(key), change, at)
    for (const key of this.#touched) await assessPool(tx, ...split(key), at)
  }
}

/** The product instances of one satellite at its manager, in the transaction it is given. */
export class Reported {
  readonly #tx: Tx
  readonly #satelliteId: string
  /** What a satellite has that was taken out counts for no pool. */
  readonly #counts: boolean
  readonly #at: Instant

  constructor(tx: Tx, satellite: Pick<Selectable<Tables['satellites']>, 'id' | 'status'>, at: Instant) {
    this.#tx = tx
    this.#satelliteId = satellite.id
    this.#counts = satellite.status !== 'expired'
    this.#at = at
  }

  /**
   * Takes what was reported: each instance as it is now. Taken twice, it is there once; what has ended does not come back.
   *
   * @param place finds the manager's virtual account that one of the satellite's counts for
   */
  async take(
    instances: readonly ReportedInstance[],
    ended: readonly ReportedEnd[],
    place: (virtualAccount: string) => string,
  ): Promise<void> {
    const changes = new Changes()
    for (const batch of batches(instances)) {
      const before = await this.#rows(batch.map(({ id }) => id))
      await this.#forget([...before.values()], changes)
      const open = batch.filter(({ id }) => (before.get(id)?.status ?? 'active') === 'active')
      const rows = open.map((one): ReportedRow => ({
        satellite_id: this.#satelliteId,
        id: one.id,
        kind: one.kind,
        status: 'active',
        pid: one.pid,
        serial: one.serial,
        version: one.version,
        udi: udiDigest(one.pid, one.serial),
        hostname: one.hostname,
        virtual_account: one.virtualAccount,
        virtual_account_id: place(one.virtualAccount),
        // A clock that is ahead makes nothing newer than it can be.
        since_at: Math.min(one.since, this.#at),
        licenses: JSON.stringify(one.licenses),
      }))
      await this.#write(rows, changes)
    }
    for (const batch of batches(ended)) {
      const before = [...(await this.#rows(batch.map(({ id }) => id))).values()]
      await this.#forget(before, changes)
      await this.#end(before.map(({ id }) => id))
    }
    await changes.apply(this.#tx, this.#at)
  }

  /** An instance gave way to a newer registration of its box elsewhere: it counts no more, and the satellite is told. */
  async replace(id: string): Promise<void> {
    const changes = new Changes()
    await this.#forget([...(await this.#rows([id])).values()], changes)
    await this.#tx
      .updateTable('reported_instances')
      .set({ status: 'replaced' })
      .where('satellite_id', '=', this.#satelliteId)
      .where('id', '=', id)
      .execute()
    await changes.apply(this.#tx, this.#at)
  }

  /** Counts what is registered at the satellite for the pools, or does so no more. What is reserved counts on. */
  async count(sign: 1 | -1): Promise<void> {
    const changes = new Changes()
    for (const row of await this.#all())
      if (row.kind === 'registered') changes.use(row.virtual_account_id, licensesOf(row), sign)
    await changes.apply(this.#tx, this.#at)
  }

  /** Counts what is in use anew, from the instances themselves: whatever had gone wrong is right again. */
  async rebuild(): Promise<void> {
    const places = await this.#tx
      .selectFrom('virtual_accounts')
      .select('id')
      .where('satellite_id', '=', this.#satelliteId)
      .execute()
    const right = new Map<string, number>()
    for (const row of await this.#all()) {
      if (row.kind !== 'registered') continue
      for (const { tag, count } of licensesOf(row)) {
        const key = `${row.virtual_account_id} ${tag}`
        right.set(key, (right.get(key) ?? 0) + count)
      }
    }
    const pools = await this.#tx
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
      if (change !== 0) await changeUse(this.#tx, virtual_account_id, tag, change, this.#at)
    }
  }

  /** What a full report does not name, and the satellite was told to end: it knows of it no more. */
  async endReplaced(listed: ReadonlySet<string>): Promise<void> {
    const rows = await this.replaced()
    for (const batch of batches(rows.filter((id) => !listed.has(id)))) await this.#end(batch)
  }

  /** What had ended before this manager was restored, as the satellite's full report shows. */
  async endMissing(ids: readonly string[]): Promise<void> {
    const changes = new Changes()
    for (const batch of batches(ids)) {
      await this.#forget([...(await this.#rows(batch)).values()], changes)
      await this.#end(batch)
    }
    await changes.apply(this.#tx, this.#at)
  }

  /** What the satellite is told to end, until it says that it has. */
  async replaced(): Promise<string[]> {
    const rows = await this.#tx
      .selectFrom('reported_instances')
      .select('id')
      .where('satellite_id', '=', this.#satelliteId)
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
  async forget({ all = false } = {}): Promise<void> {
    const changes = new Changes()
    const rows = (await this.#all()).filter(({ kind }) => all || kind === 'registered')
    await this.#forget(rows, changes)
    for (const batch of batches(rows)) await this.#end(batch.map(({ id }) => id))
    await changes.apply(this.#tx, this.#at)
  }

  /** Ends what a satellite that is no more had reserved: a person has answered for the box. */
  async writeOff(id: string): Promise<void> {
    const changes = new Changes()
    await this.#forget([...(await this.#rows([id])).values()], changes)
    await this.#end([id])
    await changes.apply(this.#tx, this.#at)
  }

  /** The instances that are active, as they were reported. */
  async active(): Promise<ReportedInstance[]> {
    return (await this.#all()).map(reportedOf)
  }

  /** Which of these instances the manager knows to have ended. */
  async endedOf(ids: readonly string[]): Promise<Set<string>> {
    const ended = new Set<string>()
    for (const batch of batches(ids)) {
      for (const { id, status } of (await this.#rows(batch)).values()) if (status === 'ended') ended.add(id)
    }
    return ended
  }

  /** What there is altogether: to compare with what the satellite says of itself. */
  async totals(): Promise<Totals> {
    const counts = await this.#tx
      .selectFrom('reported_instances')
      .select(['kind', (eb) => eb.fn.countAll<number>().as('count')])
      .where('satellite_id', '=', this.#satelliteId)
      .where('status', '=', sql.lit('active'))
      .groupBy('kind')
      .execute()
    const of = (kind: ReportedRow['kind']) => counts.find((one) => one.kind === kind)?.count ?? 0
    // A virtual account of a satellite has no other instances: what is in use there is the satellite's.
    const use = await this.#tx
      .selectFrom('pools')
      .innerJoin('virtual_accounts as va', 'va.id', 'pools.virtual_account_id')
      .select(['tag', (eb) => eb.fn.sum<number>('in_use').as('count')])
      .where('va.satellite_id', '=', this.#satelliteId)
      .where('in_use', '<>', 0)
      .groupBy('tag')
      .orderBy('tag')
      .execute()
    return {
      registered: of('registered'),
      reserved: of('reserved'),
      use: use,
    }
  }

  #all(): Promise<ReportedRow[]> {
    return this.#tx
      .selectFrom('reported_instances')
      .selectAll()
      .where('satellite_id', '=', this.#satelliteId)
      .where('status', '=', sql.lit('active'))
      .orderBy('id')
      .execute()
  }

  async #rows(ids: readonly string[]): Promise<Map<string, ReportedRow>> {
    if (ids.length === 0) return new Map()
    const rows = await this.#tx
      .selectFrom('reported_instances')
      .selectAll()
      .where('satellite_id', '=', this.#satelliteId)
      .where('id', 'in', ids)
      .execute()
    return new Map(rows.map((row) => [row.id, row]))
  }

  /** What these rows counted for, counts no more. */
  async #forget(rows: readonly ReportedRow[], changes: Changes): Promise<void> {
    const active = rows.filter(({ status }) => status === 'active')
    for (const row of active) {
      if (row.kind !== 'registered') changes.touch(row.virtual_account_id, licensesOf(row))
      else if (this.#counts) changes.use(row.virtual_account_id, licensesOf(row), -1)
    }
    const reserved = active.filter(({ kind }) => kind === 'reserved').map(({ id }) => id)
    for (const batch of batches(reserved))
      await this.#tx
        .deleteFrom('reported_reserved')
        .where('satellite_id', '=', this.#satelliteId)
        .where('instance_id', 'in', batch)
        .execute()
  }

  async #end(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return
    await this.#tx
      .updateTable('reported_instances')
      .set({ status: 'ended' })
      .where('satellite_id', '=', this.#satelliteId)
      .where('id', 'in', ids)
      .execute()
  }

  async #write(rows: readonly ReportedRow[], changes: Changes): Promise<void> {
    if (rows.length === 0) return
    await this.#tx
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
      const licenses = licensesOf(row)
      if (row.kind === 'registered') {
        if (this.#counts) changes.use(row.virtual_account_id, licenses, 1)
      } else {
        changes.touch(row.virtual_account_id, licenses)
        parts.push(
          ...licenses.map(({ tag, count, endsAt }) => ({
            satellite_id: this.#satelliteId,
            instance_id: row.id,
            virtual_account_id: row.virtual_account_id,
            tag,
            count,
            ends_at: endsAt,
          })),
        )
      }
    }
    for (const batch of batches(parts)) await this.#tx.insertInto('reported_reserved').values(batch).execute()
  }
}

/** A product instance of a satellite, as a rival of one that would be the manager's own. */
export interface ReportedRival {
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
export async function reportedRival(
  tx: Tx,
  accountId: string,
  { pid, serial }: { pid: string; serial: string },
): Promise<ReportedRival | undefined> {
  const rivals = await reportedRivals(tx, [udiDigest(pid, serial)])
  return rivals.find(({ account_id }) => account_id === accountId)
}

/** The product instances that satellites have told of, of boxes with these digests of their UDIs. */
export function reportedRivals(tx: Tx, udis: readonly string[]): Promise<ReportedRival[]> {
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

/** A box that a satellite had reserved licences for, and the satellite is out of reach: removed, or taken out. */
export async function orphanedReservation(tx: Tx, account: Account, id: string) {
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
export async function listReported(
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
    const known = compliance.get(key) ?? (await assessPool(tx, virtualAccountId, tag, at)).compliant
    compliance.set(key, known)
    return known
  }
  const documents: InstanceDocument[] = []
  for (const row of await query.execute()) {
    const counts = new Map<string, number>()
    for (const { tag, count, endsAt } of licensesOf(row))
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
      registeredAt: iso(row.since_at),
      lastContactAt: iso(row.answered_at),
      expiresAt: null,
      entitlements,
      reservation: null,
    })
  }
  return documents
}
