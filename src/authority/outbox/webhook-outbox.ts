import { randomUUID } from 'node:crypto'
import { type Selectable, sql } from 'kysely'
import { HOUR, type Instant, toIsoString, MINUTE, SECOND } from '../../core/time.ts'
import type { Tables } from '../store/tables.ts'
import type { Tx } from '../store/store.ts'

type EventRow = Selectable<Tables['events']>
export type WebhookRow = Selectable<Tables['webhooks']>
export type DeliveryRow = Selectable<Tables['webhook_deliveries']>

/** Maximum attempts at one delivery, over two days. After the last attempt, only a user can retry the delivery. */
const MAX_ATTEMPTS = 14
const INITIAL_RETRY_DELAY_MS = 30 * SECOND
const MAX_RETRY_DELAY_MS = 12 * HOUR
/** Failed attempts, over about half an hour, for which a delivery blocks the ones after it. */
const MAX_BLOCKING_ATTEMPTS = 6
const BATCH_SIZE = 50
/** Time for which a webhook is reserved for the process that claimed it: longer than a batch of timeouts. */
const CLAIM_LEASE_MS = 15 * MINUTE
const INSERT_BATCH_SIZE = 500
const MAX_FAILED_DELIVERIES = 10_000

const SEVERITIES = ['info', 'minor', 'major'] as const

/** Returns true where a webhook receives an event, by its types and severity. */
function matchesEvent({ types, severity }: Pick<WebhookRow, 'types' | 'severity'>, event: EventRow): boolean {
  const wanted = types === null ? null : (JSON.parse(types) as string[])
  return (
    (wanted === null || wanted.includes(event.type)) &&
    SEVERITIES.indexOf(event.severity) >= SEVERITIES.indexOf(severity)
  )
}

/**
 * Queues events for every matching webhook of their smart account, in the transaction of the events. Events without a
 * smart account go to the webhooks of all accounts.
 */
export async function queueDeliveries(tx: Tx, events: readonly EventRow[]): Promise<void> {
  const hooks = await tx.selectFrom('webhooks').select(['id', 'account_id', 'types', 'severity']).execute()
  const deliveries = events.flatMap((event) =>
    hooks
      .filter(
        (hook) => (event.account_id ?? hook.account_id) === hook.account_id && matchesEvent(hook, event),
      )
      .map((hook) => ({
        id: `msg_${randomUUID()}`,
        webhook_id: hook.id,
        event_id: event.id,
        attempts: 0,
        next_at: event.at,
        dead: 0,
        failure: null,
      })),
  )
  // The number of values in a statement is limited.
  for (let from = 0; from < deliveries.length; from += INSERT_BATCH_SIZE)
    await tx
      .insertInto('webhook_deliveries')
      .values(deliveries.slice(from, from + INSERT_BATCH_SIZE))
      .execute()
}

/** Formats the message of an event as JSON. */
export const formatEventMessage = (event: EventRow, account: string | null): string =>
  JSON.stringify({
    type: event.type,
    timestamp: toIsoString(event.at),
    data: {
      id: event.id,
      severity: event.severity,
      smartAccount: account,
      virtualAccount: event.virtual_account,
      instanceId: event.instance_id,
      message: event.message,
      user: event.who,
    },
  })

/** A claimed webhook with its due deliveries, in the order of the events. */
export interface ClaimedWebhook {
  readonly hook: WebhookRow
  readonly due: readonly (DeliveryRow & { readonly body: string })[]
}

/**
 * Claims the webhooks with due deliveries that no other process has claimed. A claim lasts until its release, or for 15
 * minutes.
 */
export async function claimDeliveries(tx: Tx, at: Instant): Promise<ClaimedWebhook[]> {
  const waiting = await tx
    .selectFrom('webhook_deliveries')
    .select('webhook_id')
    .distinct()
    .where('dead', '=', sql.lit(0))
    .where('next_at', '<=', at)
    .execute()
  const claimed: ClaimedWebhook[] = []
  for (const { webhook_id } of waiting) {
    const hook = await tx
      .updateTable('webhooks')
      .set({ claimed_until: at + CLAIM_LEASE_MS })
      .where('id', '=', webhook_id)
      .where('claimed_until', '<=', at)
      .returningAll()
      .executeTakeFirst()
    if (hook) claimed.push({ hook, due: await readDueDeliveries(tx, hook, at) })
  }
  return claimed
}

