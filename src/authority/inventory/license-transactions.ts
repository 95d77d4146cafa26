import { type Instant, toIsoString } from '../../core/time.ts'
import { type ProductProfile, requireTag } from '../../core/profile.ts'
import { listVirtualAccounts } from './accounts.ts'
import type { Account, VirtualAccount } from '../context/account-context.ts'
import type { Tx } from '../store/store.ts'

/** A lot of licenses of a pool, in the form of the APIs and the command line. */
export interface LicenseTransaction {
  /** Id of the lot, valid until the lot is transferred. */
  readonly id: string
  readonly virtualAccount: string
  readonly tag: string
  readonly name: string
  readonly quantity: number
  readonly type: 'perpetual' | 'term'
  readonly startsAt: string
  readonly endsAt: string | null
  /** Origin of the lot, as text. */
  readonly source: string
  readonly status: 'active' | 'expired' | 'not-started'
}

/** An order that may have created a lot, with the virtual account of the order. */
interface OrderOrigin {
  readonly id: string
  readonly sku: string | null
  readonly virtualAccountId: string | null
}

/**
 * Returns the lots of a smart account, by virtual account and tag, the oldest first.
 *
 * @param only the requested virtual account and tag
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

/** Returns the orders of the account by tag and time. A lot begins when its order is fulfilled. */
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

/** Returns the time of the last removal of a virtual account; -Infinity for none. */
async function findLastRemoval(tx: Tx, account: Account): Promise<Instant> {
  const row = await tx
    .selectFrom('events')
    .select((eb) => eb.fn.max('at').as('at'))
    .where('account_id', '=', account.id)
    .where('type', '=', 'VIRTUAL_ACCOUNT_REMOVED')
    .executeTakeFirst()
  // An aggregate over no rows is null, in spite of its type.
  return row?.at ?? -Infinity
}

/** Describes the order of a lot and its previous virtual account. A transferred lot keeps the time and source of its order. */
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
  // Orders of a removed virtual account moved to another one, so the previous virtual account is not known.
  const known = from.length === 1 && from[0] !== undefined && removedAt < row.starts_at
  return `${words}, transferred${known ? ` from ${from[0]}` : ''}`
}
