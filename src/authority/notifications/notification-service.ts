import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { validate } from '../../core/validate.ts'
import { LicensingError, notFoundError } from '../../core/errors.ts'
import { DAY } from '../../core/time.ts'
import { resolveVirtualAccount, listAccounts, listVirtualAccounts } from '../inventory/accounts.ts'
import type { Account } from '../context/account-context.ts'
import { getCurrentActor } from '../events/actor.ts'
import { readAlertPage } from '../alerts/alert-reader.ts'
import type { AlertDocument } from '../alerts/alerts.ts'
import type { AuthorityContext, AccountSelector } from '../context/authority-context.ts'
import { TERM_WARNING_DAYS } from '../inventory/orders.ts'
import { getFirstSummaryTime, queueDailySummaries } from './daily-summary.ts'
import {
  isNotified,
  listDueScopes,
  MAX_REMEMBERED_ALERTS,
  type NotificationScope,
  sendAlertNotifications,
} from './alert-notifications.ts'

const MAX_NOTIFICATIONS = 1_000
const MAIL_RETENTION = 90 * DAY

const addressSchema = z.email('not an e-mail address').max(254)

const notificationSchema = z.object({
  daily: z.boolean(),
  status: z.boolean(),
  expiring: z
    .array(
      z
        .int()
        .refine(
          (days) => TERM_WARNING_DAYS.includes(days),
          `the days before licenses end can be ${TERM_WARNING_DAYS.join(', ')}`,
        ),
    )
    .max(TERM_WARNING_DAYS.length),
})

/** An e-mail notification setting of one recipient. */
export interface NotificationDocument {
  readonly id: string
  readonly recipient: string
  /** Null for the whole smart account. */
  readonly virtualAccount: string | null
  readonly daily: boolean
  /** Sends the Status Notification for changes of compliance and major alerts. */
  readonly status: boolean
  /** Days before the end of licenses at which a notification is sent. */
  readonly expiring: readonly number[]
}

export interface NotificationInput {
  readonly recipient: string
  readonly daily: boolean
  readonly status: boolean
  readonly expiring: readonly number[]
  /** True for users who set their own address, which an administrator chose as the user name. */
  readonly own?: boolean | undefined
}

/**
 * Validates the address of a recipient. Its domain must be the smart account's or a subdomain of it.
 *
 * @throws LicensingError INVALID_ARGUMENT, RECIPIENT_REFUSED
 */
export function validateRecipient(address: string, account: Account, own = false): string {
  const recipient = validate(addressSchema, address.trim(), 'address')
  if (own) return recipient
  const domain = recipient.slice(recipient.lastIndexOf('@') + 1).toLowerCase()
  const wanted = account.domain.toLowerCase()
  if (domain === wanted || domain.endsWith(`.${wanted}`)) return recipient
  throw new LicensingError('RECIPIENT_REFUSED', `${recipient} is not in the domain ${account.domain}.`)
}

