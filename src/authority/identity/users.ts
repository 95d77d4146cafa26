import type { Selectable } from 'kysely'
import type { AuditEntry, User } from '../../http/users.ts'
import { resolveAccount, resolveVirtualAccount } from '../inventory/accounts.ts'
import { endNotificationsOf } from '../outbox/notification-owners.ts'
import { appendAuditEntry, listNewestEntries } from '../audit/audit-log.ts'
import type { Tables } from '../store/tables.ts'
import type { TransactionRunner, Tx } from '../store/store.ts'

/** The users of an authority and the audit log of their actions. Each call is a transaction. */
export class UserRepository {
  readonly #store: TransactionRunner

  constructor(store: TransactionRunner) {
    this.#store = store
  }

  find(name: string): Promise<User | null> {
    return this.#store.transaction((tx) => this.findInTransaction(tx, name))
  }

  /** @internal */
  async findInTransaction(tx: Tx, name: string): Promise<User | null> {
    const row = await tx.selectFrom('users').selectAll().where('name', '=', name).executeTakeFirst()
    return row ? toUser(tx, row) : null
  }

  list(): Promise<User[]> {
    return this.#store.transaction(async (tx) => {
      const users: User[] = []
      for (const row of await tx.selectFrom('users').selectAll().orderBy('name').execute())
        users.push(await toUser(tx, row))
      return users
    })
  }

  /** Adds a user. Returns false where the name is in use. @throws LicensingError NOT_FOUND */
  add(user: User): Promise<boolean> {
    return this.#store.transaction((tx) => insertUser(tx, user))
  }

  /**
   * Adds the first user. Returns false where a user exists.
   *
   * @param keep called just before the user is added
   */
  addFirst(user: User, keep: () => void): Promise<boolean> {
    return this.#store.transaction(async (tx) => {
      if (await tx.selectFrom('users').select('name').limit(1).executeTakeFirst()) return false
      keep()
      return insertUser(tx, user)
    })
  }

  /** Changes a user whose stored password is still `kept`. Returns false where the password changed or the user is gone. */
  change(name: string, kept: string, { password, mustChange, signedInAt }: Partial<User>): Promise<boolean> {
    return this.#store.transaction(async (tx) => {
      const { numUpdatedRows } = await tx
        .updateTable('users')
        .set({
          ...(password !== undefined && { password }),
          ...(mustChange !== undefined && { must_change: mustChange ? 1 : 0 }),
          ...(signedInAt !== undefined && { signed_in_at: signedInAt }),
        })
        .where('name', '=', name)
        .where('password', '=', kept)
        .executeTakeFirst()
      return numUpdatedRows > 0n
    })
  }

  /**
   * Removes a user with the user's sessions, access tokens and notifications, except the last administrator of all
   * accounts who has set a password.
   */
  remove(name: string): Promise<'removed' | 'unknown' | 'last'> {
    return this.#store.transaction(async (tx) => {
      const row = await tx.selectFrom('users').selectAll().where('name', '=', name).executeTakeFirst()
      if (!row) return 'unknown'
      const other = await tx
        .selectFrom('users')
        .select('name')
        .where('name', '<>', name)
        .where('role', '=', 'administrator')
        .where('account_id', 'is', null)
        .where('must_change', '=', 0)
        .limit(1)
        .executeTakeFirst()
      if (row.role === 'administrator' && row.account_id === null && !other) return 'last'
      await tx.deleteFrom('sessions').where('name', '=', name).execute()
      await tx.deleteFrom('access_tokens').where('user_name', '=', name).execute()
      await endNotificationsOf(tx, name)
      await tx.deleteFrom('users').where('name', '=', name).execute()
      return 'removed'
    })
  }

  record(entry: AuditEntry): Promise<void> {
    return this.#store.transaction((tx) => appendAuditEntry(tx, entry))
  }

  auditEntries(limit: number): Promise<AuditEntry[]> {
    return this.#store.transaction(async (tx) =>
      (await listNewestEntries(tx, limit)).map(({ at, who, address, action, subject, outcome }) => ({
        at,
        who,
        address,
        action,
        subject,
        outcome,
      })),
    )
  }
}

/** Name that matches no account: a deleted account must not widen the access of its users to all accounts. */
const DELETED_ACCOUNT = ' '

async function toUser(tx: Tx, row: Selectable<Tables['users']>): Promise<User> {
  const account = row.account_id === null ? undefined : await readName(tx, 'accounts', row.account_id)
  const virtual =
    row.virtual_account_id === null
      ? undefined
      : await readName(tx, 'virtual_accounts', row.virtual_account_id)
  return {
    name: row.name,
    role: row.role,
    account: row.account_id === null ? null : (account ?? DELETED_ACCOUNT),
    virtualAccount: row.virtual_account_id === null ? null : (virtual ?? DELETED_ACCOUNT),
    password: row.password,
    mustChange: row.must_change === 1,
    createdAt: row.created_at,
    signedInAt: row.signed_in_at,
  }
}

async function readName(
  tx: Tx,
  table: 'accounts' | 'virtual_accounts',
  id: string,
): Promise<string | undefined> {
  if (table === 'accounts')
    return (await tx.selectFrom('accounts').select('domain').where('id', '=', id).executeTakeFirst())?.domain
  return (await tx.selectFrom('virtual_accounts').select('name').where('id', '=', id).executeTakeFirst())
    ?.name
}

async function resolveAccountIds(tx: Tx, { account, virtualAccount }: User) {
  if (account === null && virtualAccount === null) return { account_id: null, virtual_account_id: null }
  const found = await resolveAccount(tx, account ?? undefined)
  if (virtualAccount === null) return { account_id: found.id, virtual_account_id: null }
  const virtual = await resolveVirtualAccount(tx, found, virtualAccount)
  return { account_id: found.id, virtual_account_id: virtual.id }
}

async function insertUser(tx: Tx, user: User): Promise<boolean> {
  const { name, role, password, mustChange, createdAt, signedInAt } = user
  const reach = await resolveAccountIds(tx, user)
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('users')
    .values({
      name,
      role,
      ...reach,
      password,
      must_change: mustChange ? 1 : 0,
      created_at: createdAt,
      signed_in_at: signedInAt,
    })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .executeTakeFirst()
  return (numInsertedOrUpdatedRows ?? 0n) > 0n
}
