import { sql } from 'kysely'
import type { Instant } from '../../core/time.ts'
import { type LogEntry, logEvents } from '../events/event-log.ts'
import { nextRevision } from '../store/revisions.ts'
import type { Tx } from '../store/store.ts'
import { AccountNames } from './account-names.ts'
import type { ExchangeTransaction } from './exchange-transaction.ts'
import { type DeviceId, InstanceSet } from './instance-set.ts'
import { PoolSet } from './pool-set.ts'
import { TokenSet } from './token-set.ts'

/** Keys of the rows that the exchanges of a transaction need. */
export interface WorkingSetKeys {
  /** Thumbprints of the certificates that signed the requests. */
  readonly thumbprints: readonly string[]
  readonly registrations: readonly {
    readonly tokenId: string
    /** The registering key as SPKI, base64. */
    readonly key: string
    readonly udi: DeviceId
  }[]
}

/**
 * Cache of the rows that the exchanges of one transaction need. The set reads rows for all exchanges together and
 * writes the changes together. So a batch needs few database statements, and each exchange sees the changes of the
 * exchanges before it.
 *
 * Rare operations use the database directly, after `settle`.
 */
export class WorkingSet implements ExchangeTransaction {
  readonly tx: Tx
  readonly at: Instant
  readonly revision: number
  readonly instances: InstanceSet
  readonly tokens: TokenSet
  readonly pools: PoolSet
  readonly accounts: AccountNames
  readonly #events: LogEntry[] = []

  private constructor(tx: Tx, at: Instant, revision: number) {
    this.tx = tx
    this.at = at
    this.revision = revision
    this.instances = new InstanceSet(this)
    this.tokens = new TokenSet(this)
    this.pools = new PoolSet(this, this.instances)
    this.accounts = new AccountNames(tx)
  }

  static async read(
    tx: Tx,
    { thumbprints, registrations }: WorkingSetKeys,
    at: Instant,
  ): Promise<WorkingSet> {
    const { rows } = await sql<{ revision: number }>`select ${nextRevision} as revision`.execute(tx)
    const set = new WorkingSet(tx, at, rows[0]?.revision ?? 0)
    const instances = await set.instances.load(thumbprints)
    await set.pools.loadUsage(instances.map(({ id }) => id))
    await set.tokens.load(registrations.map(({ tokenId }) => tokenId))
    await set.instances.loadForRegistration(
      registrations.map(({ key }) => key),
      registrations.map(({ udi }) => udi),
    )
    return set
  }

  log(entry: LogEntry): void {
    this.#events.push(entry)
  }

  /** Writes the changes so far, so that the next read finds them. */
  async flush(): Promise<void> {
    await this.instances.flush()
    await this.tokens.flush()
    await this.pools.flush()
    await logEvents(this.tx, this.#events)
    this.#events.length = 0
  }

  /** Writes the changes so far and drops the cached rows. The caller may then use the database directly. */
  async settle(): Promise<Tx> {
    await this.flush()
    this.instances.clear()
    this.tokens.clear()
    this.pools.clear()
    return this.tx
  }
}