/** Service for the e-mail notifications of smart accounts. Each call is a transaction. */
export class NotificationService {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /**
   * Sets the notifications of a recipient about a smart account, or about one of its virtual accounts.
   *
   * @throws LicensingError INVALID_ARGUMENT, RECIPIENT_REFUSED, NOT_FOUND
   */
  async set(wanted: NotificationInput, where: AccountSelector = {}): Promise<NotificationDocument> {
    const { daily, status, expiring } = validate(
      notificationSchema,
      { daily: wanted.daily, status: wanted.status, expiring: [...new Set(wanted.expiring)] },
      'notification',
    )
    if (!daily && !status && expiring.length === 0)
      throw new LicensingError(
        'INVALID_ARGUMENT',
        'The notification is empty. Choose the Daily Event Summary, the Status Notification or the days before licenses end.',
      )
    return this.#context.withAccount(where, async ({ tx, account, at }) => {
      const recipient = validateRecipient(wanted.recipient, account, wanted.own)
      const virtual =
        where.virtualAccount === undefined
          ? null
          : await resolveVirtualAccount(tx, account, where.virtualAccount)
      const others = await tx
        .selectFrom('notifications')
        .select(['id', 'recipient', 'virtual_account_id', 'daily', 'status'])
        .where('account_id', '=', account.id)
        .execute()
      const there = others.find(
        (one) => one.recipient === recipient && one.virtual_account_id === (virtual?.id ?? null),
      )
      if (!there && others.length >= MAX_NOTIFICATIONS)
        throw new LicensingError(
          'INVALID_ARGUMENT',
          `${account.domain} has ${MAX_NOTIFICATIONS} notifications, which is the maximum.`,
        )
      const terms = {
        daily: daily ? 1 : 0,
        status: status ? 1 : 0,
        expiring: JSON.stringify(expiring.toSorted((a, b) => b - a)),
        set_by: getCurrentActor(),
      }
      // Events from before the notification was set are not sent later.
      const fresh = {
        daily: { summarized_until: at, daily_next_at: getFirstSummaryTime(at) },
        status: { alerts: null, next_check_at: at },
      }
      const id = there?.id ?? `nt_${randomBytes(9).toString('hex')}`
      if (there)
        await tx
          .updateTable('notifications')
          .set({
            ...terms,
            ...(there.daily === 0 && fresh.daily),
            ...(there.status === 0 && fresh.status),
          })
          .where('id', '=', id)
          .execute()
      else
        await tx
          .insertInto('notifications')
          .values({
            id,
            account_id: account.id,
            virtual_account_id: virtual?.id ?? null,
            recipient,
            created_at: at,
            ...terms,
            ...fresh.daily,
            ...fresh.status,
          })
          .execute()
      return {
        id,
        recipient,
        virtualAccount: virtual?.name ?? null,
        daily,
        status,
        expiring: JSON.parse(terms.expiring) as number[],
      }
    })
  }

  /** Returns the notifications of a smart account, or of the named virtual account. */
  list(where: AccountSelector = {}): Promise<NotificationDocument[]> {
    return this.#context.withAccount(where, async ({ tx, account }) => {
      const rows = await tx
        .selectFrom('notifications')
        .leftJoin('virtual_accounts', 'virtual_accounts.id', 'notifications.virtual_account_id')
        .selectAll('notifications')
        .select('virtual_accounts.name')
        .where('notifications.account_id', '=', account.id)
        .orderBy('notifications.created_at')
        .execute()
      return rows
        .map((row) => ({
          id: row.id,
          recipient: row.recipient,
          virtualAccount: row.name,
          daily: row.daily === 1,
          status: row.status === 1,
          expiring: JSON.parse(row.expiring) as number[],
        }))
        .filter((one) => where.virtualAccount === undefined || one.virtualAccount === where.virtualAccount)
    })
  }

  /** Removes a notification and its unsent mail. @throws LicensingError NOT_FOUND */
  remove(id: string, where: AccountSelector = {}): Promise<void> {
    return this.#context.withAccount(where, async ({ tx, account }) => {
      const removed = await tx
        .deleteFrom('notifications')
        .where('id', '=', id)
        .where('account_id', '=', account.id)
        .returning('id')
        .execute()
      if (removed.length === 0)
        throw notFoundError('notification', `${account.domain} has no notification ${JSON.stringify(id)}.`)
      await tx
        .deleteFrom('mails')
        .where('subject_id', 'like', `${id}%`)
        .where('sent_at', 'is', null)
        .execute()
    })
  }

  /**
   * Queues the due daily summaries and the notifications about changed major alerts. The alerts are read before the writing
   * transaction, in short ones, because exchanges wait for it.
   */
  async runDue(): Promise<void> {
    const scopes = await this.#context.store.read(async (tx) =>
      listDueScopes(tx, await this.#context.clock.readTime(tx)),
    )
    const alerts = new Map<string, readonly AlertDocument[]>()
    for (const scope of scopes) alerts.set(toScopeKey(scope), await this.#readMajorAlerts(scope))
    await this.#context.withMaintenance(async (tx, at) => {
      await queueDailySummaries(tx, at)
      await sendAlertNotifications(tx, at, (scope) => alerts.get(toScopeKey(scope)))
      await tx
        .deleteFrom('mails')
        .where('sent_at', '<', at - MAIL_RETENTION)
        .execute()
    })
  }

  /** Returns the first major alerts of a smart account or a virtual account. A removed account has none. */
  async #readMajorAlerts({
    accountId,
    virtualAccountId,
  }: NotificationScope): Promise<readonly AlertDocument[]> {
    const names = await this.#context.store.read(async (tx) => ({
      account: (await listAccounts(tx)).find(({ id }) => id === accountId)?.domain,
      virtualAccount: (await listVirtualAccounts(tx, accountId)).find(({ id }) => id === virtualAccountId)
        ?.name,
    }))
    const { account, virtualAccount } = names
    if (account === undefined || (virtualAccountId !== null && virtualAccount === undefined)) return []
    const { alerts } = await readAlertPage(
      (read) => this.#context.readAccount({ account }, read),
      { virtualAccount, severities: ['major'], isWanted: isNotified },
      { skip: 0, limit: MAX_REMEMBERED_ALERTS },
    )
    return alerts
  }
}

const toScopeKey = ({ accountId, virtualAccountId }: NotificationScope): string =>
  `${accountId} ${virtualAccountId ?? ''}`
