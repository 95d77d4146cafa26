import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { checked } from '../../core/validate.ts'
import { LicensingError, notFound } from '../../core/errors.ts'
import { DAY } from '../../core/time.ts'
import { chooseVirtualAccount, listAccounts, listVirtualAccounts } from '../inventory/accounts.ts'
import type { Account } from '../context/account-context.ts'
import { presentActor } from '../events/actor.ts'
import { readAlerts } from '../alerts/alert-reader.ts'
import type { AlertDocument } from '../alerts/alerts.ts'
import type { AuthorityContext, Where } from '../context/authority-context.ts'
import type { AccountContext } from '../context/account-context.ts'
import { TERM_WARNINGS } from '../inventory/orders.ts'
import { firstSummaryAt, summarise } from './daily-summary.ts'
import { notifyOfAlerts } from './alert-notifications.ts'

/** Notifications of one smart account. */
const MOST = 1_000
/** How long mails that were sent are kept. */
const KEPT_MAILS = 90 * DAY

const addressSchema = z.email('it is not an e-mail address').max(254)

const wantedSchema = z.object({
  daily: z.boolean(),
  status: z.boolean(),
  expiring: z
    .array(
      z
        .int()
        .refine(
          (days) => TERM_WARNINGS.includes(days),
          `the days before an end are ${TERM_WARNINGS.join(', ')}`,
        ),
    )
    .max(TERM_WARNINGS.length),
})

/** What somebody is told of by e-mail. */
export interface NotificationDocument {
  readonly id: string
  readonly recipient: string
  /** Null for the whole smart account. */
  readonly virtualAccount: string | null
  /** Daily Event Summary. */
  readonly daily: boolean
  /** Status Notification: a change of compliance, or of a major alert. */
  readonly status: boolean
  /** Days before the end of licences. */
  readonly expiring: readonly number[]
}

export interface WantedNotification {
  readonly recipient: string
  readonly daily: boolean
  readonly status: boolean
  readonly expiring: readonly number[]
  /** The recipient sets it for themselves: whoever let them sign in has chosen the address. */
  readonly own?: boolean | undefined
}

/**
 * An address that is told of a smart account: its domain is the smart account's, or lies below it.
 *
 * @throws LicensingError INVALID_ARGUMENT, RECIPIENT_REFUSED
 */
export function checkRecipient(address: string, account: Account, own = false): string {
  const recipient = checked(addressSchema, address.trim(), 'address')
  if (own) return recipient
  const domain = recipient.slice(recipient.lastIndexOf('@') + 1).toLowerCase()
  const wanted = account.domain.toLowerCase()
  if (domain === wanted || domain.endsWith(`.${wanted}`)) return recipient
  throw new LicensingError('RECIPIENT_REFUSED', `${recipient} is not in the domain ${account.domain}.`)
}

/** Who is told what of a smart account by e-mail: each call is a transaction. */
export class NotificationDoor {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /**
   * Sets what a recipient is told of a smart account, or of one virtual account of it.
   *
   * @throws LicensingError INVALID_ARGUMENT, RECIPIENT_REFUSED, NOT_FOUND
   */
  async set(wanted: WantedNotification, where: Where = {}): Promise<NotificationDocument> {
    const { daily, status, expiring } = checked(
      wantedSchema,
      { daily: wanted.daily, status: wanted.status, expiring: [...new Set(wanted.expiring)] },
      'notification',
    )
    if (!daily && !status && expiring.length === 0)
      throw new LicensingError(
        'INVALID_ARGUMENT',
        'The notification would tell nothing: choose the Daily Event Summary, the Status Notification or the days before licences end.',
      )
    return this.#context.withAccount(where, async ({ tx, account, at }) => {
      const recipient = checkRecipient(wanted.recipient, account, wanted.own)
      const virtual =
        where.virtualAccount === undefined
          ? null
          : await chooseVirtualAccount(tx, account, where.virtualAccount)
      const others = await tx
        .selectFrom('notifications')
        .select(['id', 'recipient', 'virtual_account_id', 'daily', 'status'])
        .where('account_id', '=', account.id)
        .execute()
      const there = others.find(
        (one) => one.recipient === recipient && one.virtual_account_id === (virtual?.id ?? null),
      )
      if (!there && others.length >= MOST)
        throw new LicensingError(
          'INVALID_ARGUMENT',
          `${account.domain} has ${MOST} notifications, and may not have more.`,
        )
      const terms = {
        daily: daily ? 1 : 0,
        status: status ? 1 : 0,
        expiring: JSON.stringify(expiring.toSorted((a, b) => b - a)),
        set_by: presentActor(),
      }
      // What happened while nobody wanted to know is not told later.
      const fresh = {
        daily: { summarized_until: at, daily_next_at: firstSummaryAt(at) },
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

  /** The notifications of a smart account; with a virtual account named, those of that one. */
  list(where: Where = {}): Promise<NotificationDocument[]> {
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

  /** Removes a notification, with what was not sent of it. @throws LicensingError NOT_FOUND */
  remove(id: string, where: Where = {}): Promise<void> {
    return this.#context.withAccount(where, async ({ tx, account }) => {
      const removed = await tx
        .deleteFrom('notifications')
        .where('id', '=', id)
        .where('account_id', '=', account.id)
        .returning('id')
        .execute()
      if (removed.length === 0)
        throw notFound('notification', `${account.domain} has no notification ${JSON.stringify(id)}.`)
      await tx
        .deleteFrom('mails')
        .where('subject_id', 'like', `${id}%`)
        .where('sent_at', 'is', null)
        .execute()
    })
  }

  /** Writes what is due: the summaries of the day, and what changed of the major alerts. */
  beat(): Promise<void> {
    const { credentials, profile } = this.#context
    return this.#context.withMaintenance(async (tx, at) => {
      await summarise(tx, at)
      await notifyOfAlerts(tx, at, (accountId, virtualAccountId) =>
        alertsOfPlace({ tx, at, credentials, profile }, accountId, virtualAccountId),
      )
      await tx
        .deleteFrom('mails')
        .where('sent_at', '<', at - KEPT_MAILS)
        .execute()
    })
  }
}

/** The alerts of a smart account, or of one virtual account of it; none where it is gone. */
async function alertsOfPlace(
  context: Pick<AccountContext, 'tx' | 'at' | 'credentials' | 'profile'>,
  accountId: string,
  virtualAccountId: string | null,
): Promise<AlertDocument[]> {
  const { tx } = context
  const account = (await listAccounts(tx)).find(({ id }) => id === accountId)
  if (!account) return []
  const virtual = (await listVirtualAccounts(tx, accountId)).find(({ id }) => id === virtualAccountId)
  if (virtualAccountId !== null && !virtual) return []
  return readAlerts({ ...context, account, actor: null }, virtual ?? null)
}
