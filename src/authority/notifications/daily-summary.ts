import type { Selectable } from 'kysely'
import { nextScheduledAt } from '../../../machines/index.ts'
import { DAY, type Instant, toIsoString, MINUTE } from '../../core/time.ts'
import { queueMail } from '../outbox/mail.ts'
import { MAY_BE_NOTIFIED } from '../outbox/notification-owners.ts'
import type { Tables } from '../store/tables.ts'
import type { Tx } from '../store/store.ts'
import { NOTIFICATION_FOOTER } from '../outbox/compliance-notifications.ts'

/** End of a day of the summary: 06:00 UTC. */
const DAY_END = { every: 'day', hour: 6 } as const
/** Time for entries from before the end of the day to be written. */
const GRACE_MS = 5 * MINUTE
const MAX_LISTED_EVENTS = 100

/** Returns the time of the first summary for a notification that is set at an instant. */
export const getFirstSummaryTime = (at: Instant): Instant => nextScheduledAt(DAY_END, at)

/** Queues the due Daily Event Summaries: one for each day with events. */
export async function queueDailySummaries(tx: Tx, at: Instant): Promise<void> {
  const end = nextScheduledAt(DAY_END, at - GRACE_MS) - DAY
  const rows = await tx
    .updateTable('notifications')
    .set({ daily_next_at: end + DAY })
    .where('daily', '=', 1)
    .where('daily_next_at', '<=', end)
    .where(MAY_BE_NOTIFIED)
    .returningAll()
    .execute()
  for (const row of rows) {
    await queueDailySummary(tx, row, end, at)
    await tx.updateTable('notifications').set({ summarized_until: end }).where('id', '=', row.id).execute()
  }
}

async function queueDailySummary(
  tx: Tx,
  row: Selectable<Tables['notifications']>,
  end: Instant,
  at: Instant,
): Promise<void> {
  const account = await tx
    .selectFrom('accounts')
    .select('domain')
    .where('id', '=', row.account_id)
    .executeTakeFirst()
  const virtual =
    row.virtual_account_id === null
      ? undefined
      : await tx
          .selectFrom('virtual_accounts')
          .select('name')
          .where('id', '=', row.virtual_account_id)
          .executeTakeFirst()
  let events = tx
    .selectFrom('events')
    .where('account_id', '=', row.account_id)
    .where('at', '>=', row.summarized_until)
    .where('at', '<', end)
  if (row.virtual_account_id !== null) events = events.where('virtual_account', '=', virtual?.name ?? '')
  const counts = await events
    .select(['severity', (eb) => eb.fn.countAll<number | string>().as('count')])
    .groupBy('severity')
    .execute()
  const count = (severity: string) => Number(counts.find((one) => one.severity === severity)?.count ?? 0)
  const [major, minor, info] = [count('major'), count('minor'), count('info')]
  const all = major + minor + info
  if (all === 0) return
  const list = events.selectAll().orderBy('id').limit(MAX_LISTED_EVENTS)
  const grave = await list.where('severity', '<>', 'info').execute()
  const usual = grave.length < MAX_LISTED_EVENTS ? await list.where('severity', '=', 'info').execute() : []
  const listed = [...grave, ...usual].slice(0, MAX_LISTED_EVENTS)
  const lines = listed.map(
    (one) =>
      `${toIsoString(one.at)}  ${one.severity.padEnd(5)}  ${one.type}  ${one.message}${one.who === null ? '' : ` (${one.who})`}`,
  )
  const more = all - listed.length
  const where = virtual ? `${virtual.name} of ${account?.domain ?? ''}` : (account?.domain ?? '')
  await queueMail(tx, {
    subjectId: row.id,
    to: row.recipient,
    subject: `Daily Event Summary for ${where}: ${all} ${all === 1 ? 'event' : 'events'}`,
    text: [
      `From ${toIsoString(row.summarized_until)} to ${toIsoString(end)}: ${major} major, ${minor} minor, ${info} informational.`,
      '',
      ...lines,
      ...(more > 0 ? [`and ${more} more, in the event log`] : []),
      '',
      NOTIFICATION_FOOTER,
    ].join('\n'),
    at,
  })
}
