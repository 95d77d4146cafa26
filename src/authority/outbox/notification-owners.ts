import { sql } from 'kysely'
import type { Tx } from '../store/store.ts'

/**
 * Condition of notifications whose recipient may still be notified. A notification that a user set for their own address
 * ends with the user, or when the user no longer has access to its accounts.
 */
export const MAY_BE_NOTIFIED = sql<boolean>`(notifications.set_by is null
  or notifications.set_by <> notifications.recipient
  or exists (
    select 1 from users
    where users.name = notifications.recipient
      and (users.account_id is null or users.account_id = notifications.account_id)
      and (users.virtual_account_id is null or users.virtual_account_id = notifications.virtual_account_id)
  ))`

/** Deletes the notifications and scheduled reports to the address of a removed user, and the unsent mail. */
export async function endNotificationsOf(tx: Tx, user: string): Promise<void> {
  await tx.deleteFrom('notifications').where('recipient', '=', user).execute()
  await tx.deleteFrom('report_schedules').where('recipient', '=', user).execute()
  await tx.deleteFrom('mails').where('recipient', '=', user).where('sent_at', 'is', null).execute()
}
