import { type Instant, toIsoString } from '../../core/time.ts'
import { type ProductProfile, requireTag } from '../../core/profile.ts'
import { listVirtualAccounts } from './accounts.ts'
import type { Account, VirtualAccount } from '../context/account-context.ts'
import type { Tx } from '../store/store.ts'

/** A lot of licenses behind a pool, as people and programs see it. */
export interface LicenseTransaction {
  /** Of the lot, as long as it stays where it is. */
  readonly id: string
  readonly virtualAccount: string
  readonly tag: string
  readonly name: string
  readonly quantity: number
  readonly type: 'perpetual' | 'term'
  readonly startsAt: string
  readonly endsAt: string | null
  /** Where it came from, in words. */
  readonly source: string
  readonly status: 'active' | 'expired' | 'not-started'
}

/** An order that may have made a lot, and the virtual account it was placed into. */
interface OrderOrigin {
  readonly id: string
  readonly sku: string | null
  readonly virtualAccountId: string | null
}

/**
 * The lots behind the pools of a smart account, by virtual account and tag, the oldest first.
 *
 * @param only the one virtual account, and the one tag, that are asked for
 * @throws LicensingError UNKNOWN_TAG
 */
export async function listLicenseTransactions(
  tx: Tx,
  account: Account,
  profile: ProductProfile,
  at: Instant,
  only: { virtual: VirtualAccount | null; tag: string | undefined },
): Promise<LicenseTransaction[]> {
  const { virtual, tag } = only
  if (tag !== undefined) requireTag(profile, tag)
  const virtualAccountNames = new Map(
    (await listVirtualAccounts(tx, account.id)).map(({ id, name }) => [id, name]),
  )
  let query = tx
    .selectFrom('licenses')
    .innerJoin('virtual_accounts as va', 'va.id', 'licenses.virtual_account_id')
    .selectAll('licenses')
    .select('va.name as virtualAccount')
    .where('va.account_id', '=', account.id)
    .orderBy('va.name')
    .orderBy('licenses.tag')
    .orderBy('licenses.starts_at')
    .orderBy('licenses.ends_at')
  if (virtual) query = query.where('va.id', '=', virtual.id)
  if (tag !== undefined) query = query.where('licenses.tag', '=', tag)
  const origins = await listOrigins(tx, account)
  const removedAt = await findLastRemoval(tx, account)
  return (await query.execute()).map((row) => {
    const { starts_at, ends_at } = row
    return {
      id: row.id,
      virtualAccount: row.virtualAccount,
      tag: row.tag,
      name: profile.tags.find((one) => one.tag === row.tag)?.name ?? row.tag,
      quantity: row.quantity,
      type: ends_at === null ? 'perpetual' : 'term',
      startsAt: toIsoString(starts_at),
      endsAt: toIsoString(ends_at),
      source:
        row.lot_id === null
          ? formatSource(
              row,
              origins.get(toOriginKey(row.tag, starts_at)) ?? [],
              virtualAccountNames,
              removedAt,
            )
          : 'synchronized from the manager',
      status: starts_at > at ? 'not-started' : ends_at !== null && ends_at <= at ? 'expired' : 'active',
    }
  })
}

const toOriginKey = (tag: string, at: Instant): string => `${tag} ${at}`

/** The orders of the account, by what they gave and when: a lot begins when its order is fulfilled. */
async function listOrigins(tx: Tx, account: Account): Promise<Map<string, OrderOrigin[]>> {
  const rows = await tx
    .selectFrom('orders')
    .select(['id', 'sku', 'tag', 'fulfilled_at', 'virtual_account_id as virtualAccountId'])
    .where('account_id', '=', account.id)
    .orderBy('id')
    .execute()
  const origins = new Map<string, OrderOrigin[]>()
  for (const { tag, fulfilled_at, ...origin } of rows) {
    if (tag === null || fulfilled_at === null) continue
    const key = toOriginKey(tag, fulfilled_at)
    origins.set(key, [...(origins.get(key) ?? []), origin])
  }
  return origins
}

/** When a virtual account of the account was last removed; -Infinity for never. */
async function findLastRemoval(tx: Tx, account: Account): Promise<Instant> {
  const row = await tx
    .selectFrom('events')
    .select((eb) => eb.fn.max('at').as('at'))
    .where('account_id', '=', account.id)
    .where('type', '=', 'VIRTUAL_ACCOUNT_REMOVED')
    .executeTakeFirst()
  // Of nothing an aggregate finds null, whatever its type says.
  return row?.at ?? -Infinity
}

/** The order a lot came by, and where it was before: a lot that was transferred keeps when and how it was bought. */
function formatSource(
  row: { virtual_account_id: string; starts_at: Instant; source: string },
  candidates: readonly OrderOrigin[],
  virtualAccountNames: ReadonlyMap<string, string>,
  removedAt: Instant,
): string {
  const bought = candidates.filter(({ sku }) => row.source === (sku === null ? 'order' : `order ${sku}`))
  const here = bought.filter(({ virtualAccountId }) => virtualAccountId === row.virtual_account_id)
  const orders = here.length > 0 ? here : bought
  if (orders.length === 0) return row.source
  const words = orders.map(({ id, sku }) => `order ${id}${sku === null ? '' : ` (${sku})`}`).join(' or ')
  if (here.length > 0) return words
  const from = [
    ...new Set(orders.map(({ virtualAccountId }) => virtualAccountNames.get(virtualAccountId ?? ''))),
  ]
  // The orders of a virtual account that was removed are kept with another one: nobody knows then where it was.
  const known = from.length === 1 && from[0] !== undefined && removedAt < row.starts_at
  return `${words}, transferred${known ? ` from ${from[0]}` : ''}`
}
