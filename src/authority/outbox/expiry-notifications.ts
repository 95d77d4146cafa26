import { type Instant, toIsoString } from '../../core/time.ts'
import { queueMail } from './mail.ts'
import { MAY_BE_NOTIFIED } from './notification-owners.ts'
import type { Tx } from '../store/store.ts'
import { NOTIFICATION_FOOTER } from './compliance-notifications.ts'

/** Licenses that end soon or have ended, as logged in the same transaction. */
export interface ExpiringLicense {
  readonly accountId: string
  readonly virtualAccountId: string
  readonly virtualAccount: string
  readonly tag: string
  readonly quantity: number
  readonly endsAt: Instant
  /** Warning days that were passed since the last warning; 0 for the end itself. */
  readonly passed: readonly number[]
}

/** Queues one mail for each recipient with a matching warning day. At the end itself every recipient gets a mail. */
export async function queueExpiryNotifications(
  tx: Tx,
  ending: readonly ExpiringLicense[],
  at: Instant,
): Promise<void> {
  if (ending.length === 0) return
  const rows = await tx
    .selectFrom('notifications')
    .innerJoin('accounts', 'accounts.id', 'notifications.account_id')
    .selectAll('notifications')
    .select('accounts.domain')
    .where('notifications.account_id', 'in', [...new Set(ending.map(({ accountId }) => accountId))])
    .where(MAY_BE_NOTIFIED)
    .execute()
  for (const row of rows) {
    const windows = JSON.parse(row.expiring) as number[]
    const relevant = ending.filter(
      (one) =>
        windows.length > 0 &&
        one.accountId === row.account_id &&
        (row.virtual_account_id === null || one.virtualAccountId === row.virtual_account_id) &&
        one.passed.some((days) => days === 0 || windows.includes(days)),
    )
    if (relevant.length === 0) continue
    const lines = relevant.map(
      (one) =>
        `- ${one.quantity} of ${one.tag} in ${one.virtualAccount} ${one.endsAt <= at ? 'ended' : 'end'} at ${toIsoString(one.endsAt)}`,
    )
    await queueMail(tx, {
      subjectId: row.id,
      to: row.recipient,
      subject: `Expiring licenses of ${row.domain}: ${relevant.length}`,
      text: `Licenses of the Smart Account ${row.domain} end, or have ended:\n\n${lines.join('\n')}\n\nOrder a new term, or reduce the usage.\n\n${NOTIFICATION_FOOTER}`,
      at,
    })
  }
}
