import { randomBytes } from 'node:crypto'
import type { Selectable } from 'kysely'
import { z } from 'zod'
import { validate } from '../../core/validate.ts'
import { LicensingError, notFoundError } from '../../core/errors.ts'
import { DAY, type Instant, toIsoString } from '../../core/time.ts'
import { formatToken, parseToken } from '../../protocol/token.ts'
import { requireLocal } from './accounts.ts'
import type { Account, AccountContext, VirtualAccount } from '../context/account-context.ts'
import { getCurrentActor } from '../events/actor.ts'
import type { Credentials } from '../keys/credentials.ts'
import { logEvent } from '../events/event-log.ts'
import { hashAccountDomain, type TokenState, getTokenRefusal } from '../policy.ts'
import type { Tx } from '../store/store.ts'
import type { Tables } from '../store/tables.ts'

/** Input for a new token, as in Cisco's guide, "Obtain the Product Instance Registration Token" (R-TOK-1). */
export const tokenOptionsSchema = z.object({
  days: z
    .int('days are a whole number')
    .min(1, 'a token is valid for 1 day or more')
    .max(365, 'a token is valid for at most 365 days'),
  maxUses: z
    .int('uses are a whole number')
    .min(1, 'a token has 1 use or more')
    .max(4000, 'a token has at most 4000 uses'),
  description: z
    .string()
    .max(200, 'a description is at most 200 characters')
    .regex(/^[^\p{Cc}]*$/u, 'a description has no control characters'),
  exportControlled: z.boolean(),
})
export type TokenOptions = z.infer<typeof tokenOptionsSchema>

/** A token in the form for users with permission to create tokens. */
export interface TokenDocument {
  readonly token: string
  readonly id: string
  readonly virtualAccount: string
  readonly description: string
  readonly expiresAt: string
  readonly maxUses: number
  readonly uses: number
  readonly exportControlled: boolean
  readonly status: 'valid' | 'expired' | 'revoked' | 'exhausted' | 'in-doubt'
  /** Name of the creator; null where it was not recorded. */
  readonly createdBy: string | null
}

/** Creates a registration token. @throws LicensingError INVALID_ARGUMENT, AGREEMENT_NOT_ACCEPTED */
export async function createToken(
  tx: Tx,
  credentials: Credentials,
  account: Account,
  virtualAccount: VirtualAccount,
  wanted: TokenOptions,
  at: Instant,
): Promise<TokenDocument> {
  const options = validate(tokenOptionsSchema, wanted, 'token')
  requireLocal(virtualAccount, 'create its tokens there')
  if (account.agreementAt === null) {
    throw new LicensingError(
      'AGREEMENT_NOT_ACCEPTED',
      `The license agreement of ${account.domain} has not been accepted.`,
    )
  }
  const id = createTokenId()
  const secret = randomBytes(32).toString('base64url')
  await tx
    .insertInto('tokens')
    .values({
      id,
      virtual_account_id: virtualAccount.id,
      secret: credentials.secrets.encryptSecret(secret),
      description: options.description,
      export_controlled: options.exportControlled ? 1 : 0,
      max_uses: options.maxUses,
      uses: 0,
      created_at: at,
      expires_at: at + options.days * DAY,
      revoked_at: null,
      in_review: 0,
      created_by: getCurrentActor(),
    })
    .execute()
  await logEvent(tx, {
    at,
    type: 'TOKEN_CREATED',
    accountId: account.id,
    virtualAccount: virtualAccount.name,
    message: `Token ${id}, ${options.days} days, ${options.maxUses} uses.`,
  })
  return {
    token: formatToken({ account: hashAccountDomain(account.domain), id, secret }),
    id,
    virtualAccount: virtualAccount.name,
    description: options.description,
    expiresAt: toIsoString(at + options.days * DAY),
    maxUses: options.maxUses,
    uses: 0,
    exportControlled: options.exportControlled,
    status: 'valid',
    createdBy: getCurrentActor(),
  }
}

/** Creates an id without a leading dash, which a command line would read as an option. */
function createTokenId(): string {
  for (;;) {
    const id = randomBytes(12).toString('base64url')
    if (!id.startsWith('-')) return id
  }
}

const toTokenStatus = (refusal: ReturnType<typeof getTokenRefusal>): TokenDocument['status'] => {
  switch (refusal?.code) {
    case undefined:
      return 'valid'
    case 'TOKEN_IN_DOUBT':
      return 'in-doubt'
    case 'TOKEN_EXPIRED':
      return 'expired'
    case 'TOKEN_EXHAUSTED':
      return 'exhausted'
    default:
      return 'revoked'
  }
}

