import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Selectable } from 'kysely'
import { z } from 'zod'
import { validate } from '../../core/validate.ts'
import { notFoundError } from '../../core/errors.ts'
import { type Instant, toIsoString, SECOND } from '../../core/time.ts'
import { resolveVirtualAccount } from '../inventory/accounts.ts'
import type { Account } from '../context/account-context.ts'
import { type Actor, formatActor } from '../events/actor.ts'
import type { AuthorityContext, AccountSelector } from '../context/authority-context.ts'
import { logEvent } from '../events/event-log.ts'
import type { User } from '../../http/users.ts'
import type { UserRepository } from './users.ts'
import type { Tables } from '../store/tables.ts'
import type { Tx } from '../store/store.ts'

/** Lifetime of an access token in seconds, equal to that of Cisco Smart Software Manager. */
export const ACCESS_TOKEN_SECONDS = 3599
/** Maximum valid access tokens of one client, so that a client with a new token for every call cannot fill the database. */
const MAX_TOKENS_PER_HOLDER = 1_000

export const API_SCOPES = ['read', 'write'] as const
/** Permission of an API client: reading only, or all licensing operations. */
export type ApiScope = (typeof API_SCOPES)[number]

const clientSchema = z.object({
  scope: z.enum(API_SCOPES, 'a scope is read or write'),
  description: z
    .string()
    .max(200, 'a description is at most 200 characters')
    .regex(/^[^\p{Cc}]*$/u, 'a description has no control characters'),
})

/** An API client in the form of the APIs, without its secret. Only a hash of the secret is stored. */
export interface ApiClientDocument {
  readonly clientId: string
  readonly account: string
  /** Virtual account that the client is limited to; null for the whole smart account. */
  readonly virtualAccount: string | null
  readonly scope: ApiScope
  readonly description: string
  readonly createdAt: string
  readonly revokedAt: string | null
}

/** The caller of the REST API, with the accounts it has access to. */
export interface ApiPrincipal {
  /** Originator in the records of the call. */
  readonly actor: Actor
  readonly name: string
  /** Null for a user who is not limited to one smart account. */
  readonly account: string | null
  readonly virtualAccount: string | null
  readonly scope: ApiScope
}

/** Name that matches no account: a deleted account must not widen the access of its clients to all accounts. */
const DELETED_ACCOUNT = ' '

const hashSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex')

/** Compares a secret with a digest in constant time. */
const matchesDigest = (secret: string, stored: string): boolean =>
  timingSafeEqual(Buffer.from(hashSecret(secret)), Buffer.from(stored))

/** The API clients and access tokens, shared by all processes on the database. */
export class ApiClients {
  readonly #context: AuthorityContext
  readonly #users: UserRepository

  constructor(context: AuthorityContext, users: UserRepository) {
    this.#context = context
    this.#users = users
  }

