import type { AuthorityContext, AccountSelector } from '../context/authority-context.ts'
import { confirmToken } from '../exchange/restore-review.ts'
import {
  createToken,
  listTokens,
  revokeToken,
  type TokenDocument,
  type TokenOptions,
} from '../inventory/tokens.ts'
import { requireIssuingAllowed } from '../satellite-sync/issuing-limits.ts'

/** The tokens that devices register with. */
export class TokenService {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /**
   * Creates a token. The default is 4000 uses, without export-controlled functionality.
   *
   * @param wanted.days the lifetime in days
   * @throws LicensingError INVALID_ARGUMENT, SATELLITE_*, ACCOUNT_*, NOT_FOUND
   */
  create(
    wanted: AccountSelector & { days: number } & Partial<Omit<TokenOptions, 'days'>>,
  ): Promise<TokenDocument> {
    const { days, maxUses = 4000, description = '', exportControlled = false } = wanted
    return this.#context.withVirtualAccount(wanted, async (context, virtual) => {
      const { tx, credentials, account, at } = context
      await requireIssuingAllowed(tx, credentials, at)
      const options = { days, maxUses, description, exportControlled }
      return createToken(tx, credentials, account, virtual, options, at)
    })
  }

  list(where: AccountSelector = {}): Promise<TokenDocument[]> {
    return this.#context.readAccount(where, ({ tx, credentials, account, at }) =>
      listTokens(tx, credentials, account, at),
    )
  }

  /** @throws LicensingError NOT_FOUND */
  revoke(tokenOrId: string, where: AccountSelector = {}): Promise<{ id: string }> {
    return this.#context.withAccount(where, ({ tx, account, at }) => revokeToken(tx, account, tokenOrId, at))
  }

  /** Confirms a token that is in review after a restore. @throws LicensingError NOT_FOUND, TOKEN_NOT_IN_REVIEW */
  review(tokenOrId: string, wanted: AccountSelector & { uses?: number } = {}): Promise<{ id: string }> {
    return this.#context.withAccount(wanted, ({ tx, account, at }) =>
      confirmToken(tx, account, tokenOrId, wanted.uses, at),
    )
  }
}
