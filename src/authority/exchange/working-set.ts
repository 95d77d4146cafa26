import { sql } from 'kysely'
import type { Instant } from '../../core/time.ts'
import { serialsOf, udiDigest } from '../../protocol/digest.ts'
import type { Account } from '../context/account-context.ts'
import { type LogEntry, logEvents } from '../events/event-log.ts'
import type { InstanceRow } from '../inventory/instances.ts'
import { complianceEntry, type Pool, readPool, writeDemands, writePools } from '../inventory/pools.ts'
import { nextRevision } from '../store/revisions.ts'
import { compliant } from '../policy.ts'
import { type ReportedRival, reportedRivals } from '../satellites/reported-instances.ts'
import type { Tx } from '../store/store.ts'
import { registrationTokens, type RegistrationToken } from '../inventory/tokens.ts'

/** What the exchanges of a transaction will ask for. */
export interface Wanted {
  /** Of the certificates that requests came with. */
  readonly thumbprints: readonly string[]
  readonly registrations: readonly {
    readonly tokenId: string
    /** SPKI of the key that registers, base64. */
    readonly key: string
    readonly udi: { readonly pid: string; readonly serial: string }
  }[]
}

/** What a request leaves in the row of its instance. */
export type Answered = Pick<
  InstanceRow,
  | 'epoch'
  | 'sequence'
  | 'request_digest'
  | 'message_id'
  | 'decision'
  | 'last_answer'
  | 'previous_answer'
  | 'last_contact_at'
>

/** A pool as it will be, and whether that differs from what is stored. */
interface PoolState extends Pool {
  readonly stored: boolean
  readonly changed: boolean
}

type Udi = Wanted['registrations'][number]['udi']
const udiKey = ({ pid, serial }: Udi): string => `${pid}\u0000${serial}`

/**
 * What the exchanges of one transaction work on: read for all of them together, kept as they change it, and written for all
 * of them together. So a transaction of many exchanges costs few statements, and each sees what those before it did.
 *
 * What happens seldom works on the database itself, after `settle`.
 */
export class WorkingSet {
  readonly tx: Tx
  readonly at: Instant
  /** The exchange with its manager in which a satellite will report a change made now; 0 at a manager. */
  readonly #revision: number
  readonly #byThumbprint = new Map<string, InstanceRow | null>()
  readonly #byKey = new Map<string, InstanceRow[]>()
  readonly #byUdi = new Map<string, InstanceRow[]>()
  readonly #reserved = new Map<string, string[]>()
  readonly #rivals = new Map<string, ReportedRival[]>()
  readonly #tokens = new Map<string, RegistrationToken | null>()
  readonly #demands = new Map<string, ReadonlyMap<string, number>>()
  readonly #pools = new Map<string, PoolState>()
  readonly #places = new Map<string, string>()
  readonly #accounts = new Map<string, { domain: string; software_version: string | null }>()

  // What is to be written.
  readonly #answered = new Map<string, Answered>()
  readonly #touched = new Set<string>()
  readonly #versions = new Map<string, string>()
  readonly #changedDemands = new Map<string, Map<string, number>>()
  readonly #uses = new Map<string, number>()
  readonly #admitted: InstanceRow[] = []
  readonly #events: LogEntry[] = []

  private constructor(tx: Tx, at: Instant, revision: number) {
    this.tx = tx
    this.at = at
    this.#revision = revision
  }

  static async of(tx: Tx, wanted: Wanted, at: Instant): Promise<WorkingSet> {
    const { rows } = await sql<{ revision: number }>`select ${nextRevision} as revision`.execute(tx)
    const set = new WorkingSet(tx, at, rows[0]?.revision ?? 0)
    const { thumbprints, registrations } = wanted
    const rowsFound = await set.#loadByThumbprint(thumbprints)
    await set.#loadDemands(rowsFound.map(({ id }) => id))
    await set.#loadTokens(registrations.map(({ tokenId }) => tokenId))
    await set.#loadByKey(registrations.map(({ key }) => key))
    await set.#loadByUdi(registrations.map(({ udi }) => udi))
    return set
  }

  // Instances