  /**
   * Creates a client. Its secret is returned only once.
   *
   * @throws LicensingError INVALID_ARGUMENT, ACCOUNT_*, NOT_FOUND
   */
  create(
    wanted: AccountSelector & { scope?: string; description?: string } = {},
  ): Promise<ApiClientDocument & { readonly clientSecret: string }> {
    const { scope, description } = validate(
      clientSchema,
      { scope: wanted.scope ?? 'write', description: wanted.description ?? '' },
      'API client',
    )
    return this.#context.withAccount(wanted, async ({ tx, account, at }) => {
      const virtual =
        wanted.virtualAccount === undefined
          ? null
          : await resolveVirtualAccount(tx, account, wanted.virtualAccount)
      // Hexadecimal, because a leading dash looks like an option and other characters may be changed by an encoding.
      const id = randomBytes(16).toString('hex')
      const clientSecret = randomBytes(32).toString('hex')
      const row = {
        id,
        account_id: account.id,
        virtual_account_id: virtual?.id ?? null,
        secret_hash: hashSecret(clientSecret),
        scope,
        description,
        created_at: at,
        revoked_at: null,
      }
      await tx.insertInto('api_clients').values(row).execute()
      await logEvent(tx, {
        at,
        type: 'API_CLIENT_CREATED',
        accountId: account.id,
        virtualAccount: virtual?.name ?? null,
        message: `API client ${id}, which may ${scope}.`,
      })
      return { ...(await toClientDocument(tx, account, row)), clientSecret }
    })
  }

  /** Returns the clients of a smart account, including revoked ones, oldest first. */
  list(where: AccountSelector = {}): Promise<ApiClientDocument[]> {
    return this.#context.withAccount(where, async ({ tx, account }) => {
      const rows = await tx
        .selectFrom('api_clients')
        .selectAll()
        .where('account_id', '=', account.id)
        .orderBy('created_at')
        .orderBy('id')
        .execute()
      const documents: ApiClientDocument[] = []
      for (const row of rows) documents.push(await toClientDocument(tx, account, row))
      return documents
    })
  }

  /** Revokes a client and all its access tokens at once. @throws LicensingError NOT_FOUND */
  revoke(id: string, where: AccountSelector = {}): Promise<ApiClientDocument> {
    return this.#context.withAccount(where, async ({ tx, account, at }) => {
      const row = await tx
        .selectFrom('api_clients')
        .selectAll()
        .where('id', '=', id)
        .where('account_id', '=', account.id)
        .executeTakeFirst()
      if (!row)
        throw notFoundError(
          'api-client',
          `${account.domain} has no API client ${JSON.stringify(id.slice(0, 64))}.`,
        )
      await tx.deleteFrom('access_tokens').where('client_id', '=', id).execute()
      if (row.revoked_at !== null) return toClientDocument(tx, account, row)
      await tx.updateTable('api_clients').set({ revoked_at: at }).where('id', '=', id).execute()
      await logEvent(tx, {
        at,
        type: 'API_CLIENT_REVOKED',
        accountId: account.id,
        message: `API client ${id}.`,
      })
      return toClientDocument(tx, account, { ...row, revoked_at: at })
    })
  }

  /** Verifies a client's secret. An unknown client takes the same time. */
  verify(id: string, secret: string): Promise<boolean> {
    return this.#context.store.read(async (tx) => {
      const row = await tx
        .selectFrom('api_clients')
        .select(['secret_hash'])
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .executeTakeFirst()
      return matchesDigest(secret, row?.secret_hash ?? hashSecret('')) && row !== undefined
    })
  }

  /**
   * Issues an access token to an authenticated client, user, or user of a client.
   *
   * @returns null when the client was revoked or the password changed since the authentication
   */
  issue(holder: { client: string | null; user: User | null }): Promise<string | null> {
    return this.#context.store.transaction(async (tx) => {
      const at = await this.#context.clock.time(tx)
      const { client, user } = holder
      if (client === null && user === null) return null
      await tx.deleteFrom('access_tokens').where('expires_at', '<=', at).execute()
      await evictOldestTokens(tx, client, user?.name ?? null)
      const token = randomBytes(32).toString('base64url')
      await tx
        .insertInto('access_tokens')
        .values({
          hash: hashSecret(token),
          client_id: client,
          user_name: user?.name ?? null,
          user_password_digest: user && hashSecret(user.password),
          created_at: at,
          expires_at: at + ACCESS_TOKEN_SECONDS * SECOND,
        })
        .execute()
      return (await this.#findPrincipal(tx, token, at)) ? token : null
    })
  }

  /** Returns the holder of an access token. Null means that the token or its holder is no longer valid. */
  authenticate(token: string): Promise<ApiPrincipal | null> {
    return this.#context.store.read(async (tx) =>
      this.#findPrincipal(tx, token, await this.#context.clock.time(tx)),
    )
  }

  async #findPrincipal(tx: Tx, token: string, at: Instant): Promise<ApiPrincipal | null> {
    const row = await tx
      .selectFrom('access_tokens')
      .selectAll()
      .where('hash', '=', hashSecret(token))
      .where('expires_at', '>', at)
      .executeTakeFirst()
    if (!row) return null
    const client = row.client_id === null ? null : await readClientPrincipal(tx, row.client_id)
    if (row.client_id !== null && !client) return null
    if (row.user_name === null) return client
    const user = await this.#users.findInTransaction(tx, row.user_name)
    if (!user || row.user_password_digest !== hashSecret(user.password) || user.mustChange) return null
    return intersectPrincipals(toUserPrincipal(user), client)
  }
}

