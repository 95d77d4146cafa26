import type { ProductProfile } from '../../core/profile.ts'
import type { Instant } from '../../core/time.ts'
import { presentActor } from '../events/actor.ts'
import { chooseAccount, chooseVirtualAccount } from '../inventory/accounts.ts'
import type { VirtualAccount } from './account-context.ts'
import type { Credentials } from '../keys/credentials.ts'
import type { AuthorityStore, Tx } from '../store/store.ts'
import type { AuthorityClock } from './authority-clock.ts'
import type { AuthorityContext, Where } from './authority-context.ts'
import type { AccountContext } from './account-context.ts'

/** Work that time makes due, done at the beginning of a transaction. */
export interface DueWork {
  /** @returns the time of the transaction */
  run(tx: Tx): Promise<Instant>
}

/** The transactions of an authority, each after the maintenance that is due. */
export class AuthorityTransactions implements AuthorityContext {
  readonly store: AuthorityStore
  readonly clock: AuthorityClock
  readonly credentials: Credentials
  readonly profile: ProductProfile
  readonly #maintenance: DueWork

  constructor(
    store: AuthorityStore,
    clock: AuthorityClock,
    maintenance: DueWork,
    { credentials, profile }: { credentials: Credentials; profile: ProductProfile },
  ) {
    this.store = store
    this.clock = clock
    this.credentials = credentials
    this.profile = profile
    this.#maintenance = maintenance
  }

  withAccount<T>(where: Where, work: (context: AccountContext) => Promise<T>): Promise<T> {
    return this.store.transaction((tx) => this.#begin(tx, where).then(work))
  }

  withVirtualAccount<T>(
    where: Where,
    work: (context: AccountContext, virtual: VirtualAccount) => Promise<T>,
  ): Promise<T> {
    return this.withAccount(where, async (context) =>
      work(context, await chooseVirtualAccount(context.tx, context.account, where.virtualAccount)),
    )
  }

  readAccount<T>(where: Where, work: (context: AccountContext) => Promise<T>): Promise<T> {
    return this.store.look((tx) => this.#begin(tx, where).then(work))
  }

  readVirtualAccount<T>(
    where: Where,
    work: (context: AccountContext, virtual: VirtualAccount | null) => Promise<T>,
  ): Promise<T> {
    return this.readAccount(where, async (context) => {
      const { virtualAccount } = where
      const virtual =
        virtualAccount === undefined
          ? null
          : await chooseVirtualAccount(context.tx, context.account, virtualAccount)
      return work(context, virtual)
    })
  }

  withMaintenance<T>(work: (tx: Tx, at: Instant) => Promise<T>): Promise<T> {
    return this.store.transaction(async (tx) => work(tx, await this.#maintenance.run(tx)))
  }

  async #begin(tx: Tx, where: Where): Promise<AccountContext> {
    const at = await this.#maintenance.run(tx)
    const account = await chooseAccount(tx, where.account)
    const { credentials, profile } = this
    return { tx, account, at, actor: presentActor(), credentials, profile }
  }
}