  /** The instance whose current or newly issued certificate has this thumbprint. */
  async instance(thumbprint: string): Promise<InstanceRow | undefined> {
    if (!this.#byThumbprint.has(thumbprint)) await this.#loadByThumbprint([thumbprint])
    return this.#byThumbprint.get(thumbprint) ?? undefined
  }

  async #loadByThumbprint(prints: readonly string[]): Promise<InstanceRow[]> {
    if (prints.length === 0) return []
    await this.flush()
    const rows = await this.tx
      .selectFrom('instances')
      .selectAll()
      .where((or) => or.or([or('thumbprint', 'in', prints), or('next_thumbprint', 'in', prints)]))
      .execute()
    for (const print of prints) this.#byThumbprint.set(print, null)
    for (const row of rows) {
      for (const print of [row.thumbprint, row.next_thumbprint])
        if (print !== null) this.#byThumbprint.set(print, row)
    }
    return rows
  }

  /** The instance of an account that registered with this key. */
  async registeredWith(accountId: string, key: string): Promise<InstanceRow | undefined> {
    if (!this.#byKey.has(key)) await this.#loadByKey([key])
    return this.#byKey.get(key)?.find(({ account_id }) => account_id === accountId)
  }

  async #loadByKey(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return
    await this.flush()
    const rows = await this.tx
      .selectFrom('instances')
      .selectAll()
      .where('registered_key', 'in', keys)
      .execute()
    for (const key of keys) this.#byKey.set(key, [])
    for (const row of rows) this.#byKey.get(row.registered_key)?.push(row)
  }

  /** The active instance of an account for a box. */
  async active(accountId: string, udi: Udi): Promise<InstanceRow | undefined> {
    if (!this.#byUdi.has(udiKey(udi))) await this.#loadByUdi([udi])
    return this.#byUdi.get(udiKey(udi))?.find(({ account_id }) => account_id === accountId)
  }

  /** Whether licences of an account are reserved for a box. */
  async reserved(accountId: string, udi: Udi): Promise<boolean> {
    if (!this.#reserved.has(udiKey(udi))) await this.#loadByUdi([udi])
    return this.#reserved.get(udiKey(udi))?.includes(accountId) ?? false
  }

  /** The product instance of a box that a satellite of the account has told of. */
  async rival(accountId: string, udi: Udi): Promise<ReportedRival | undefined> {
    if (!this.#rivals.has(udiKey(udi))) await this.#loadByUdi([udi])
    return this.#rivals.get(udiKey(udi))?.find(({ account_id }) => account_id === accountId)
  }

  async #loadByUdi(udis: readonly Udi[]): Promise<void> {
    if (udis.length === 0) return
    await this.flush()
    const pids = [...new Set(udis.map(({ pid }) => pid))]
    const serials = udis.flatMap(({ pid, serial }) => serialsOf(pid, serial))
    const instances = await this.tx
      .selectFrom('instances')
      .selectAll()
      .where('pid', 'in', pids)
      .where('serial', 'in', serials)
      .where('status', '=', sql.lit('active'))
      .execute()
    const reserved = await this.tx
      .selectFrom('reservations')
      .select(['account_id', 'pid', 'serial'])
      .where('pid', 'in', pids)
      .where('serial', 'in', serials)
      .where('status', '=', sql.lit('active'))
      .execute()
    const rivals = await reportedRivals(
      this.tx,
      udis.map(({ pid, serial }) => udiDigest(pid, serial)),
    )
    for (const udi of udis) {
      const known = serialsOf(udi.pid, udi.serial)
      const isBox = ({ pid, serial }: Udi) => pid === udi.pid && known.includes(serial)
      const digest = udiDigest(udi.pid, udi.serial)
      this.#byUdi.set(udiKey(udi), instances.filter(isBox))
      this.#reserved.set(
        udiKey(udi),
        reserved.filter(isBox).map(({ account_id }) => account_id),
      )
      this.#rivals.set(
        udiKey(udi),
        rivals.filter((rival) => rival.udi === digest),
      )
    }
  }

