import type { Selectable } from 'kysely'
import type { Instant } from '../domain/instant.ts'
import { chooseAccount, chooseVirtualAccount } from './accounts.ts'
import type { Tables } from './schema.ts'
import type { Tx } from './store.ts'

/** How many entries of the audit record are kept. */
const KEPT = 100_000

/** Somebody who signs in at the page of an authority. */
export interface PersonRecord {
  readonly name: string
  readonly role: Tables['users']['role']
  /** The smart account, and the virtual account of it, that the person is kept to; null for all. */
  readonly account: string | null
  readonly virtualAccount: string | null
  readonly password: string
  readonly mustChange: boolean
  readonly createdAt: Instant
  readonly signedInAt: Instant | null
}

/** One thing that somebody did, or that was refused. */
export interface DeedRecord {
  readonly at: Instant
  readonly who: string | null
  readonly address: string
  readonly action: string
  readonly about: string
  readonly outcome: string
}

/** The people of an authority, and the record of what they did: each call is a transaction. */
export class People {
  readonly #transaction: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>

  constructor(transaction: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>) {
    this.#transaction = transaction
  }

  find(name: string): Promise<PersonRecord | null> {
    return this.#transaction(async (tx) => {
      const row = await tx.selectFrom('users').selectAll().where('name', '=', name).executeTakeFirst()
      return row ? personOf(tx, row) : null
    })
  }

  list(): Promise<PersonRecord[]> {
    return this.#transaction(async (tx) => {
      const people: PersonRecord[] = []
      for (const row of await tx.selectFrom('users').selectAll().orderBy('name').execute())
        people.push(await personOf(tx, row))
      return people
    })
  }

  /** Adds a person, or replaces the one of that name. @throws LicensingError ACCOUNT_UNKNOWN, VIRTUAL_ACCOUNT_UNKNOWN, INVALID_ARGUMENT */
  put(person: PersonRecord): Promise<void> {
    return this.#transaction(async (tx) => {
      const reach = await reachOf(tx, person)
      const { name, role, password, createdAt, signedInAt } = person
      const row = {
        role,
        ...reach,
        password,
        must_change: person.mustChange ? 1 : 0,
        created_at: createdAt,
        signed_in_at: signedInAt,
      }
      await tx
        .insertInto('users')
        .values({ name, ...row })
        .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
        .execute()
    })
  }

  remove(name: string): Promise<void> {
    return this.#transaction(async (tx) => {
      await tx.deleteFrom('users').where('name', '=', name).execute()
    })
  }

  record({ at, who, address, action, about, outcome }: DeedRecord): Promise<void> {
    return this.#transaction(async (tx) => {
      const { insertId } = await tx
        .insertInto('audit')
        .values({ at, who, address, action, about, outcome })
        .executeTakeFirst()
      const id = Number(insertId ?? 0)
      if (id % 100 === 0)
        await tx
          .deleteFrom('audit')
          .where('id', '<=', id - KEPT)
          .execute()
    })
  }

  /** The newest entries, the newest first. */
  deeds(limit: number): Promise<DeedRecord[]> {
    return this.#transaction(async (tx) => {
      const rows = await tx.selectFrom('audit').selectAll().orderBy('id', 'desc').limit(limit).execute()
      return rows.map(({ id: _, ...deed }) => deed)
    })
  }
}

/** A virtual account that is gone leaves its user nothing to reach, and never everything. */
const GONE = ' '

async function personOf(tx: Tx, row: Selectable<Tables['users']>): Promise<PersonRecord> {
  const account = row.account_id === null ? undefined : await nameOf(tx, 'accounts', row.account_id)
  const virtual =
    row.virtual_account_id === null ? undefined : await nameOf(tx, 'virtual_accounts', row.virtual_account_id)
  return {
    name: row.name,
    role: row.role,
    account: row.account_id === null ? null : (account ?? GONE),
    virtualAccount: row.virtual_account_id === null ? null : (virtual ?? GONE),
    password: row.password,
    mustChange: row.must_change === 1,
    createdAt: row.created_at,
    signedInAt: row.signed_in_at,
  }
}

async function nameOf(
  tx: Tx,
  table: 'accounts' | 'virtual_accounts',
  id: string,
): Promise<string | undefined> {
  if (table === 'accounts')
    return (await tx.selectFrom('accounts').select('domain').where('id', '=', id).executeTakeFirst())?.domain
  return (await tx.selectFrom('virtual_accounts').select('name').where('id', '=', id).executeTakeFirst())
    ?.name
}

async function reachOf(tx: Tx, { name, account, virtualAccount }: PersonRecord) {
  if (virtualAccount === GONE) {
    // Whoever reaches nothing is not given another reach by signing in.
    const row = await tx.selectFrom('users').selectAll().where('name', '=', name).executeTakeFirst()
    return { account_id: row?.account_id ?? null, virtual_account_id: row?.virtual_account_id ?? GONE }
  }
  if (account === null && virtualAccount === null) return { account_id: null, virtual_account_id: null }
  const found = await chooseAccount(tx, account ?? undefined)
  if (virtualAccount === null) return { account_id: found.id, virtual_account_id: null }
  const virtual = await chooseVirtualAccount(tx, found, virtualAccount)
  return { account_id: found.id, virtual_account_id: virtual.id }
}
