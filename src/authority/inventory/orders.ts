import type { AccountContext } from '../context/account-context.ts'
import { randomUUID } from 'node:crypto'
import { type Selectable, sql } from 'kysely'
import { z } from 'zod'
import { validate } from '../../core/validate.ts'
import { LicensingError, notFoundError } from '../../core/errors.ts'
import { DAY, type Instant, toIsoString } from '../../core/time.ts'
import { isHigherVersion } from '../../core/product-version.ts'
import { type ProfileSku, requireTag } from '../../core/profile.ts'
import type { Account, VirtualAccount } from '../context/account-context.ts'
import { logEvent } from '../events/event-log.ts'
import { discardUnsentMails, queueMail } from '../outbox/mail.ts'
import { type ExpiringLicense, queueExpiryNotifications } from '../outbox/expiry-notifications.ts'
import { recomputeCompliance } from './pools.ts'
import type { Tables } from '../store/tables.ts'
import type { Tx } from '../store/store.ts'

/** Context of an order. Some orders belong to no smart account. */
export type OrderContext = Pick<AccountContext, 'tx' | 'profile' | 'at'>

type OrderRow = Selectable<Tables['orders']>

/** An order of licenses by tag, or of the contents of a SKU. */
export interface OrderInput {
  readonly sku?: string | undefined
  readonly tag?: string | undefined
  readonly quantity: number
  readonly termDays?: number | undefined
}

/** An order in the form of the APIs and the command line. */
export interface OrderDocument {
  readonly id: string
  readonly status: 'fulfilled' | 'waiting' | 'escalated'
  readonly sku: string | null
  /** Tag of the ordered licenses; null for an order of a software version. */
  readonly tag: string | null
  readonly version: string | null
  readonly quantity: number
  readonly virtualAccount: string | null
  readonly endsAt: string | null
  readonly buyer: string | null
  readonly placedAt: string
  readonly reminders: number
  readonly nextReminderAt: string | null
}

/** Number of reminders to the buyer of an order without a smart account, as in Cisco's planning guide (three e-mails). */
export const MAX_REMINDERS = 3
export const REMINDER_INTERVAL = 7 * DAY
/** Days before the end of a term at which warnings are sent. */
export const TERM_WARNING_DAYS: readonly number[] = [90, 60, 30]

const orderTermsSchema = z.object({
  quantity: z
    .int('a quantity is a whole number')
    .min(1, 'a quantity is 1 or more')
    .max(10_000_000, 'a quantity is at most 10,000,000'),
  termDays: z
    .int('a term is a whole number of days')
    .min(1, 'a term is 1 day or more')
    .max(36_500, 'a term is at most 36,500 days')
    .optional(),
})
const buyerSchema = z.email('not an e-mail address').max(254)

/**
 * Places an order into a virtual account and fulfills it at once. Orders of the same tag add up.
 *
 * @throws LicensingError NOT_FOUND, UNKNOWN_TAG, INVALID_ARGUMENT
 */
export async function placeOrder(
  context: OrderContext,
  account: Account,
  virtual: VirtualAccount,
  wanted: OrderInput,
): Promise<OrderDocument> {
  const row = createOrderRow(context, wanted, null)
  await context.tx.insertInto('orders').values(row).execute()
  return fulfillOrder(context, row, account, virtual)
}

/**
 * Places an order without a smart account. The buyer is asked for one by e-mail and reminded three times. Then an
 * administrator has to call the buyer.
 *
 * @throws LicensingError NOT_FOUND, UNKNOWN_TAG, INVALID_ARGUMENT
 */
export async function placeBuyerOrder(
  context: OrderContext,
  wanted: OrderInput,
  buyer: string,
): Promise<OrderDocument> {
  const row: OrderRow = {
    ...createOrderRow(context, wanted, validate(buyerSchema, buyer, 'address of the buyer')),
    next_at: context.at + REMINDER_INTERVAL,
  }
  await context.tx.insertInto('orders').values(row).execute()
  await queueMail(context.tx, {
    subjectId: row.id,
    to: row.buyer ?? '',
    subject: `Your order ${row.id}: a Smart Account is needed`,
    text: `Thank you for your order of ${describeOrder(row)}.\n\nLicenses are kept in a Smart Account. Create one, and have the order ${row.id} assigned to it.\n`,
    at: context.at,
  })
  await logEvent(context.tx, {
    at: context.at,
    type: 'ORDER_WAITING',
    severity: 'minor',
    message: `Order ${row.id}, ${describeOrder(row)}, names no smart account.`,
  })
  return toOrderDocument(context, row)
}

/** Assigns a waiting order to a virtual account. @throws LicensingError NOT_FOUND, ORDER_FULFILLED */
export async function assignOrder(
  context: OrderContext,
  id: string,
  account: Account,
  virtual: VirtualAccount,
): Promise<OrderDocument> {
  const row = await context.tx.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst()
  if (!row) throw notFoundError('order', `There is no order ${JSON.stringify(id)}.`)
  if (row.status === 'fulfilled')
    throw new LicensingError(
      'ORDER_FULFILLED',
      `The order ${id} was fulfilled at ${toIsoString(row.fulfilled_at ?? 0)}.`,
    )
  return fulfillOrder(context, row, account, virtual)
}

