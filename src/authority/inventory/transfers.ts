import type { AccountContext } from '../context/account-context.ts'
import { randomUUID } from 'node:crypto'
import type { Selectable } from 'kysely'
import { countSchema } from '../../core/entitlement.ts'
import { validate } from '../../core/validate.ts'
import { LicensingError } from '../../core/errors.ts'
import { type Instant, toIsoString } from '../../core/time.ts'
import { requireTag } from '../../core/profile.ts'
import { requireLocal } from './accounts.ts'
import type { VirtualAccount } from '../context/account-context.ts'
import { logAccountEvent } from '../events/event-log.ts'
import { getInstance } from './instances.ts'
import { recomputeCompliance, type Pool, setInstanceUsage } from './pools.ts'
import { filterActiveLots } from '../policy.ts'
import { markInstanceChanged } from '../store/revisions.ts'
import type { Tables } from '../store/tables.ts'
import type { Tx } from '../store/store.ts'

type LicenseRow = Selectable<Tables['licenses']>

export interface TransferEffect {
  readonly virtualAccount: string
  readonly tag: string
  readonly before: PoolCounts
  readonly after: PoolCounts
}
interface PoolCounts {
  readonly quantity: number
  readonly inUse: number
  readonly reserved: number
  readonly status: 'in-compliance' | 'out-of-compliance'
}

/** The result of a transfer, or of a preview. */
export interface TransferDocument {
  readonly from: string
  readonly to: string
  readonly what: string
  readonly effects: readonly TransferEffect[]
  /** `waiting`: the licenses leave the satellite with one of its next synchronizations. */
  readonly status: 'done' | 'waiting' | 'preview'
}

const toPoolCounts = (pool: Pool): PoolCounts => ({
  quantity: pool.owned,
  inUse: pool.inUse,
  reserved: pool.reserved,
  status: pool.compliant ? 'in-compliance' : 'out-of-compliance',
})

/** Predicts the effects of a waiting transfer on the source pool, which is first, and the target pool. */
const predictEffects = (effects: readonly TransferEffect[], quantity: number): TransferEffect[] =>
  effects.map((effect, i) => {
    const owned = effect.before.quantity + (i === 0 ? -quantity : quantity)
    const { inUse, reserved } = effect.before
    const status = inUse + reserved <= owned ? 'in-compliance' : 'out-of-compliance'
    return { ...effect, after: { quantity: owned, inUse, reserved, status } }
  })

/** Returns true where a transfer puts a compliant pool out of compliance. */
export const violatesCompliance = ({ effects }: TransferDocument): boolean =>
  effects.some(({ before, after }) => before.status === 'in-compliance' && after.status !== 'in-compliance')

/** The properties of a lot that a filter can select by. */
export interface ChosenLot {
  readonly id: string
  readonly startsAt: Instant
  readonly endsAt: Instant | null
}

/** Licenses to transfer out of a pool. */
export interface TransferInput {
  readonly tag: string
  readonly quantity: number
  /** Selects the lots to transfer from; all by default. */
  readonly takesLot?: (lot: ChosenLot) => boolean
  /** Transfers the licenses with the longest term first instead of last. */
  readonly longestFirst?: boolean
}

const transferQuantitySchema = countSchema.min(1, 'a transferred quantity is 1 or more')

/**
 * Transfers licenses of a tag, by default those with the shortest term first. Licenses of a satellite's virtual account
 * move with its next synchronization, because until then the satellite may grant them to devices.
 *
 * @throws LicensingError TRANSFER_UNAVAILABLE, UNKNOWN_TAG, INVALID_ARGUMENT
 */
export async function transferLicenses(
  context: AccountContext,
  from: VirtualAccount,
  to: VirtualAccount,
  wanted: TransferInput,
): Promise<TransferDocument> {
  requireTag(context.profile, wanted.tag)
  const quantity = validate(transferQuantitySchema, wanted.quantity, 'quantity')
  requireDifferent(from, to)
  requireSameSource(from, to)
  const { tag, takesLot = () => true, longestFirst = false } = wanted
  const all = await listAvailableLots(context, from, tag)
  const lots = all.filter(({ id, starts_at, ends_at }) =>
    takesLot({ id, startsAt: starts_at, endsAt: ends_at }),
  )
  const rows = longestFirst ? lots.reverse() : lots
  const available = rows.reduce((sum, one) => sum + one.quantity, 0)
  if (available < quantity)
    throw new LicensingError(
      'TRANSFER_UNAVAILABLE',
      `${quantity} of ${tag} cannot be transferred: ${from.name} has ${available} ${lots.length < all.length ? 'of the requested type and term' : 'that are not already being reclaimed'}.`,
    )
  const before = await readPools(context, [from, to], tag)
  // A satellite without an exchange has received no licenses yet.
  const waiting = from.satellite?.registered === true && from.satellite.id !== to.satellite?.id
  let left = quantity
  for (const row of rows) {
    if (left === 0) break
    const taken = Math.min(left, row.quantity)
    left -= taken
    if (waiting) await reclaimLicenses(context, row, taken, from, to)
    else await moveLicenses(context, row.id, taken, to.id)
  }
  const what = `${quantity} of ${tag}`
  await logAccountEvent(context, {
    type: waiting ? 'LICENSES_RECALLED' : 'LICENSES_TRANSFERRED',
    virtualAccount: from.name,
    message: waiting
      ? `${what} from ${from.name} to ${to.name}, with the next synchronization of the satellite ${from.satellite.name}.`
      : `${what} from ${from.name} to ${to.name}.`,
  })
  const document = await toTransferDocument(
    context,
    what,
    from,
    to,
    before,
    tag,
    waiting ? 'waiting' : 'done',
  )
  return waiting ? { ...document, effects: predictEffects(document.effects, quantity) } : document
}

