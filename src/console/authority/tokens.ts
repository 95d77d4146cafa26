import type { Authority } from '../../authority/authority.ts'
import type { TokenDocument } from '../../authority/inventory/tokens.ts'
import { notFoundError } from '../../core/errors.ts'
import { JsonStream, streamList } from '../../http/json-stream.ts'
import { type Caller, implement } from '../../http/procedures.ts'
import { effectiveScope, inScope } from './scope.ts'
import { tokenContract } from './tokens-contract.ts'

/** Hides the token's text from viewers: its owner can register devices. */
const redactToken = (token: TokenDocument, { role }: Caller) => ({
  ...token,
  token: role === 'viewer' ? null : token.token,
})

export const createTokenProcedures = (authority: Authority) =>
  implement(tokenContract, {
    tokens: async (wanted, caller) => {
      const where = effectiveScope(wanted, caller)
      const tokens = await authority.tokens.list({ account: where.account })
      return new JsonStream({
        tokens: streamList(tokens.filter(inScope(where)), (token) => redactToken(token, caller)),
      })
    },
    'token-create': async (input, caller) => {
      const { days, maxUses, description, exportControlled } = input
      return authority.tokens.create({
        ...effectiveScope(input, caller),
        days,
        description,
        exportControlled,
        ...(maxUses !== undefined && { maxUses }),
      })
    },
    'token-revoke': async (wanted, caller) => {
      const { account } = effectiveScope(wanted, caller)
      const token = (await authority.tokens.list({ account })).find(({ id }) => id === wanted.id)
      if (token && caller.virtualAccount !== null && token.virtualAccount !== caller.virtualAccount)
        throw notFoundError('token', `${account ?? 'The smart account'} has no such token.`)
      await authority.tokens.revoke(wanted.id, { account })
      return {}
    },
  })
