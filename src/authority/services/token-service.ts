import { setImmediate as nextTurn } from 'node:timers/promises'
import type { AuthorityContext, AccountSelector } from '../context/authority-context.ts'
import { confirmToken } from '../exchange/restore-review.ts'
import {
  createToken,
  listTokens,
  revokeToken,
  toTokenDocument,
  type TokenDocument,
  type TokenOptions,
} from '../inventory/tokens.ts'
import { requireIssuingAllowed } from '../satellite-sync/issuing-limits.ts'

/** Tokens that are decrypted in one turn of the event loop. */
const MAX_DECRYPTED = 200

/** The tokens that devices register with. */
export class TokenService {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /**
   * Creates a token. By default, it allows 4000 registrations, without export-controlled functionality.
   *
   * @param options.days the lifetime in days
   * @throws LicensingError INVALID_ARGUMENT, SATELLITE_*, ACCOUNT_*, NOT_FOUND
   */
  create(
    options: AccountSelector & { days: number } & Partial<Omit<TokenOptions, 'days'>>,
  ): Promise<TokenDocument> {
    const { days, maxUses = 4000, description = '', exportControlled = false } = options
    return this.#context.withVirtualAccount(options, async (context, virtual) => {
      const { tx, credentials, account, at } = context
      await requireIssuingAllowed(tx, credentials, at)
      const tokenOptions = { days, maxUses, description, exportControlled }
      return createToken(tx, credentials, account, virtual, tokenOptions, at)
    })
  }

  async list(where: AccountSelector = {}): Promise<TokenDocument[]> {
    const { rows, context } = await this.#context.readAccount(where, async (context) => ({
      rows: await listTokens(context.tx, context.account),
      context,
    }))
    const tokens: TokenDocument[] = []
    for (const row of rows) {
      // Many texts take long to decrypt.
      if (tokens.length % MAX_DECRYPTED === MAX_DECRYPTED - 1) await nextTurn()
      tokens.push(toTokenDocument(context, row))
    }
    return tokens
  }

  /** @throws LicensingError NOT_FOUND */
  revoke(tokenOrId: string, where: AccountSelector = {}): Promise<{ id: string }> {
    return this.#context.withAccount(where, ({ tx, account, at }) => revokeToken(tx, account, tokenOrId, at))
  }

  /** Confirms a token that is in review after a restore. @throws LicensingError NOT_FOUND, TOKEN_NOT_IN_REVIEW */
  review(tokenOrId: string, options: AccountSelector & { uses?: number } = {}): Promise<{ id: string }> {
    return this.#context.withAccount(options, ({ tx, account, at }) =>
      confirmToken(tx, account, tokenOrId, options.uses, at),
    )
  }
}