/**
 * Moves a registered product instance with its usage.
 *
 * @throws LicensingError NOT_FOUND, VIRTUAL_ACCOUNT_OF_SATELLITE
 */
export async function transferInstance(
  context: AccountContext,
  id: string,
  to: VirtualAccount,
): Promise<TransferDocument> {
  requireLocal(to, 'register its instances there')
  const document = await getInstance(context.tx, context.account, id, context.at)
  const row = await context.tx
    .selectFrom('instances')
    .innerJoin('virtual_accounts as va', 'va.id', 'instances.virtual_account_id')
    .select(['va.id', 'va.name'])
    .where('instances.id', '=', id)
    .executeTakeFirstOrThrow()
  requireDifferent(row, to)
  const tags = document.entitlements.map(({ tag }) => tag)
  const before = await readPools(context, [row, to], ...tags)
  const usage = document.entitlements.map(({ tag, count }) => ({ tag, count }))
  await setInstanceUsage(context.tx, { id, virtualAccountId: row.id }, [], context.at)
  await context.tx.updateTable('instances').set({ virtual_account_id: to.id }).where('id', '=', id).execute()
  await setInstanceUsage(context.tx, { id, virtualAccountId: to.id }, usage, context.at)
  await markInstanceChanged(context.tx, id)
  const what = `${document.udi.pid}:${document.udi.serial}`
  await logAccountEvent(context, {
    type: 'INSTANCE_TRANSFERRED',
    virtualAccount: row.name,
    instanceId: id,
    message: `${what} from ${row.name} to ${to.name}.`,
  })
  return toTransferDocument(context, what, row, to, before, null, 'done')
}

export async function moveLicenses(
  context: AccountContext,
  licenseId: string,
  quantity: number,
  to: string,
): Promise<void> {
  const row = await context.tx
    .selectFrom('licenses')
    .selectAll()
    .where('id', '=', licenseId)
    .executeTakeFirstOrThrow()
  await putLicenses(context, row, quantity, to)
  const rest = row.quantity - quantity
  const source = context.tx.updateTable('licenses').set({ quantity: rest }).where('id', '=', row.id)
  if (rest > 0) await source.execute()
  else {
    await context.tx.deleteFrom('reclaims').where('license_id', '=', row.id).execute()
    await context.tx.deleteFrom('licenses').where('id', '=', row.id).execute()
  }
  await recomputeCompliance(context.tx, row.virtual_account_id, row.tag, context.at)
  await recomputeCompliance(context.tx, to, row.tag, context.at)
}

/** Adds licenses to the present part of the same lot, or inserts a new part. */
async function putLicenses(
  context: AccountContext,
  row: LicenseRow,
  quantity: number,
  to: string,
): Promise<void> {
  let query = context.tx
    .selectFrom('licenses')
    .select(['id', 'quantity'])
    .where('virtual_account_id', '=', to)
    .where('tag', '=', row.tag)
    .where('starts_at', '=', row.starts_at)
    .where('ends_at', row.ends_at === null ? 'is' : '=', row.ends_at)
    .where('source', '=', row.source)
  query = query.where('lot_id', row.lot_id === null ? 'is' : '=', row.lot_id)
  const existing = await query.executeTakeFirst()
  if (existing) {
    await context.tx
      .updateTable('licenses')
      .set({ quantity: existing.quantity + quantity })
      .where('id', '=', existing.id)
      .execute()
    return
  }
  await context.tx
    .insertInto('licenses')
    .values({ ...row, id: randomUUID(), virtual_account_id: to, quantity })
    .execute()
}

