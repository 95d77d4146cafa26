import { z } from 'zod'
import type { TokenDocument } from '../authority/inventory/tokens.ts'
import { notFoundError } from '../core/errors.ts'
import { createEndpoint, type RestCall } from './endpoint.ts'
import { sharedRoutes, isOnPrem, cloudV2Routes } from './routes.ts'
import {
  runBatch,
  MAX_BATCH_ITEMS,
  toOutcome,
  outcomeSchema,
  integerField,
  enumField,
  toOkStatus,
  toRefusedStatus,
} from './fields.ts'

const CLOUD_V2_PATH = '/licensing/v1/account/:domain/virtual-account/:virtualAccount/token'
const SHARED_PATH = '/accounts/:domain/virtual-accounts/:virtualAccount/tokens'

const tokenSchema = z.object({
  token: z.string(),
  expirationDate: z.string(),
  description: z.string(),
  exportControl: z.enum(['Allowed', 'Not Allowed']),
  createdBy: z.string(),
})

const toTokenEntry = (token: TokenDocument): z.infer<typeof tokenSchema> => ({
  token: token.token,
  expirationDate: token.expiresAt,
  description: token.description,
  exportControl: token.exportControlled ? 'Allowed' : 'Not Allowed',
  createdBy: token.createdBy ?? '',
})

const uses = integerField(1, 4000).nullish()
const tokenInput = z.object({
  description: z.string().max(200, 'at most 200 characters').nullish(),
  expiresAfterDays: integerField(1, 365),
  exportControlled: enumField(['ALLOWED', 'NOT ALLOWED'], '"Allowed" or "Not Allowed"'),
  // Clients use both spellings.
  numberOfUses: uses,
  numberofUses: uses,
})

/** Returns the valid tokens of the virtual account of the path. */
async function activeTokens({ authority, account, virtualAccount }: RestCall): Promise<TokenDocument[]> {
  await assertVirtualAccountExists({ authority, account, virtualAccount })
  return (await authority.tokens.list({ account })).filter(
    (token) => token.virtualAccount === virtualAccount && token.status === 'valid',
  )
}

/** @throws LicensingError NOT_FOUND */
async function assertVirtualAccountExists({
  authority,
  account,
  virtualAccount,
}: Pick<RestCall, 'authority' | 'account' | 'virtualAccount'>): Promise<void> {
  if ((await authority.accounts.listVirtualAccounts({ account })).some(({ name }) => name === virtualAccount))
    return
  throw notFoundError('virtual-account', 'There is no such virtual account.')
}

async function create(call: RestCall<z.infer<typeof tokenInput>>) {
  const { authority, account, virtualAccount, body } = call
  const maxUses = body.numberOfUses ?? body.numberofUses
  const token = await authority.tokens.create({
    account,
    virtualAccount,
    days: body.expiresAfterDays,
    description: body.description ?? '',
    exportControlled: body.exportControlled === 'ALLOWED',
    ...(maxUses !== null && maxUses !== undefined && { maxUses }),
  })
  return {
    ...toOkStatus('A valid, active token was generated.'),
    tokenInfo: toTokenEntry(token),
  }
}

const createListEndpoint = (routes: readonly string[], name: string) =>
  createEndpoint({
    name,
    method: 'GET',
    urls: routes,
    // A token gives its holder the right to register devices.
    scope: 'write',
    anonymousIs403: isOnPrem,
    summary: 'Returns the valid registration tokens of a virtual account.',
    schema: { response: outcomeSchema.extend({ tokens: z.array(tokenSchema) }) },
    handler: async (call) => ({
      ...toOkStatus('Successfully read active tokens.'),
      tokens: (await activeTokens(call)).map(toTokenEntry),
    }),
  })

const createRevokeEndpoint = (routes: readonly string[], name: string) =>
  createEndpoint({
    name,
    method: 'POST',
    urls: routes,
    scope: 'write',
    summary: 'Revokes registration tokens. Instances registered with them stay registered.',
    schema: {
      body: z.object({
        tokens: z.array(z.string().max(1000)).min(1, 'no token is named').max(MAX_BATCH_ITEMS),
      }),
      response: outcomeSchema.extend({ tokensRevokeStatus: z.array(outcomeSchema) }),
    },
    auditSubject: ({ body }) => `${body.tokens.length} tokens`,
    handler: async ({ authority, account, virtualAccount, body }) => {
      await assertVirtualAccountExists({ authority, account, virtualAccount })
      const there = (await authority.tokens.list({ account })).filter(
        (token) => token.virtualAccount === virtualAccount,
      )
      const { results, done } = await runBatch(body.tokens, async (text) => {
        const token = there.find((one) => one.token === text || one.id === text)
        if (!token) throw notFoundError('token', 'The virtual account has no such token.')
        await authority.tokens.revoke(token.id, { account })
      })
      return {
        status: toOutcome(done, results.length),
        statusMessage: `${done} tokens successfully revoked.`,
        tokensRevokeStatus: results.map((one) =>
          one.done ? toOkStatus('The token was revoked.') : toRefusedStatus(one.message),
        ),
      }
    },
  })

export const tokenEndpoints = [
  createListEndpoint(sharedRoutes(SHARED_PATH), 'tokens'),
  createListEndpoint(cloudV2Routes(`${CLOUD_V2_PATH}/list`), 'token-list'),
  createEndpoint({
    name: 'token-create',
    method: 'POST',
    urls: sharedRoutes(SHARED_PATH),
    scope: 'write',
    summary: 'Creates a registration token. `tokenInfo` is an object, as clients of this family expect.',
    schema: { body: tokenInput, response: outcomeSchema.extend({ tokenInfo: tokenSchema }) },
    auditSubject: ({ virtualAccount = '' }) => virtualAccount,
    handler: create,
  }),
  createEndpoint({
    name: 'token-create-new',
    method: 'POST',
    urls: cloudV2Routes(`${CLOUD_V2_PATH}/create`),
    scope: 'write',
    summary:
      'Creates a registration token. `tokenInfo` is a list with one element, as this family specifies.',
    schema: { body: tokenInput, response: outcomeSchema.extend({ tokenInfo: z.array(tokenSchema) }) },
    auditSubject: ({ virtualAccount = '' }) => virtualAccount,
    handler: async (call) => {
      const { tokenInfo, ...rest } = await create(call)
      return { ...rest, tokenInfo: [tokenInfo] }
    },
  }),
  createRevokeEndpoint(sharedRoutes(`${SHARED_PATH}/revoke`), 'tokens-revoke'),
  createRevokeEndpoint(cloudV2Routes(`${CLOUD_V2_PATH}/revoke`), 'token-revoke'),
]