  /** A new instance. */
  admit(row: InstanceRow): void {
    const added = { ...row, revision: this.#revision }
    this.#admitted.push(added)
    this.#byThumbprint.set(row.thumbprint, added)
    this.#byKey.set(row.registered_key, [...(this.#byKey.get(row.registered_key) ?? []), added])
    this.#byUdi.set(udiKey(row), [...(this.#byUdi.get(udiKey(row)) ?? []), added])
    this.#demands.set(row.id, new Map())
  }

  /** What an instance was answered. */
  answered(row: InstanceRow, answered: Answered): void {
    Object.assign(row, answered)
    this.#answered.set(row.id, answered)
  }

  upgraded(row: InstanceRow, version: string): void {
    row.version = version
    this.#versions.set(row.id, version)
    this.#touched.add(row.id)
  }

  // Where instances are

  async virtualAccount(id: string): Promise<string> {
    const known = this.#places.get(id)
    if (known !== undefined) return known
    const { name } = await this.tx
      .selectFrom('virtual_accounts')
      .select('name')
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    this.#places.set(id, name)
    return name
  }

  async membership(row: InstanceRow): Promise<{ smartAccount: string; virtualAccount: string }> {
    const { domain } = await this.#account(row.account_id)
    return { smartAccount: domain, virtualAccount: await this.virtualAccount(row.virtual_account_id) }
  }

  /** Returns the highest software version that the account's orders entitle, or null. */
  async softwareVersion(row: InstanceRow): Promise<string | null> {
    return (await this.#account(row.account_id)).software_version
  }

  async #account(id: string): Promise<{ domain: string; software_version: string | null }> {
    const known = this.#accounts.get(id)
    if (known !== undefined) return known
    const account = await this.tx
      .selectFrom('accounts')
      .select(['domain', 'software_version'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    this.#accounts.set(id, account)
    return account
  }

  // Tokens

  async token(id: string): Promise<RegistrationToken | undefined> {
    if (!this.#tokens.has(id)) await this.#loadTokens([id])
    return this.#tokens.get(id) ?? undefined
  }

  async #loadTokens(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return
    await this.flush()
    for (const id of ids) this.#tokens.set(id, null)
    for (const token of await registrationTokens(this.tx, ids)) this.#tokens.set(token.id, token)
  }

  /** A registration with a token. */
  useToken(row: InstanceRow, token: RegistrationToken & { account: Account }): void {
    this.#tokens.set(token.id, { ...token, uses: token.uses + 1 })
    this.#uses.set(token.id, (this.#uses.get(token.id) ?? 0) + 1)
    this.log({
      at: this.at,
      type: 'INSTANCE_REGISTERED',
      accountId: token.account.id,
      virtualAccount: token.virtualAccount,
      instanceId: row.id,
      message: `${row.pid}:${row.serial} was registered with token ${token.id}.`,
    })
  }

  // Pools

  /** Replaces what an instance uses; an empty list gives everything back (R-ACC-4). */
  async setDemand(
    { id, virtual_account_id }: InstanceRow,
    wanted: readonly { tag: string; count: number }[],
  ): Promise<void> {
    if (!this.#demands.has(id)) await this.#loadDemands([id])
    const before = this.#demands.get(id) ?? new Map<string, number>()
    const after = new Map<string, number>()
    for (const { tag, count } of wanted) if (count > 0) after.set(tag, (after.get(tag) ?? 0) + count)
    const same = after.size === before.size && [...after].every(([tag, count]) => before.get(tag) === count)
    if (same) return
    this.#touched.add(id)
    this.#demands.set(id, after)
    const changed = this.#changedDemands.get(id) ?? new Map<string, number>()
    this.#changedDemands.set(id, changed)
    for (const tag of new Set([...before.keys(), ...after.keys()])) {
      const count = after.get(tag) ?? 0
      const change = count - (before.get(tag) ?? 0)
      if (change === 0) continue
      changed.set(tag, count)
      await this.#changeUse(virtual_account_id, tag, change)
    }
  }

  async #loadDemands(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return
    await this.flush()
    const found = new Map<string, Map<string, number>>(ids.map((id) => [id, new Map<string, number>()]))
    const rows = await this.tx
      .selectFrom('instance_usage')
      .select(['instance_id', 'tag', 'count'])
      .where('instance_id', 'in', ids)
      .execute()
    for (const { instance_id, tag, count } of rows) found.get(instance_id)?.set(tag, count)
    for (const [id, demand] of found) this.#demands.set(id, demand)
  }

  async #changeUse(virtualAccountId: string, tag: string, change: number): Promise<void> {
    const pool = await this.#pool(virtualAccountId, tag)
    await this.#assess(virtualAccountId, { ...pool, inUse: pool.inUse + change, stored: true, changed: true })
  }

  /** A pool as it is now; where its compliance has changed, that is recorded (R-AUTH-2). */
  async pool(virtualAccountId: string, tag: string): Promise<Pool> {
    return this.#assess(virtualAccountId, await this.#pool(virtualAccountId, tag))
  }

  async #assess(virtualAccountId: string, pool: PoolState): Promise<PoolState> {
    const good = compliant(pool)
    const assessed = {
      ...pool,
      compliant: good,
      changed: pool.changed || (pool.stored && good !== pool.compliant),
    }
    this.#pools.set(`${virtualAccountId} ${pool.tag}`, assessed)
    if (pool.stored && good !== pool.compliant)
      this.log(await complianceEntry(this.tx, virtualAccountId, assessed, this.at))
    return assessed
  }

  async #pool(virtualAccountId: string, tag: string): Promise<PoolState> {
    const known = this.#pools.get(`${virtualAccountId} ${tag}`)
    if (known) return known
    const { row, owned, reserved } = await readPool(this.tx, virtualAccountId, tag, this.at)
    const state = {
      tag,
      owned,
      reserved,
      inUse: row?.in_use ?? 0,
      // As it was last recorded: whether it is so still is seen when it is assessed.
      compliant: row ? row.out_of_compliance === 0 : true,
      stored: row !== undefined,
      changed: false,
    }
    this.#pools.set(`${virtualAccountId} ${tag}`, state)
    return state
  }

