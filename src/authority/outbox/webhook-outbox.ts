import { randomUUID } from 'node:crypto'
import { type Selectable, sql } from 'kysely'
import { HOUR, type Instant, iso, MINUTE, SECOND } from '../../core/time.ts'
import type { Tables } from '../store/tables.ts'
import type { Tx } from '../store/store.ts'

type EventRow = Selectable<Tables['events']>
export type WebhookRow = Selectable<Tables['webhooks']>
export type DeliveryRow = Selectable<Tables['webhook_deliveries']>

/** Attempts at one delivery: with the waits between them, two days. After the last it is dead until somebody has it sent again. */
const ATTEMPTS = 14
const FIRST_WAIT = 30 * SECOND
const LONGEST_WAIT = 12 * HOUR
/** So often a delivery may fail before those behind it overtake it: about half an hour. */
const IN_ORDER = 6
/** Deliveries of one webhook that are taken at a time. */
const BATCH = 50
/** How long a webhook is left to whoever has taken it: longer than a batch of silent receivers takes. */
const TAKEN = 15 * MINUTE
/** Rows that one statement inserts. */
const INSERTED = 500
/** Dead deliveries that are kept of one webhook. */
const KEPT_DEAD = 10_000

const SEVERITIES = ['info', 'minor', 'major'] as const

/** Whether a webhook is told of an event. */
function fits({ types, severity }: Pick<WebhookRow, 'types' | 'severity'>, event: EventRow): boolean {
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
      .filter((hook) => (event.account_id ?? hook.account_id) === hook.account_id && fits(hook, event))
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
  for (let from = 0; from < deliveries.length; from += INSERTED)
    await tx
      .insertInto('webhook_deliveries')
      .values(deliveries.slice(from, from + INSERTED))
      .execute()
}

/** A message to a receiver: the event, as JSON. */
export const messageOf = (event: EventRow, account: string | null): string =>
  JSON.stringify({
    type: event.type,
    timestamp: iso(event.at),
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
export interface Taken {
  readonly hook: WebhookRow
  readonly due: readonly (DeliveryRow & { readonly body: string })[]
}

/**
 * Takes the webhooks of which something is due, and that nobody else is at work on. They are this taker's until they are
 * given back, or for a quarter of an hour.
 */
export async function takeDeliveries(tx: Tx, at: Instant): Promise<Taken[]> {
  const waiting = await tx
    .selectFrom('webhook_deliveries')
    .select('webhook_id')
    .distinct()
    .where('dead', '=', sql.lit(0))
    .where('next_at', '<=', at)
    .execute()
  const taken: Taken[] = []
  for (const { webhook_id } of waiting) {
    const hook = await tx
      .updateTable('webhooks')
      .set({ claimed_until: at + TAKEN })
      .where('id', '=', webhook_id)
      .where('claimed_until', '<=', at)
      .returningAll()
      .executeTakeFirst()
    if (hook) taken.push({ hook, due: await dueOf(tx, hook, at) })
  }
  return taken
}

async function dueOf(tx: Tx, hook: WebhookRow, at: Instant): Promise<Taken['due']> {
  const rows = await tx
    .selectFrom('webhook_deliveries')
    .selectAll()
    .where('webhook_id', '=', hook.id)
    .where('dead', '=', sql.lit(0))
    .orderBy('event_id')
    .limit(BATCH)
    .execute()
  // Behind one that has failed a few times the others wait, so that they arrive in their order.
  const stop = rows.findIndex(({ next_at, attempts }) => next_at > at && attempts < IN_ORDER)
  const inOrder = (stop === -1 ? rows : rows.slice(0, stop)).filter(({ next_at }) => next_at <= at)
  const due = inOrder.length > 0 || stop !== -1 ? inOrder : await anyDue(tx, hook, at)
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
    return event ? [{ ...delivery, body: messageOf(event, event.domain) }] : []
  })
}

/** What is due behind many that wait for their next attempt. */
const anyDue = (tx: Tx, hook: WebhookRow, at: Instant): Promise<DeliveryRow[]> =>
  tx
    .selectFrom('webhook_deliveries')
    .selectAll()
    .where('webhook_id', '=', hook.id)
    .where('dead', '=', sql.lit(0))
    .where('next_at', '<=', at)
    .orderBy('event_id')
    .limit(BATCH)
    .execute()

/** Notes that a receiver took a delivery: it is done with. */
export async function noteDelivered(tx: Tx, delivery: DeliveryRow, at: Instant): Promise<void> {
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
export async function noteFailed(
  tx: Tx,
  delivery: DeliveryRow,
  failed: { readonly why: string; readonly retryAfter: number | null; readonly gone: boolean },
  at: Instant,
  random: number,
): Promise<boolean> {
  const attempts = delivery.attempts + 1
  const dead = failed.gone || attempts >= ATTEMPTS
  const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempts - 1)) * (0.8 + 0.4 * random)
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
  if (dead) await pruneDead(tx, delivery.webhook_id)
  return dead
}

async function pruneDead(tx: Tx, webhookId: string): Promise<void> {
  const oldest = await tx
    .selectFrom('webhook_deliveries')
    .select('event_id')
    .where('webhook_id', '=', webhookId)
    .where('dead', '=', sql.lit(1))
    .orderBy('event_id', 'desc')
    .offset(KEPT_DEAD)
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
export async function giveBack(tx: Tx, webhookId: string): Promise<void> {
  await tx.updateTable('webhooks').set({ claimed_until: 0 }).where('id', '=', webhookId).execute()
}
