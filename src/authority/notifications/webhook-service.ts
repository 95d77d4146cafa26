import { sql } from 'kysely'
import { randomBytes, randomUUID, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { validate } from '../../core/validate.ts'
import { LicensingError, notFoundError } from '../../core/errors.ts'
import { HOUR, type Instant, toIsoString } from '../../core/time.ts'
import { SerialRounds } from '../../core/serial-rounds.ts'
import { checkWebhookUrl, type DeliveryResult, sendWebhook } from '../../transports/webhook.ts'
import {
  checkWebhookSecret,
  generateWebhookSecret,
  createWebhookHeaders,
} from '../../pki/webhook-signature.ts'
import type { Account } from '../context/account-context.ts'
import type { AuthorityContext, AccountSelector } from '../context/authority-context.ts'
import { logEvent } from '../events/event-log.ts'
import type { Tx } from '../store/store.ts'
import {
  releaseClaim,
  formatEventMessage,
  markDelivered,
  markFailed,
  type ClaimedWebhook,
  claimDeliveries,
  type WebhookRow,
} from '../outbox/webhook-outbox.ts'

const typesSchema = z
  .array(
    z
      .string()
      .regex(/^[A-Z][A-Z_]{0,99}$/, 'an event type is written as in the event log, such as TOKEN_CREATED'),
  )
  .min(1)
  .max(100)
const MAX_WEBHOOKS = 100
/** Default hours for which the previous secret also signs after a rotation. */
const DEFAULT_OVERLAP_HOURS = 24
const overlapSchema = z
  .int('the overlap is a whole number of hours')
  .min(0, 'the overlap is 0 hours or more')
  .max(720, 'the overlap is at most 720 hours')

/** A webhook in the form of the APIs, without its secret. */
export interface WebhookDocument {
  readonly id: string
  readonly url: string
  readonly types: readonly string[] | null
  readonly severity: 'info' | 'minor' | 'major'
  readonly createdAt: string
  readonly delivered: number
  readonly lastDeliveredAt: string | null
  readonly waiting: number
  readonly dead: number
  /** Reason of the last failed attempt; null after a success. */
  readonly failure: string | null
}

/** A delivery that is no longer retried. */
export interface FailedDelivery {
  readonly id: string
  readonly webhook: string
  readonly event: number
  readonly type: string
  readonly attempts: number
  readonly failure: string | null
}

export interface WebhookInput {
  readonly url: string
  /** Secret of the form `whsec_…`; a random one by default. */
  readonly secret?: string | undefined
  readonly types?: readonly string[] | undefined
  readonly severity?: WebhookDocument['severity'] | undefined
  readonly ca?: string | undefined
}

/** Service for the webhooks of an authority. Each call is a transaction. Messages are sent between transactions. */
export class WebhookService {
  readonly #context: AuthorityContext
  readonly #deliveryRounds = new SerialRounds(() => this.#deliver())
  #closed = false

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /**
   * Adds a webhook, which receives every matching event from then on.
   *
   * @returns the webhook with its secret, which is returned only once
   * @throws LicensingError WEBHOOK_URL_REFUSED, INVALID_ARGUMENT
   */
  async add(
    wanted: WebhookInput,
    where: AccountSelector = {},
  ): Promise<WebhookDocument & { readonly secret: string }> {
    const url = checkWebhookUrl(wanted.url)
    const types = wanted.types === undefined ? null : validate(typesSchema, [...wanted.types], 'event type')
    const secret = wanted.secret === undefined ? generateWebhookSecret() : checkWebhookSecret(wanted.secret)
    const ca = wanted.ca === undefined ? null : checkCa(wanted.ca)
    return this.#context.withAccount(where, async ({ tx, account, at }) => {
      const there = await tx
        .selectFrom('webhooks')
        .select('id')
        .where('account_id', '=', account.id)
        .execute()
      if (there.length >= MAX_WEBHOOKS)
        throw new LicensingError(
          'INVALID_ARGUMENT',
          `${account.domain} has ${MAX_WEBHOOKS} webhooks, which is the maximum.`,
        )
      const row: WebhookRow = {
        id: `wh_${randomBytes(9).toString('hex')}`,
        account_id: account.id,
        url,
        ca,
        secret: this.#context.credentials.secrets.encryptSecret(secret),
        old_secret: null,
        old_until: 0,
        types: types === null ? null : JSON.stringify(types),
        severity: wanted.severity ?? 'info',
        created_at: at,
        delivered: 0,
        delivered_at: null,
        failure: null,
        claimed_until: 0,
      }
      await this.#log(tx, account, at, 'WEBHOOK_ADDED', row)
      await tx.insertInto('webhooks').values(row).execute()
      return { ...toWebhookDocument(row, { waiting: 0, dead: 0 }), secret }
    })
  }

  list(where: AccountSelector = {}): Promise<WebhookDocument[]> {
    return this.#context.withAccount(where, async ({ tx, account }) => {
      const rows = await tx
        .selectFrom('webhooks')
        .selectAll()
        .where('account_id', '=', account.id)
        .orderBy('created_at')
        .execute()
      const documents: WebhookDocument[] = []
      for (const row of rows) documents.push(toWebhookDocument(row, await this.#countDeliveries(tx, row.id)))
      return documents
    })
  }

  /** Removes a webhook and its queued messages. @throws LicensingError NOT_FOUND */
  remove(id: string, where: AccountSelector = {}): Promise<void> {
    return this.#context.withAccount(where, async ({ tx, account, at }) => {
      const row = await this.#find(tx, account, id)
      await tx.deleteFrom('webhook_deliveries').where('webhook_id', '=', id).execute()
      await tx.deleteFrom('webhooks').where('id', '=', id).execute()
      await this.#log(tx, account, at, 'WEBHOOK_REMOVED', row)
    })
  }

  /**
   * Gives a webhook a new secret. The previous secret also signs during the overlap, which is in hours.
   *
   * @throws LicensingError NOT_FOUND, INVALID_ARGUMENT
   */
  async rotate(
    id: string,
    wanted: { readonly secret?: string | undefined; readonly overlap?: number | undefined } = {},
    where: AccountSelector = {},
  ): Promise<{ readonly id: string; readonly secret: string; readonly oldUntil: string }> {
    const overlap = validate(overlapSchema, wanted.overlap ?? DEFAULT_OVERLAP_HOURS, 'overlap')
    const secret = wanted.secret === undefined ? generateWebhookSecret() : checkWebhookSecret(wanted.secret)
    return this.#context.withAccount(where, async ({ tx, account, at }) => {
      const row = await this.#find(tx, account, id)
      const until = at + overlap * HOUR
      await tx
        .updateTable('webhooks')
        .set({
          secret: this.#context.credentials.secrets.encryptSecret(secret),
          old_secret: row.secret,
          old_until: until,
        })
        .where('id', '=', id)
        .execute()
      await this.#log(tx, account, at, 'WEBHOOK_SECRET_ROTATED', row)
      return { id, secret, oldUntil: toIsoString(until) }
    })
  }

  /**
   * Sends a message of the type WEBHOOK_TEST at once. The message is not an event and is not retried.
   *
   * @throws LicensingError NOT_FOUND, WEBHOOK_NOT_DELIVERED
   */
  async test(id: string, where: AccountSelector = {}): Promise<void> {
    const { hook, account, at } = await this.#context.withAccount(where, async ({ tx, account, at }) => ({
      hook: await this.#find(tx, account, id),
      account,
      at,
    }))
    const body = formatEventMessage(
      {
        id: 0,
        at,
        account_id: account.id,
        virtual_account: null,
        instance_id: null,
        type: 'WEBHOOK_TEST',
        severity: 'info',
        message: 'This is a test message.',
        who: null,
      },
      account.domain,
    )
    const delivered = await this.#post(hook, { id: `msg_${randomUUID()}`, body })
    if (delivered.outcome !== 'delivered')
      throw new LicensingError(
        'WEBHOOK_NOT_DELIVERED',
        `The test message was not delivered: ${delivered.why}.`,
      )
  }

  /** Returns the deliveries that are no longer retried, oldest first. */
  listFailed(where: AccountSelector = {}, limit = 1000): Promise<FailedDelivery[]> {
    return this.#context.withAccount(where, async ({ tx, account }) => {
      const rows = await tx
        .selectFrom('webhook_deliveries as one')
        .innerJoin('webhooks', 'webhooks.id', 'one.webhook_id')
        .innerJoin('events', 'events.id', 'one.event_id')
        .select(['one.id', 'one.webhook_id', 'one.event_id', 'one.attempts', 'one.failure', 'events.type'])
        .where('webhooks.account_id', '=', account.id)
        .where('one.dead', '=', sql.lit(1))
        .orderBy('one.event_id')
        .limit(limit)
        .execute()
      return rows.map(({ id, webhook_id: webhook, event_id: event, type, attempts, failure }) => ({
        id,
        webhook,
        event,
        type,
        attempts,
        failure,
      }))
    })
  }

  /**
   * Queues failed deliveries again.
   *
   * @param id of one delivery, or of a webhook for all its failed deliveries
   * @returns the number of deliveries
   * @throws LicensingError NOT_FOUND
   */
  retry(id: string, where: AccountSelector = {}): Promise<number> {
    return this.#context.withAccount(where, async ({ tx, account, at }) => {
      const own = tx.selectFrom('webhooks').select('id').where('account_id', '=', account.id)
      const again = await tx
        .updateTable('webhook_deliveries')
        .set({ dead: 0, attempts: 0, next_at: at })
        .where('dead', '=', sql.lit(1))
        .where('webhook_id', 'in', own)
        .where((eb) => eb.or([eb('id', '=', id), eb('webhook_id', '=', id)]))
        .returning('id')
        .execute()
      if (again.length === 0 && !id.startsWith('wh_'))
        throw notFoundError('webhook-delivery', `There is no failed delivery ${JSON.stringify(id)}.`)
      if (again.length === 0) await this.#find(tx, account, id)
      return again.length
    })
  }

  /**
   * Sends the due messages, each at least once. A process that stops between sending a message and recording it leaves the
   * message to be sent again with the same id.
   *
   * @returns the number of messages that their receivers accepted
   */
  deliver(): Promise<number> {
    return this.#deliveryRounds.request()
  }

  async #deliver(): Promise<number> {
    if (this.#closed) return 0
    const taken = await this.#context.withMaintenance((tx, at) => claimDeliveries(tx, at))
    const sent = await Promise.all(taken.map((one) => this.#deliverTo(one)))
    const sum = sent.reduce((all, one) => all + one, 0)
    // Sends the messages that arrived meanwhile or did not fit into the batch.
    return sum > 0 ? sum + (await this.#deliver()) : sum
  }

  /** Stops sending, and waits for the messages in progress. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#deliveryRounds.current?.catch(() => undefined)
  }

  async #deliverTo({ hook, due }: ClaimedWebhook): Promise<number> {
    let sent = 0
    try {
      for (const delivery of due) {
        if (this.#closed) break
        const delivered = await this.#post(hook, delivery)
        const dead = await this.#context.withMaintenance(async (tx, at) => {
          if (delivered.outcome === 'delivered') {
            await markDelivered(tx, delivery, at)
            return false
          }
          const gone = delivered.outcome === 'gone'
          const retryAfter = delivered.outcome === 'failed' ? delivered.retryAfter : null
          return markFailed(tx, delivery, { why: delivered.why, retryAfter, gone }, at, Math.random())
        })
        if (delivered.outcome === 'delivered') sent++
        // After a failure the rest of the batch waits. A delivery that is no longer retried does not block the others.
        else if (!dead) break
      }
    } finally {
      await this.#context.withMaintenance((tx) => releaseClaim(tx, hook.id))
    }
    return sent
  }

  #post(hook: WebhookRow, { id, body }: { id: string; body: string }): Promise<DeliveryResult> {
    const at = this.#context.clock.wall()
    const sealed = [
      hook.secret,
      ...(hook.old_secret !== null && hook.old_until > at ? [hook.old_secret] : []),
    ]
    const secrets = sealed.map((one) => this.#context.credentials.secrets.decryptSecret(one))
    return sendWebhook(hook, { body, headers: createWebhookHeaders({ id, body, at }, secrets) }, at)
  }

  async #find(tx: Tx, account: Account, id: string): Promise<WebhookRow> {
    const row = await tx
      .selectFrom('webhooks')
      .selectAll()
      .where('id', '=', id)
      .where('account_id', '=', account.id)
      .executeTakeFirst()
    if (row) return row
    throw notFoundError('webhook', `${account.domain} has no webhook ${JSON.stringify(id)}.`)
  }

  async #countDeliveries(tx: Tx, id: string): Promise<{ waiting: number; dead: number }> {
    const rows = await tx
      .selectFrom('webhook_deliveries')
      .select(['dead', (eb) => eb.fn.countAll<number | string>().as('count')])
      .where('webhook_id', '=', id)
      .groupBy('dead')
      .execute()
    const count = (dead: number) => Number(rows.find((row) => row.dead === dead)?.count ?? 0)
    return { waiting: count(0), dead: count(1) }
  }

  /** Logs an event with the host of the URL only: the path and query may be secret. */
  #log(tx: Tx, account: Account, at: Instant, type: string, { id, url }: WebhookRow): Promise<void> {
    return logEvent(tx, {
      at,
      type,
      accountId: account.id,
      message: `Webhook ${id}, to ${new URL(url).host}.`,
    })
  }
}

/** @throws LicensingError INVALID_ARGUMENT */
function checkCa(pem: string): string {
  try {
    return new X509Certificate(pem).toString()
  } catch {
    throw new LicensingError(
      'INVALID_ARGUMENT',
      'The CA certificate of the webhook cannot be read: PEM is expected.',
    )
  }
}

const toWebhookDocument = (row: WebhookRow, counts: { waiting: number; dead: number }): WebhookDocument => ({
  id: row.id,
  url: row.url,
  types: row.types === null ? null : (JSON.parse(row.types) as string[]),
  severity: row.severity,
  createdAt: toIsoString(row.created_at),
  delivered: row.delivered,
  lastDeliveredAt: toIsoString(row.delivered_at),
  ...counts,
  failure: row.failure,
})
