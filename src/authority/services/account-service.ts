import { LicensingError } from '../../core/errors.ts'
import { type AuthorityContext, requireRole, type AccountSelector } from '../context/authority-context.ts'
import {
  addAccount,
  addVirtualAccount,
  listAccounts,
  listVirtualAccounts,
  removeVirtualAccount,
  setDefaultVirtualAccount,
} from '../inventory/accounts.ts'
import type { Account, VirtualAccount } from '../context/account-context.ts'
import { listAccountsWithNumericIds, type AccountWithNumericId } from '../inventory/numeric-ids.ts'

/** Smart accounts and their virtual accounts. */
export class AccountService {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /**
   * Creates a smart account, and records that its license agreement was accepted (R-ACC-8).
   *
   * @throws LicensingError AGREEMENT_NOT_ACCEPTED, WRONG_ROLE, ACCOUNT_*
   */
  async add(domain: string, options: { acceptAgreement: boolean }): Promise<Account> {
    if (!options.acceptAgreement)
      throw new LicensingError('AGREEMENT_NOT_ACCEPTED', 'The license agreement was not accepted.')
    requireRole(this.#context, 'manager', 'smart accounts are created')
    return this.#context.store.transaction((tx) => addAccount(tx, domain, this.#context.clock.now()))
  }

  list(): Promise<Account[]> {
    return this.#context.store.read(listAccounts)
  }

  /** Returns every smart account and its virtual accounts, with their numeric ids in the REST API. */
  listWithNumericIds(): Promise<AccountWithNumericId[]> {
    return this.#context.store.readOnly(listAccountsWithNumericIds)
  }

  listVirtualAccounts(where: AccountSelector = {}): Promise<VirtualAccount[]> {
    return this.#context.readAccount(where, ({ tx, account }) => listVirtualAccounts(tx, account.id))
  }

  /** @throws LicensingError VIRTUAL_ACCOUNT_*, INVALID_ARGUMENT */
  addVirtualAccount(name: string, where: AccountSelector = {}): Promise<VirtualAccount> {
    return this.#context.withAccount(where, ({ tx, account, at }) => addVirtualAccount(tx, account, name, at))
  }

  /** @throws LicensingError VIRTUAL_ACCOUNT_* */
  removeVirtualAccount(name: string, where: AccountSelector = {}): Promise<void> {
    return this.#context.withAccount(where, ({ tx, account, at }) =>
      removeVirtualAccount(tx, account, name, at),
    )
  }

  /** @throws LicensingError VIRTUAL_ACCOUNT_* */
  setDefaultVirtualAccount(name: string, where: AccountSelector = {}): Promise<void> {
    return this.#context.withAccount(where, ({ tx, account, at }) =>
      setDefaultVirtualAccount(tx, account, name, at),
    )
  }
}
