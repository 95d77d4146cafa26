import { type Selectable, sql } from 'kysely'
import { toIsoString } from '../../core/time.ts'
import { discardUnsentMails, queueMail } from './mail.ts'
import { MAY_BE_NOTIFIED } from './notification-owners.ts'
import type { Tables } from '../store/tables.ts'
import type { Tx } from '../store/store.ts'

/** Text of a mail for each event type of a compliance change. */
const COMPLIANCE_LABELS: Readonly<Record<string, string>> = {
  INSUFFICIENT_LICENSES: 'out of compliance',
  LICENSES_SUFFICIENT: 'in compliance again',
}

export const NOTIFICATION_FOOTER =
  'Notifications are set in Software Manager under Preferences, or with `smart-authority notification`.\n'

/**
 * Queues the Status Notification of a compliance change, in the transaction of the change. It replaces unsent mail about
 * the same pool.
 */
export async function queueComplianceNotifications(
  tx: Tx,
  event: Omit<Selectable<Tables['events']>, 'id'>,
): Promise<void> {
  const { account_id: accountId, virtual_account: virtual, message, at } = event
  const change = COMPLIANCE_LABELS[event.type]
  if (change === undefined || accountId === null || virtual === null) return
  const rows = await tx
    .selectFrom('notifications')
    .innerJoin('accounts', 'accounts.id', 'notifications.account_id')
    .leftJoin('virtual_accounts', 'virtual_accounts.id', 'notifications.virtual_account_id')
    .select(['notifications.id', 'notifications.recipient', 'accounts.domain'])
    .where('notifications.account_id', '=', accountId)
    .where('notifications.status', '=', sql.lit(1))
    .where(MAY_BE_NOTIFIED)
    .where((eb) =>
      eb.or([eb('notifications.virtual_account_id', 'is', null), eb('virtual_accounts.name', '=', virtual)]),
    )
    .execute()
  const [tag = ''] = message.split(':', 1)
  for (const { id, recipient, domain } of rows) {
    const subjectId = `${id} ${virtual} ${tag}`
    await discardUnsentMails(tx, subjectId)
    await queueMail(tx, {
      subjectId,
      to: recipient,
      subject: `Status Notification for ${domain}: ${virtual} is ${change} for ${tag}`,
      text: `${virtual} of the Smart Account ${domain} has been ${change} for ${tag} since ${toIsoString(at)}.\n\n${message}\n\n${NOTIFICATION_FOOTER}`,
      at,
    })
  }
}