  // Writing

  log(entry: LogEntry): void {
    this.#events.push(entry)
  }

  /** Writes what was done so far, so that what is read next is as it was left. */
  async flush(): Promise<void> {
    const { tx } = this
    if (this.#admitted.length > 0) await tx.insertInto('instances').values(this.#admitted).execute()
    if (this.#answered.size > 0) await writeAnswered(tx, this.#answered)
    for (const [id, version] of this.#versions)
      await tx.updateTable('instances').set({ version }).where('id', '=', id).execute()
    // At a manager every revision is 0, and stays so.
    if (this.#touched.size > 0 && this.#revision > 0)
      await tx
        .updateTable('instances')
        .set({ revision: this.#revision })
        .where('id', 'in', [...this.#touched])
        .execute()
    for (const [id, uses] of this.#uses)
      await tx
        .updateTable('tokens')
        .set((eb) => ({ uses: eb('uses', '+', uses) }))
        .where('id', '=', id)
        .execute()
    await writeDemands(tx, this.#changedDemands)
    await writePools(
      tx,
      [...this.#pools].flatMap(([key, pool]) =>
        pool.changed ? [{ ...pool, virtualAccountId: key.slice(0, key.indexOf(' ')) }] : [],
      ),
    )
    await logEvents(tx, this.#events)
    for (const [key, pool] of this.#pools) this.#pools.set(key, { ...pool, changed: false })
    for (const written of [this.#answered, this.#touched, this.#versions, this.#changedDemands, this.#uses])
      written.clear()
    this.#admitted.length = 0
    this.#events.length = 0
  }

  /** Writes what was done so far and forgets what was read: what follows may work on the database itself. */
  async settle(): Promise<Tx> {
    await this.flush()
    for (const read of [
      this.#byThumbprint,
      this.#byKey,
      this.#byUdi,
      this.#reserved,
      this.#rivals,
      this.#tokens,
      this.#demands,
      this.#pools,
    ])
      read.clear()
    return this.tx
  }
}

/** One statement for all of them; the types are said since PostgreSQL takes a bare value for text. */
async function writeAnswered(tx: Tx, answered: ReadonlyMap<string, Answered>): Promise<void> {
  const rows = [...answered].map(
    ([id, one]) => sql`(
      ${id}, cast(${one.epoch} as bigint), cast(${one.sequence} as bigint), ${one.request_digest}, ${one.message_id},
      ${one.decision}, ${one.last_answer}, ${one.previous_answer}, cast(${one.last_contact_at} as bigint)
    )`,
  )
  await sql`
    with new (id, epoch, sequence, request_digest, message_id, decision, last_answer, previous_answer, last_contact_at)
      as (values ${sql.join(rows)})
    update instances set epoch = new.epoch, sequence = new.sequence, request_digest = new.request_digest,
      message_id = new.message_id, decision = new.decision, last_answer = new.last_answer,
      previous_answer = new.previous_answer, last_contact_at = new.last_contact_at
    from new where instances.id = new.id
  `.execute(tx)
}
