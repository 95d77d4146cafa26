import { sql } from 'kysely'
import { type Instant, MINUTE } from '../../core/time.ts'
import type { AlertDocument, AlertType } from '../alerts/alerts.ts'
import { queueMail } from '../outbox/mail.ts'
import { MAY_BE_NOTIFIED } from '../outbox/notification-owners.ts'
import type { Tx } from '../store/store.ts'
import { NOTIFICATION_FOOTER } from '../outbox/compliance-notifications.ts'

export const CHECK_INTERVAL = 10 * MINUTE
/** Maximum alerts remembered for one notification. A mail lists fewer. */
export const MAX_REMEMBERED_ALERTS = 1_000
const MAX_LISTED_ALERTS = 20

/** Alert types with another notification, or without a smart account. */
const NOTIFIED_ELSEWHERE: readonly AlertType[] = [
  // Sent in the transaction that changes the pool.
  'insufficient-licenses',
  // Sent by the expiry notifications.
  'licenses-expiring',
  'licenses-expired',
  'order-without-account',
  'mail-not-sent',
]

const toAlertKey = ({ type, virtualAccount, instanceId, source }: AlertDocument): string =>
  JSON.stringify([type, virtualAccount, instanceId, source])

/** Smart account and virtual account of a notification; null for all virtual accounts. */
export interface NotificationScope {
  readonly accountId: string
  readonly virtualAccountId: string | null
}

/** Tells whether a change of an alert is reported by these notifications. */
export const isNotified = ({ type }: AlertDocument): boolean => !NOTIFIED_ELSEWHERE.includes(type)

/** Returns the scopes of the due notifications. */
export async function listDueScopes(tx: Tx, at: Instant): Promise<NotificationScope[]> {
  return tx
    .selectFrom('notifications')
    .select(['account_id as accountId', 'virtual_account_id as virtualAccountId'])
    .distinct()
    .where('status', '=', sql.lit(1))
    .where('next_check_at', '<=', at)
    .execute()
}

/**
 * Checks the major alerts of each due notification, and queues a Status Notification where they have changed. Alerts that
 * existed when the notification was set are not sent. A scope without alerts was not read, so its notifications stay due.
 *
 * @param getAlerts returns the first major alerts of a scope, which were read before the transaction
 */
export async function sendAlertNotifications(
  tx: Tx,
  at: Instant,
  getAlerts: (scope: NotificationScope) => readonly AlertDocument[] | undefined,
): Promise<void> {
  const due = await tx
    .selectFrom('notifications')
    .selectAll()
    .where('status', '=', sql.lit(1))
    .where('next_check_at', '<=', at)
    .where(MAY_BE_NOTIFIED)
    .execute()
  for (const row of due) {
    const alerts = getAlerts({ accountId: row.account_id, virtualAccountId: row.virtual_account_id })
    if (!alerts) continue
    await tx
      .updateTable('notifications')
      .set({ next_check_at: at + CHECK_INTERVAL })
      .where('id', '=', row.id)
      .execute()
    const present = new Map(alerts.map((alert) => [toAlertKey(alert), alert.message] as const))
    const previous = row.alerts === null ? present : new Map(JSON.parse(row.alerts) as [string, string][])
    const raised = [...present].filter(([key]) => !previous.has(key)).map(([, message]) => message)
    const resolved = [...previous].filter(([key]) => !present.has(key)).map(([, message]) => message)
    if (row.alerts !== null && raised.length + resolved.length === 0) continue
    await tx
      .updateTable('notifications')
      .set({ alerts: JSON.stringify([...present]) })
      .where('id', '=', row.id)
      .execute()
    if (raised.length + resolved.length === 0) continue
    const account = await tx
      .selectFrom('accounts')
      .select('domain')
      .where('id', '=', row.account_id)
      .executeTakeFirst()
    await queueMail(tx, {
      subjectId: row.id,
      to: row.recipient,
      subject: `Status Notification for ${account?.domain ?? ''}: ${raised.length} new major alerts, ${resolved.length} resolved`,
      text: [
        ...formatSection('New major alerts', raised),
        ...formatSection('Resolved', resolved),
        NOTIFICATION_FOOTER,
      ].join('\n'),
      at,
    })
  }
}

function formatSection(title: string, messages: readonly string[]): string[] {
  if (messages.length === 0) return []
  const more = messages.length - MAX_LISTED_ALERTS
  return [
    `${title}:`,
    ...messages.slice(0, MAX_LISTED_ALERTS).map((message) => `- ${message}`),
    ...(more > 0 ? [`- and ${more} more`] : []),
    '',
  ]
}
