import { listAccounts, listVirtualAccounts } from './accounts.ts'
import type { Tx } from '../store/store.ts'

/** A virtual account with its number in the REST API. */
export interface VirtualAccountWithNumericId {
  readonly number: number
  readonly name: string
  readonly isDefault: boolean
}

/** A smart account with its number and the numbers of its virtual accounts. */
export interface AccountWithNumericId {
  readonly number: number
  readonly domain: string
  readonly virtualAccounts: readonly VirtualAccountWithNumericId[]
}

/** Returns every smart account with its numbers. Accounts without a number get a permanent one. */
export async function listAccountsWithNumericIds(tx: Tx): Promise<AccountWithNumericId[]> {
  const known = new Map(
    (await tx.selectFrom('numeric_ids').selectAll().execute()).map(({ id, subject }) => [subject, id]),
  )
  const ensureNumericId = async (subject: string): Promise<number> => {
    const there = known.get(subject)
    if (there !== undefined) return there
    const { id } = await tx
      .insertInto('numeric_ids')
      .values({ subject })
      .returning('id')
      .executeTakeFirstOrThrow()
    return id
  }
  const accounts: AccountWithNumericId[] = []
  for (const { id, domain } of await listAccounts(tx)) {
    const virtualAccounts: VirtualAccountWithNumericId[] = []
    const number = await ensureNumericId(id)
    for (const one of await listVirtualAccounts(tx, id))
      virtualAccounts.push({
        number: await ensureNumericId(one.id),
        name: one.name,
        isDefault: one.isDefault,
      })
    accounts.push({ number, domain, virtualAccounts })
  }
  return accounts
}
