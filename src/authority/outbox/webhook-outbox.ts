import { randomUUID } from 'node:crypto'
import { type Selectable, sql } from 'kysely'
import { HOUR, type Instant, toIsoString, MINUTE, SECOND } from '../../core/time.ts'
import type { Tables } from '../store/tables.ts'
import type { Tx } from '../store/store.ts'

type EventRow = Selectable<Tables['events']>
export type WebhookRow = Selectable<Tables['webhooks']>
export type DeliveryRow = Selectable<Tables['webhook_deliveries']>

/** Attempts at one delivery: with the waits between them, two days. After the last it is dead until somebody has it sent again. */
const MAX_ATTEMPTS = 14
const INITIAL_RETRY_DELAY_MS = 30 * SECOND
const MAX_RETRY_DELAY_MS = 12 * HOUR
/** So often a delivery may fail before those behind it overtake it: about half an hour. */
const MAX_BLOCKING_ATTEMPTS = 6
/** Deliveries of one webhook that are taken at a time. */
const BATCH_SIZE = 50
/** How long a webhook is left to whoever has taken it: longer than a batch of silent receivers takes. */
const CLAIM_LEASE_MS = 15 * MINUTE
/** Rows that one statement inserts. */
const INSERT_BATCH_SIZE = 500
/** Dead deliveries that are kept of one webhook. */
const MAX_FAILED_DELIVERIES = 10_000

const SEVERITIES = ['info', 'minor', 'major'] as const

/** Whether a webhook is told of an event. */
function matchesEvent({ types, severity }: Pick<WebhookRow, 'types' | 'severity'>, event: EventRow): boolean {
  const wanted = types === null ? null : (JSON.parse(types) as string[])
  return (
    (wanted === null || wanted.includes(event.type)) &&
    SEVERITIES.indexOf(event.severity) >= SEVERITIES.indexOf(severity)
  )
}

/**
 * Puts events into the queue of every webhook that they fit, in the transaction of the events: of their smart account, or of
 * them all where one is of none.
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
  // A statement takes so many values.
  for (let from = 0; from < deliveries.length; from += INSERT_BATCH_SIZE)
    await tx
      .insertInto('webhook_deliveries')
      .values(deliveries.slice(from, from + INSERT_BATCH_SIZE))
      .execute()
}

/** A message to a receiver: the event, as JSON. */
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

/** One webhook that was taken, with what is due of it, in the order of the events. */
export interface ClaimedWebhook {
  readonly hook: WebhookRow
  readonly due: readonly (DeliveryRow & { readonly body: string })[]
}

/**
 * Takes the webhooks of which something is due, and that nobody else is at work on. They are this taker's until they are
 * given back, or for a quarter of an hour.
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
  // Behind one that has failed a few times the others wait, so that they arrive in their order.
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

/** What is due behind many that wait for their next attempt. */
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

/** Notes that a receiver took a delivery: it is done with. */
export async function markDelivered(tx: Tx, delivery: DeliveryRow, at: Instant): Promise<void> {
  await tx.deleteFrom('webhook_deliveries').where('id', '=', delivery.id).execute()
  await tx
    .updateTable('webhooks')
    .set((eb) => ({ delivered: eb('delivered', '+', 1), delivered_at: at, failure: null }))
    .where('id', '=', delivery.webhook_id)
    .execute()
}

/**
 * Notes that a delivery failed: it is tried again after a growing wait, no earlier than its receiver asked for; after the
 * last attempt, or when its receiver is gone, it is dead.
 *
 * @param random from 0 to 1: waits of many do not end together
 * @returns whether it is dead
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

/** Gives a webhook back. */
export async function releaseClaim(tx: Tx, webhookId: string): Promise<void> {
  await tx.updateTable('webhooks').set({ claimed_until: 0 }).where('id', '=', webhookId).execute()
}