async function readDueDeliveries(tx: Tx, hook: WebhookRow, at: Instant): Promise<ClaimedWebhook['due']> {
  const rows = await tx
    .selectFrom('webhook_deliveries')
    .selectAll()
    .where('webhook_id', '=', hook.id)
    .where('dead', '=', sql.lit(0))
    .orderBy('event_id')
    .limit(BATCH_SIZE)
    .execute()
  // Deliveries wait behind one that has failed a few times, so that they arrive in order.
  const stop = rows.findIndex(({ next_at, attempts }) => next_at > at && attempts < MAX_BLOCKING_ATTEMPTS)
  const inOrder = (stop === -1 ? rows : rows.slice(0, stop)).filter(({ next_at }) => next_at <= at)
  const due = inOrder.length > 0 || stop !== -1 ? inOrder : await listDueDeliveries(tx, hook, at)
  if (due.length === 0) return []
  const events = await tx
    .selectFrom('events')
    .leftJoin('accounts', 'accounts.id', 'events.account_id')
    .selectAll('events')
    .select('accounts.domain')
    .where(
      'events.id',
      'in',
      due.map(({ event_id }) => event_id),
    )
    .execute()
  return due.flatMap((delivery) => {
    const event = events.find(({ id }) => id === delivery.event_id)
    return event ? [{ ...delivery, body: formatEventMessage(event, event.domain) }] : []
  })
}

/** Returns the due deliveries, including ones behind a batch of deliveries that wait for their next attempt. */
const listDueDeliveries = (tx: Tx, hook: WebhookRow, at: Instant): Promise<DeliveryRow[]> =>
  tx
    .selectFrom('webhook_deliveries')
    .selectAll()
    .where('webhook_id', '=', hook.id)
    .where('dead', '=', sql.lit(0))
    .where('next_at', '<=', at)
    .orderBy('event_id')
    .limit(BATCH_SIZE)
    .execute()

/** Deletes a delivery that its receiver accepted, and counts it. */
export async function markDelivered(tx: Tx, delivery: DeliveryRow, at: Instant): Promise<void> {
  await tx.deleteFrom('webhook_deliveries').where('id', '=', delivery.id).execute()
  await tx
    .updateTable('webhooks')
    .set((eb) => ({ delivered: eb('delivered', '+', 1), delivered_at: at, failure: null }))
    .where('id', '=', delivery.webhook_id)
    .execute()
}

/**
 * Records a failed delivery. The next attempt follows after an increasing delay, and no earlier than the receiver's
 * `Retry-After`. The delivery is given up after the last attempt, or when the receiver is gone.
 *
 * @param random jitter from 0 to 1
 * @returns true where the delivery is given up
 */
export async function markFailed(
  tx: Tx,
  delivery: DeliveryRow,
  failed: { readonly why: string; readonly retryAfter: number | null; readonly gone: boolean },
  at: Instant,
  random: number,
): Promise<boolean> {
  const attempts = delivery.attempts + 1
  const dead = failed.gone || attempts >= MAX_ATTEMPTS
  const wait =
    Math.min(MAX_RETRY_DELAY_MS, INITIAL_RETRY_DELAY_MS * 2 ** (attempts - 1)) * (0.8 + 0.4 * random)
  await tx
    .updateTable('webhook_deliveries')
    .set({
      attempts,
      dead: dead ? 1 : 0,
      failure: failed.why,
      next_at: at + Math.round(Math.max(wait, failed.retryAfter ?? 0)),
    })
    .where('id', '=', delivery.id)
    .execute()
  await tx
    .updateTable('webhooks')
    .set({ failure: failed.why })
    .where('id', '=', delivery.webhook_id)
    .execute()
  if (dead) await pruneFailedDeliveries(tx, delivery.webhook_id)
  return dead
}

async function pruneFailedDeliveries(tx: Tx, webhookId: string): Promise<void> {
  const oldest = await tx
    .selectFrom('webhook_deliveries')
    .select('event_id')
    .where('webhook_id', '=', webhookId)
    .where('dead', '=', sql.lit(1))
    .orderBy('event_id', 'desc')
    .offset(MAX_FAILED_DELIVERIES)
    .limit(1)
    .executeTakeFirst()
  if (oldest)
    await tx
      .deleteFrom('webhook_deliveries')
      .where('webhook_id', '=', webhookId)
      .where('dead', '=', sql.lit(1))
      .where('event_id', '<=', oldest.event_id)
      .execute()
}

export async function releaseClaim(tx: Tx, webhookId: string): Promise<void> {
  await tx.updateTable('webhooks').set({ claimed_until: 0 }).where('id', '=', webhookId).execute()
}
