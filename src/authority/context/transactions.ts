import type { ProductProfile } from '../../core/profile.ts'
import type { Instant } from '../../core/time.ts'
import { getCurrentActor } from '../events/actor.ts'
import { resolveAccount, resolveVirtualAccount } from '../inventory/accounts.ts'
import type { VirtualAccount } from './account-context.ts'
import type { StoredProfile } from '../inventory/stored-profile.ts'
import type { Credentials } from '../keys/credentials.ts'
import type { AuthorityStore, DatabaseKind, Tx } from '../store/store.ts'
import type { AuthorityClock } from './authority-clock.ts'
import type { AuthorityContext, AccountSelector } from './authority-context.ts'
import type { AccountContext } from './account-context.ts'
import { ReaderQueue } from './reader-queue.ts'

/** Due maintenance, which a transaction runs at its beginning. */
export interface DueWork {
  /** @returns the time of the transaction */
  run(tx: Tx): Promise<Instant>
}

/** Reads for viewers that run at a time. SQLite has one connection, and PostgreSQL keeps connections for exchanges. */
const MAX_READERS: Readonly<Record<DatabaseKind, number>> = { sqlite: 1, postgres: 4 }

/** Transactions of an authority. Each runs the due maintenance first. */
export class AuthorityTransactions implements AuthorityContext {
  readonly store: AuthorityStore
  readonly clock: AuthorityClock
  readonly credentials: Credentials
  readonly #profile: StoredProfile
  readonly #maintenance: DueWork
  readonly #readers: ReaderQueue

  constructor(
    store: AuthorityStore,
    clock: AuthorityClock,
    maintenance: DueWork,
    { credentials, profile }: { credentials: Credentials; profile: StoredProfile },
  ) {
    this.store = store
    this.clock = clock
    this.credentials = credentials
    this.#profile = profile
    this.#maintenance = maintenance
    this.#readers = new ReaderQueue(MAX_READERS[store.kind])
  }

  get profile(): ProductProfile {
    return this.#profile.current
  }

  withAccount<T>(where: AccountSelector, work: (context: AccountContext) => Promise<T>): Promise<T> {
    return this.store.transaction((tx) => this.#begin(tx, where).then(work))
  }

  withVirtualAccount<T>(
    where: AccountSelector,
    work: (context: AccountContext, virtual: VirtualAccount) => Promise<T>,
  ): Promise<T> {
    return this.withAccount(where, async (context) =>
      work(context, await resolveVirtualAccount(context.tx, context.account, where.virtualAccount)),
    )
  }

  readAccount<T>(where: AccountSelector, work: (context: AccountContext) => Promise<T>): Promise<T> {
    return this.#readers.run(() => this.store.readOnly((tx) => this.#begin(tx, where).then(work)))
  }

  readVirtualAccount<T>(
    where: AccountSelector,
    work: (context: AccountContext, virtual: VirtualAccount | null) => Promise<T>,
  ): Promise<T> {
    return this.readAccount(where, async (context) => {
      const { virtualAccount } = where
      const virtual =
        virtualAccount === undefined
          ? null
          : await resolveVirtualAccount(context.tx, context.account, virtualAccount)
      return work(context, virtual)
    })
  }

  withMaintenance<T>(work: (tx: Tx, at: Instant) => Promise<T>): Promise<T> {
    return this.store.transaction(async (tx) => work(tx, await this.#maintenance.run(tx)))
  }

  async refresh(): Promise<void> {
    await this.withMaintenance(() => Promise.resolve())
  }

  async #begin(tx: Tx, where: AccountSelector): Promise<AccountContext> {
    const at = await this.#maintenance.run(tx)
    const account = await resolveAccount(tx, where.account)
    const { credentials, profile } = this
    return { tx, account, at, actor: getCurrentActor(), credentials, profile }
  }
}
