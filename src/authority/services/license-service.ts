import type { AuthorityContext, AccountSelector } from '../context/authority-context.ts'
import { resolveVirtualAccount, type LicenseDocument, listLicenses } from '../inventory/accounts.ts'
import { type LicenseTransaction, listLicenseTransactions } from '../inventory/license-transactions.ts'
import { type TransferDocument, transferLicenses, type TransferInput } from '../inventory/transfers.ts'
import { ProfileService } from './profile-service.ts'
import { runTransfer, type TransferOptions } from './transfer.ts'

/** The licenses in the pools of virtual accounts. */
export class LicenseService {
  /** Profile of the product whose licenses the authority issues. */
  readonly profile: ProfileService
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
    this.profile = new ProfileService(context)
  }

  list(where: AccountSelector = {}): Promise<LicenseDocument[]> {
    return this.#context.readAccount(where, ({ tx, account, at, profile }) =>
      listLicenses(tx, account, profile, at),
    )
  }

  /** Returns the purchases and transfers that make up the pools. @throws LicensingError NOT_FOUND, UNKNOWN_TAG */
  listTransactions(
    where: AccountSelector & { tag?: string | undefined } = {},
  ): Promise<LicenseTransaction[]> {
    return this.#context.readVirtualAccount(where, ({ tx, account, at, profile }, virtual) =>
      listLicenseTransactions(tx, account, profile, at, { virtual, tag: where.tag }),
    )
  }

  /**
   * Moves licenses from one virtual account to another (R-ACC-3).
   *
   * @param options.preview true to return the result of the transfer without making the transfer
   * @param options.confirmed true to allow a transfer that puts a pool out of compliance
   * @throws LicensingError TRANSFER_UNAVAILABLE, TRANSFER_UNCONFIRMED, VIRTUAL_ACCOUNT_*, UNKNOWN_TAG, INVALID_ARGUMENT
   */
  transfer(
    options: AccountSelector & TransferInput & { from: string; to: string } & TransferOptions,
  ): Promise<TransferDocument> {
    return runTransfer(this.#context, options, async (context) => {
      const { tx, account } = context
      const from = await resolveVirtualAccount(tx, account, options.from)
      const to = await resolveVirtualAccount(tx, account, options.to)
      return transferLicenses(context, from, to, options)
    })
  }
}