/** Returns the orders of an account and the orders without an account, oldest first. */
export async function listOrders(context: OrderContext, account: Account): Promise<OrderDocument[]> {
  const rows = await context.tx
    .selectFrom('orders')
    .selectAll()
    .where((or) => or.or([or('account_id', '=', account.id), or('account_id', 'is', null)]))
    .orderBy('placed_at')
    .execute()
  const virtualAccounts = await context.tx
    .selectFrom('virtual_accounts')
    .select(['id', 'name'])
    .where('account_id', '=', account.id)
    .execute()
  const names = new Map(virtualAccounts.map(({ id, name }) => [id, name]))
  return rows.map((row) => formatOrder(row, names.get(row.virtual_account_id ?? '') ?? null))
}

function createOrderRow(context: OrderContext, wanted: OrderInput, buyer: string | null): OrderRow {
  const { quantity, termDays } = validate(orderTermsSchema, wanted, 'order')
  const gives = resolveGrants(context, wanted)
  return {
    id: randomUUID(),
    account_id: null,
    virtual_account_id: null,
    sku: wanted.sku ?? null,
    tag: gives.kind === 'licenses' ? gives.tag : null,
    version: gives.kind === 'version' ? gives.version : null,
    quantity,
    term_days: termDays ?? null,
    buyer,
    status: 'waiting',
    placed_at: context.at,
    fulfilled_at: null,
    reminders: 0,
    next_at: null,
  }
}

function resolveGrants(context: OrderContext, { sku, tag }: OrderInput): ProfileSku['grants'] {
  if (sku !== undefined && tag === undefined) {
    const known = context.profile.skus.find((one) => one.sku === sku)
    if (known) return known.grants
    throw notFoundError(
      'sku',
      `There is no SKU ${JSON.stringify(sku.slice(0, 64))}. The SKUs are ${context.profile.skus.map((one) => one.sku).join(', ')}.`,
      'Order by --tag, or use a SKU that the message lists.',
    )
  }
  if (sku === undefined && tag !== undefined)
    return { kind: 'licenses', tag: requireTag(context.profile, tag).tag }
  throw new LicensingError('INVALID_ARGUMENT', 'An order names either a SKU or an entitlement tag.')
}

async function fulfillOrder(
  context: OrderContext,
  row: OrderRow,
  account: Account,
  virtual: VirtualAccount,
): Promise<OrderDocument> {
  const done: OrderRow = {
    ...row,
    account_id: account.id,
    virtual_account_id: virtual.id,
    status: 'fulfilled',
    fulfilled_at: context.at,
    next_at: null,
  }
  await context.tx.updateTable('orders').set(done).where('id', '=', row.id).execute()
  await discardUnsentMails(context.tx, row.id)
  const endsAt = row.term_days === null ? null : context.at + row.term_days * DAY
  if (row.tag !== null) {
    await context.tx
      .insertInto('licenses')
      .values({
        id: randomUUID(),
        virtual_account_id: virtual.id,
        tag: row.tag,
        quantity: row.quantity,
        starts_at: context.at,
        ends_at: endsAt,
        source: row.sku === null ? 'order' : `order ${row.sku}`,
        lot_id: null,
        warned_days: null,
      })
      .execute()
    await recomputeCompliance(context.tx, virtual.id, row.tag, context.at)
  }
  if (row.version !== null) await entitleVersion(context.tx, account.id, row.version)
  await logEvent(context.tx, {
    at: context.at,
    type: row.tag === null ? 'VERSION_ENTITLED' : 'LICENSES_ORDERED',
    accountId: account.id,
    virtualAccount: virtual.name,
    message: `${describeOrder(row)}${endsAt === null ? '' : `, until ${toIsoString(endsAt)}`}.`,
  })
  return toOrderDocument(context, done)
}

/** Returns the highest software version that an account's orders entitle, or null. */
export async function readSoftwareVersion(tx: Tx, accountId: string): Promise<string | null> {
  const { software_version } = await tx
    .selectFrom('accounts')
    .select('software_version')
    .where('id', '=', accountId)
    .executeTakeFirstOrThrow()
  return software_version
}

/** Raises the software version of an account to that of an order. */
async function entitleVersion(tx: Tx, accountId: string, version: string): Promise<void> {
  const current = await readSoftwareVersion(tx, accountId)
  if (current === null || isHigherVersion(version, current))
    await tx.updateTable('accounts').set({ software_version: version }).where('id', '=', accountId).execute()
}

