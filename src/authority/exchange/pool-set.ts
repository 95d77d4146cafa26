import type { InstanceRow } from '../inventory/instances.ts'
import {
  createComplianceEvent,
  type Pool,
  readPool,
  saveInstanceUsage,
  writePools,
} from '../inventory/pools.ts'
import { isCompliant } from '../policy.ts'
import type { ExchangeTransaction } from './exchange-transaction.ts'
import type { InstanceSet } from './instance-set.ts'

/**
 * Current state of a pool. `isStored` is true if the pool has a row or gets one, and `isChanged` if the row must
 * be written.
 */
interface PoolState extends Pool {
  readonly isStored: boolean
  readonly isChanged: boolean
}

/** The pools of a working set, and the usage of its instances. */
export class PoolSet {
  readonly #transaction: ExchangeTransaction
  readonly #instances: InstanceSet
  readonly #pools = new Map<string, PoolState>()
  /** Used counts of each tag, by instance id. */
  readonly #usage = new Map<string, ReadonlyMap<string, number>>()
  /** Used counts that are not written yet, by instance id and tag. */
  readonly #changedUsage = new Map<string, Map<string, number>>()

  constructor(transaction: ExchangeTransaction, instances: InstanceSet) {
    this.#transaction = transaction
    this.#instances = instances
  }

  /** Reads the usage of instances. */
  async loadUsage(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return
    await this.#transaction.flush()
    const found = new Map<string, Map<string, number>>(ids.map((id) => [id, new Map<string, number>()]))
    const rows = await this.#transaction.tx
      .selectFrom('instance_usage')
      .select(['instance_id', 'tag', 'count'])
      .where('instance_id', 'in', ids)
      .execute()
    for (const { instance_id, tag, count } of rows) found.get(instance_id)?.set(tag, count)
    for (const [id, usage] of found) this.#usage.set(id, usage)
  }

  /** Replaces the usage of an instance. An empty list returns every license (R-ACC-4). */
  async setUsage(
    { id, virtual_account_id }: InstanceRow,
    usage: readonly { tag: string; count: number }[],
  ): Promise<void> {
    const before = await this.#getUsage(id)
    const after = new Map<string, number>()
    for (const { tag, count } of usage) if (count > 0) after.set(tag, (after.get(tag) ?? 0) + count)
    const isSame = after.size === before.size && [...after].every(([tag, count]) => before.get(tag) === count)
    if (isSame) return
    this.#instances.touch(id)
    this.#usage.set(id, after)
    const changed = this.#changedUsage.get(id) ?? new Map<string, number>()
    this.#changedUsage.set(id, changed)
    for (const tag of new Set([...before.keys(), ...after.keys()])) {
      const count = after.get(tag) ?? 0
      const change = count - (before.get(tag) ?? 0)
      if (change === 0) continue
      changed.set(tag, count)
      await this.#changeInUse(virtual_account_id, tag, change)
    }
  }

  async #getUsage(id: string): Promise<ReadonlyMap<string, number>> {
    // An instance that this transaction added has no stored usage.
    if (!this.#usage.has(id) && !this.#instances.isAdded(id)) await this.loadUsage([id])
    return this.#usage.get(id) ?? new Map<string, number>()
  }

  async #changeInUse(virtualAccountId: string, tag: string, change: number): Promise<void> {
    const pool = await this.#getPool(virtualAccountId, tag)
    await this.#updateCompliance(virtualAccountId, {
      ...pool,
      inUse: pool.inUse + change,
      isStored: true,
      isChanged: true,
    })
  }

  /** Returns the present state of a pool. A change of its compliance is logged (R-AUTH-2). */
  async read(virtualAccountId: string, tag: string): Promise<Pool> {
    return this.#updateCompliance(virtualAccountId, await this.#getPool(virtualAccountId, tag))
  }

  async #updateCompliance(virtualAccountId: string, pool: PoolState): Promise<PoolState> {
    const compliant = isCompliant(pool)
    const hasComplianceChanged = pool.isStored && compliant !== pool.compliant
    const assessed = { ...pool, compliant, isChanged: pool.isChanged || hasComplianceChanged }
    this.#pools.set(`${virtualAccountId} ${pool.tag}`, assessed)
    const { tx, at } = this.#transaction
    if (hasComplianceChanged)
      this.#transaction.log(await createComplianceEvent(tx, virtualAccountId, assessed, at))
    return assessed
  }

  async #getPool(virtualAccountId: string, tag: string): Promise<PoolState> {
    const known = this.#pools.get(`${virtualAccountId} ${tag}`)
    if (known) return known
    const { tx, at } = this.#transaction
    const { row, owned, reserved } = await readPool(tx, virtualAccountId, tag, at)
    const state = {
      tag,
      owned,
      reserved,
      inUse: row?.in_use ?? 0,
      // The recorded compliance, which `#updateCompliance` compares with the current one.
      compliant: row ? row.out_of_compliance === 0 : true,
      isStored: row !== undefined,
      isChanged: false,
    }
    this.#pools.set(`${virtualAccountId} ${tag}`, state)
    return state
  }

  async flush(): Promise<void> {
    const { tx } = this.#transaction
    await saveInstanceUsage(tx, this.#changedUsage)
    await writePools(
      tx,
      [...this.#pools].flatMap(([key, pool]) =>
        pool.isChanged ? [{ ...pool, virtualAccountId: key.slice(0, key.indexOf(' ')) }] : [],
      ),
    )
    this.#changedUsage.clear()
    for (const [key, pool] of this.#pools) this.#pools.set(key, { ...pool, isChanged: false })
  }

  /** Drops the cached rows. */
  clear(): void {
    this.#usage.clear()
    this.#pools.clear()
  }
}