/** The token of a registration request, with its virtual account. */
export interface RegistrationToken extends TokenState {
  readonly id: string
  readonly virtual_account_id: string
  readonly virtualAccount: string
  readonly export_controlled: number
  readonly secret: string
  readonly account: Account
}

export async function findRegistrationTokens(tx: Tx, ids: readonly string[]): Promise<RegistrationToken[]> {
  const rows = await tx
    .selectFrom('tokens')
    .innerJoin('virtual_accounts', 'virtual_accounts.id', 'tokens.virtual_account_id')
    .innerJoin('accounts', 'accounts.id', 'virtual_accounts.account_id')
    .selectAll('tokens')
    .select([
      'virtual_accounts.name as virtualAccount',
      'accounts.id as accountId',
      'accounts.domain',
      'accounts.agreement_at as agreementAt',
    ])
    .where('tokens.id', 'in', ids)
    .execute()
  return rows.map((row) => ({
    id: row.id,
    virtual_account_id: row.virtual_account_id,
    virtualAccount: row.virtualAccount,
    export_controlled: row.export_controlled,
    secret: row.secret,
    revokedAt: row.revoked_at,
    expiresAt: row.expires_at,
    uses: row.uses,
    maxUses: row.max_uses,
    inReview: row.in_review !== 0,
    account: { id: row.accountId, domain: row.domain, agreementAt: row.agreementAt },
  }))
}

/** Stored token of a list, whose text is still encrypted. */
export type ListedToken = Selectable<Tables['tokens']> & { readonly virtualAccount: string }

/** Returns the stored tokens of an account, the oldest first (R-TOK-3). */
export function listTokens(tx: Tx, account: Account): Promise<ListedToken[]> {
  return tx
    .selectFrom('tokens')
    .innerJoin('virtual_accounts', 'virtual_accounts.id', 'tokens.virtual_account_id')
    .selectAll('tokens')
    .select('virtual_accounts.name as virtualAccount')
    .where('virtual_accounts.account_id', '=', account.id)
    .orderBy('tokens.created_at')
    .execute()
}

/** Decrypts a token for users with permission to create tokens. */
export function toTokenDocument(
  { credentials, account, at }: Pick<AccountContext, 'credentials' | 'account' | 'at'>,
  row: ListedToken,
): TokenDocument {
  const refusal = getTokenRefusal(
    {
      revokedAt: row.revoked_at,
      expiresAt: row.expires_at,
      uses: row.uses,
      maxUses: row.max_uses,
      inReview: row.in_review !== 0,
    },
    at,
  )
  return {
    token: formatToken({
      account: hashAccountDomain(account.domain),
      id: row.id,
      secret: credentials.secrets.decryptSecret(row.secret),
    }),
    id: row.id,
    virtualAccount: row.virtualAccount,
    description: row.description,
    expiresAt: toIsoString(row.expires_at),
    maxUses: row.max_uses,
    uses: row.uses,
    exportControlled: row.export_controlled === 1,
    status: toTokenStatus(refusal),
    createdBy: row.created_by,
  }
}

/** Revokes a token. Instances registered with it stay registered (R-TOK-2). @throws LicensingError NOT_FOUND */
export async function revokeToken(
  tx: Tx,
  account: Account,
  tokenOrId: string,
  at: Instant,
): Promise<{ id: string }> {
  const id = tokenOrId.startsWith('SLT1.') ? parseToken(tokenOrId).id : tokenOrId
  const row = await tx
    .selectFrom('tokens')
    .innerJoin('virtual_accounts', 'virtual_accounts.id', 'tokens.virtual_account_id')
    .select(['tokens.id', 'virtual_accounts.name', 'tokens.revoked_at'])
    .where('tokens.id', '=', id)
    .where('virtual_accounts.account_id', '=', account.id)
    .executeTakeFirst()
  if (!row) throw notFoundError('token', `${account.domain} has no such token.`)
  if (row.revoked_at === null) {
    await tx.updateTable('tokens').set({ revoked_at: at }).where('id', '=', id).execute()
    await logEvent(tx, {
      at,
      type: 'TOKEN_REVOKED',
      accountId: account.id,
      virtualAccount: row.name,
      message: `Token ${id}.`,
    })
  }
  return { id }
}