async function toOrderDocument(context: OrderContext, row: OrderRow): Promise<OrderDocument> {
  const virtual =
    row.virtual_account_id === null
      ? undefined
      : await context.tx
          .selectFrom('virtual_accounts')
          .select('name')
          .where('id', '=', row.virtual_account_id)
          .executeTakeFirst()
  return formatOrder(row, virtual?.name ?? null)
}

function formatOrder(row: OrderRow, virtualAccount: string | null): OrderDocument {
  const endsAt =
    row.term_days === null || row.fulfilled_at === null ? null : row.fulfilled_at + row.term_days * DAY
  return {
    id: row.id,
    status: row.status,
    sku: row.sku,
    tag: row.tag,
    version: row.version,
    quantity: row.quantity,
    virtualAccount,
    endsAt: toIsoString(endsAt),
    buyer: row.buyer,
    placedAt: toIsoString(row.placed_at),
    reminders: row.reminders,
    nextReminderAt: toIsoString(row.next_at),
  }
}

export const describeOrder = ({ quantity, tag, sku, version }: OrderRow): string =>
  tag === null
    ? `software version ${version ?? ''} (${sku ?? ''})`
    : `${quantity} of ${tag}${sku === null ? '' : ` (${sku})`}`

/** Sends the due reminders to buyers, and escalates orders after the last reminder to the administrators. */
export async function sendOrderReminders(tx: Tx, at: Instant): Promise<void> {
  const rows = await tx
    .selectFrom('orders')
    .selectAll()
    .where('status', '=', sql.lit('waiting'))
    .where('next_at', '<=', at)
    .execute()
  for (const row of rows) {
    if (row.reminders >= MAX_REMINDERS) {
      await tx
        .updateTable('orders')
        .set({ status: 'escalated', next_at: null })
        .where('id', '=', row.id)
        .execute()
      await logEvent(tx, {
        at,
        type: 'ORDER_NEEDS_A_PERSON',
        severity: 'major',
        message: `Order ${row.id}, ${describeOrder(row)}: call ${row.buyer ?? ''}, who did not name a smart account after ${MAX_REMINDERS} reminders.`,
      })
      continue
    }
    const reminders = row.reminders + 1
    await tx
      .updateTable('orders')
      .set({ reminders, next_at: at + REMINDER_INTERVAL })
      .where('id', '=', row.id)
      .execute()
    await queueMail(tx, {
      subjectId: row.id,
      to: row.buyer ?? '',
      subject: `Reminder ${reminders} of ${MAX_REMINDERS}: your order ${row.id} needs a Smart Account`,
      text: `Your order of ${describeOrder(row)} waits for a Smart Account.\n\nCreate one, and have the order ${row.id} assigned to it.\n`,
      at,
    })
    await logEvent(tx, {
      at,
      type: 'ORDER_REMINDED',
      message: `Order ${row.id}: reminder ${reminders} of ${MAX_REMINDERS}.`,
    })
  }
}

/** Logs and sends the due warnings before the end of license terms, and the ends themselves. */
export async function warnBeforeTermEnd(tx: Tx, at: Instant): Promise<void> {
  const [furthest = 0] = TERM_WARNING_DAYS
  const rows = await tx
    .selectFrom('licenses')
    .innerJoin('virtual_accounts', 'virtual_accounts.id', 'licenses.virtual_account_id')
    .selectAll('licenses')
    .select(['virtual_accounts.name', 'virtual_accounts.account_id'])
    .where('licenses.ends_at', '<=', at + furthest * DAY)
    .where((or) => or.or([or('licenses.warned_days', 'is', null), or('licenses.warned_days', '>', 0)]))
    .orderBy('licenses.ends_at')
    .orderBy('licenses.tag')
    .orderBy('licenses.id')
    .execute()
  const ending: ExpiringLicense[] = []
  for (const row of rows) {
    if (row.ends_at === null) continue
    const left = row.ends_at - at
    const come = [...TERM_WARNING_DAYS, 0].filter(
      (days) => left <= days * DAY && (row.warned_days === null || days < row.warned_days),
    )
    if (come.length === 0) continue
    const warned = Math.min(...come)
    await tx.updateTable('licenses').set({ warned_days: warned }).where('id', '=', row.id).execute()
    ending.push({
      accountId: row.account_id,
      virtualAccountId: row.virtual_account_id,
      virtualAccount: row.name,
      tag: row.tag,
      quantity: row.quantity,
      endsAt: row.ends_at,
      passed: come,
    })
    // A term shorter than the warning period still gets one warning.
    await logEvent(tx, {
      at,
      type: warned === 0 ? 'LICENSES_EXPIRED' : 'LICENSES_EXPIRING',
      severity: warned === 0 ? 'major' : 'minor',
      accountId: row.account_id,
      virtualAccount: row.name,
      message: `${row.quantity} of ${row.tag} ${warned === 0 ? 'ended' : 'end'} at ${toIsoString(row.ends_at)}.`,
    })
    if (warned === 0) await recomputeCompliance(tx, row.virtual_account_id, row.tag, at)
  }
  await queueExpiryNotifications(tx, ending, at)
}
