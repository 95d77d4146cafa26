import type { InstanceRow } from '../inventory/instances.ts'
import type { Tx } from '../store/store.ts'

interface AccountDetails {
  readonly domain: string
  readonly software_version: string | null
}

/** Cache of account names. No exchange changes a name, so the cache reads each name once. */
export class AccountNames {
  readonly #tx: Tx
  readonly #accounts = new Map<string, AccountDetails>()
  readonly #virtualAccounts = new Map<string, string>()

  constructor(tx: Tx) {
    this.#tx = tx
  }

  /** Returns the name of a virtual account. */
  async getVirtualAccountName(id: string): Promise<string> {
    const known = this.#virtualAccounts.get(id)
    if (known !== undefined) return known
    const { name } = await this.#tx
      .selectFrom('virtual_accounts')
      .select('name')
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    this.#virtualAccounts.set(id, name)
    return name
  }

  /** Returns the names of the accounts that an instance belongs to. */
  async getAccountNames(row: InstanceRow): Promise<{ smartAccount: string; virtualAccount: string }> {
    const { domain } = await this.#getAccount(row.account_id)
    return { smartAccount: domain, virtualAccount: await this.getVirtualAccountName(row.virtual_account_id) }
  }

  /** Returns the highest software version that the account's orders include, or null. */
  async getSoftwareVersion(row: InstanceRow): Promise<string | null> {
    return (await this.#getAccount(row.account_id)).software_version
  }

  async #getAccount(id: string): Promise<AccountDetails> {
    const known = this.#accounts.get(id)
    if (known !== undefined) return known
    const account = await this.#tx
      .selectFrom('accounts')
      .select(['domain', 'software_version'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    this.#accounts.set(id, account)
    return account
  }
}
