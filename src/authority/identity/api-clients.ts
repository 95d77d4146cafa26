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

/** How long an access token lasts, in seconds: as the field's own do. */
export const ACCESS_TOKEN_SECONDS = 3599
/** Of one client at a time: a program that asks for another with every call does not fill the database. */
const MAX_TOKENS_PER_HOLDER = 1_000

export const API_SCOPES = ['read', 'write'] as const
/** What a program may do: look, or everything that licensing work needs. */
export type ApiScope = (typeof API_SCOPES)[number]

const clientSchema = z.object({
  scope: z.enum(API_SCOPES, 'a scope is read or write'),
  description: z
    .string()
    .max(200, 'a description is at most 200 characters')
    .regex(/^[^\p{Cc}]*$/u, 'a description holds no control characters'),
})

/** A program that uses the REST API, as people see it: without its secret, of which only a hash is kept. */
export interface ApiClientDocument {
  readonly clientId: string
  readonly account: string
  /** The virtual account it is kept to; null for all of the smart account. */
  readonly virtualAccount: string | null
  readonly scope: ApiScope
  readonly description: string
  readonly createdAt: string
  readonly revokedAt: string | null
}

/** Who makes a call of the REST API, and how far it reaches. */
export interface ApiPrincipal {
  /** Whom what is done is recorded of. */
  readonly actor: Actor
  /** The same, by name. */
  readonly name: string
  /** Null for a person who is kept to no smart account. */
  readonly account: string | null
  readonly virtualAccount: string | null
  readonly scope: ApiScope
}

/** A virtual account that is gone leaves nothing to reach, and never everything. */
const DELETED_ACCOUNT = ' '

const hashSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex')

/** Whether a secret has that digest, in a time that does not tell how much of it was right. */
const matchesDigest = (secret: string, stored: string): boolean =>
  timingSafeEqual(Buffer.from(hashSecret(secret)), Buffer.from(stored))

/** The programs that use the REST API, and what lets them in: known to every process on the database. */
export class ApiClients {
  readonly #context: AuthorityContext
  readonly #users: UserRepository

  constructor(context: AuthorityContext, users: UserRepository) {
    this.#context = context
    this.#users = users
  }

  /**
   * A new client. Its secret is told this once.
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
      // Both in hexadecimal: neither begins with a dash on a command line, or is changed by an encoding on the way.
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

  /** The clients of a smart account, the oldest first; revoked ones too. */
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

  /** Ends a client, and every access token of it, at once. @throws LicensingError NOT_FOUND */
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

  /** Whether there is such a client, and this is its secret. It takes as long when there is none. */
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
   * A new access token: of a client whose secret was checked, of a person whose password was, or of a person by a client.
   *
   * @returns null when the client was revoked, or the password changed, since it was checked
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

  /** Who an access token lets in; null for nobody: unknown, over, or its client or its password are no more. */
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

/** A person by a client reaches what both reach. */
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

/** The oldest tokens of one holder give way. */
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