/** Returns the lots of a pool that have not ended, shortest term first, without licenses that are being reclaimed. */
async function listAvailableLots(
  context: AccountContext,
  from: VirtualAccount,
  tag: string,
): Promise<LicenseRow[]> {
  const rows = await context.tx
    .selectFrom('licenses')
    .selectAll()
    .where('virtual_account_id', '=', from.id)
    .where('tag', '=', tag)
    .execute()
  const reclaimed = await context.tx
    .selectFrom('reclaims')
    .select(['license_id', (eb) => eb.fn.sum<number>('quantity').as('quantity')])
    .groupBy('license_id')
    .execute()
  const called = new Map(reclaimed.map(({ license_id, quantity }) => [license_id, quantity]))
  return filterActiveLots(rows, context.at)
    .map((row) => ({ ...row, quantity: row.quantity - (called.get(row.id) ?? 0) }))
    .filter(({ quantity }) => quantity > 0)
    .sort((a, b) => (a.ends_at ?? Infinity) - (b.ends_at ?? Infinity))
}

async function reclaimLicenses(
  context: AccountContext,
  row: LicenseRow,
  quantity: number,
  from: VirtualAccount,
  to: VirtualAccount,
): Promise<void> {
  await context.tx
    .insertInto('reclaims')
    .values({
      id: randomUUID(),
      satellite_id: from.satellite?.id ?? '',
      license_id: row.id,
      quantity,
      to_virtual_account_id: to.id,
      notified_epoch: null,
      notified_sequence: null,
      requested_at: context.at,
    })
    .execute()
}

async function readPools(
  context: AccountContext,
  accounts: readonly Pick<VirtualAccount, 'id' | 'name'>[],
  ...tags: readonly string[]
): Promise<(Pool & { virtualAccount: string })[]> {
  const pools = []
  for (const { id, name } of accounts)
    for (const tag of tags)
      pools.push({ ...(await recomputeCompliance(context.tx, id, tag, context.at)), virtualAccount: name })
  return pools
}

async function toTransferDocument(
  context: AccountContext,
  what: string,
  from: Pick<VirtualAccount, 'id' | 'name'>,
  to: Pick<VirtualAccount, 'id' | 'name'>,
  before: readonly (Pool & { virtualAccount: string })[],
  tag: string | null,
  status: 'done' | 'waiting',
): Promise<TransferDocument> {
  const tags = tag === null ? [...new Set(before.map((pool) => pool.tag))] : [tag]
  const after = await readPools(context, [from, to], ...tags)
  return {
    from: from.name,
    to: to.name,
    what,
    effects: before.map((pool, i) => ({
      virtualAccount: pool.virtualAccount,
      tag: pool.tag,
      before: toPoolCounts(pool),
      after: toPoolCounts(after[i] ?? pool),
    })),
    status,
  }
}

function requireDifferent(
  from: Pick<VirtualAccount, 'id' | 'name'>,
  to: Pick<VirtualAccount, 'id' | 'name'>,
): void {
  if (from.id === to.id)
    throw new LicensingError('INVALID_ARGUMENT', `The source and the target are both ${to.name}.`, {
      remedy: 'Name another virtual account with --to.',
    })
}

/** Refuses a transfer at a satellite between licenses of different virtual accounts of the manager, which counts them apart. */
function requireSameSource(from: VirtualAccount, to: VirtualAccount): void {
  const sourceOf = ({ upstream, home }: VirtualAccount) => (home ? null : upstream)
  if (sourceOf(from) === sourceOf(to)) return
  throw new LicensingError(
    'VIRTUAL_ACCOUNT_OF_SATELLITE',
    `${from.name} and ${to.name} belong to two virtual accounts of the manager, and only the manager transfers licenses between them.`,
    { remedy: 'Transfer them at the manager, and synchronize.' },
  )
}

/** A pending reclaim of licenses from a satellite. */
export interface ReclaimDocument {
  readonly tag: string
  readonly quantity: number
  readonly to: string
  readonly requestedAt: string
  readonly notified: boolean
}

export async function listReclaims(tx: Tx, satelliteId: string): Promise<ReclaimDocument[]> {
  const rows = await tx
    .selectFrom('reclaims')
    .innerJoin('licenses', 'licenses.id', 'reclaims.license_id')
    .innerJoin('virtual_accounts as va', 'va.id', 'reclaims.to_virtual_account_id')
    .select([
      'licenses.tag',
      'reclaims.quantity',
      'va.name',
      'reclaims.requested_at',
      'reclaims.notified_sequence',
    ])
    .where('reclaims.satellite_id', '=', satelliteId)
    .orderBy('reclaims.requested_at')
    .execute()
  return rows.map(({ tag, quantity, name, requested_at, notified_sequence }) => ({
    tag,
    quantity,
    to: name,
    requestedAt: toIsoString(requested_at),
    notified: notified_sequence !== null,
  }))
}