const toUserPrincipal = ({ name, role, account, virtualAccount }: User): ApiPrincipal => ({
  actor: { kind: 'user', name },
  name,
  account,
  virtualAccount,
  scope: role === 'viewer' ? 'read' : 'write',
})

/** Limits a user of a client to the accounts that both have access to. */
function intersectPrincipals(user: ApiPrincipal, client: ApiPrincipal | null): ApiPrincipal {
  if (!client) return user
  const narrower = (a: string | null, b: string | null): string | null =>
    a === null ? b : b === null || a === b ? a : DELETED_ACCOUNT
  return {
    actor: user.actor,
    name: user.name,
    account: narrower(user.account, client.account),
    virtualAccount: narrower(user.virtualAccount, client.virtualAccount),
    scope: user.scope === 'write' && client.scope === 'write' ? 'write' : 'read',
  }
}

async function readClientPrincipal(tx: Tx, id: string): Promise<ApiPrincipal | null> {
  const row = await tx
    .selectFrom('api_clients as c')
    .innerJoin('accounts as a', 'a.id', 'c.account_id')
    .leftJoin('virtual_accounts as va', 'va.id', 'c.virtual_account_id')
    .select(['c.scope', 'c.virtual_account_id', 'a.domain', 'va.name'])
    .where('c.id', '=', id)
    .where('c.revoked_at', 'is', null)
    .executeTakeFirst()
  const actor = { kind: 'api-client', name: id } as const
  return row
    ? {
        actor,
        name: formatActor(actor),
        account: row.domain,
        virtualAccount: row.virtual_account_id === null ? null : (row.name ?? DELETED_ACCOUNT),
        scope: row.scope,
      }
    : null
}

/** Deletes the oldest tokens of a holder beyond the maximum. */
async function evictOldestTokens(tx: Tx, client: string | null, user: string | null): Promise<void> {
  const limit = await tx
    .selectFrom('access_tokens')
    .select('created_at')
    .where('client_id', client === null ? 'is' : '=', client)
    .where('user_name', user === null ? 'is' : '=', user)
    .orderBy('created_at', 'desc')
    .offset(MAX_TOKENS_PER_HOLDER - 1)
    .limit(1)
    .executeTakeFirst()
  if (!limit) return
  await tx
    .deleteFrom('access_tokens')
    .where('client_id', client === null ? 'is' : '=', client)
    .where('user_name', user === null ? 'is' : '=', user)
    .where('created_at', '<=', limit.created_at)
    .execute()
}

async function toClientDocument(
  tx: Tx,
  account: Account,
  row: Selectable<Tables['api_clients']>,
): Promise<ApiClientDocument> {
  const virtual =
    row.virtual_account_id === null
      ? null
      : await tx
          .selectFrom('virtual_accounts')
          .select('name')
          .where('id', '=', row.virtual_account_id)
          .executeTakeFirst()
  return {
    clientId: row.id,
    account: account.domain,
    virtualAccount: virtual === null ? null : (virtual?.name ?? '(removed)'),
    scope: row.scope,
    description: row.description,
    createdAt: toIsoString(row.created_at),
    revokedAt: toIsoString(row.revoked_at),
  }
}
