import { type Selectable, sql } from 'kysely'
import { type Instant, toIsoString } from '../../core/time.ts'
import { getCurrentActor } from './actor.ts'
import type { Tables } from '../store/tables.ts'
import { queueComplianceNotifications } from '../outbox/compliance-notifications.ts'
import type { Tx } from '../store/store.ts'
import { queueDeliveries } from '../outbox/webhook-outbox.ts'

export interface LogEntry {
  readonly at: Instant
  readonly type: string
  readonly message: string
  readonly severity?: 'info' | 'minor' | 'major'
  readonly accountId?: string | null
  readonly virtualAccount?: string | null
  readonly instanceId?: string | null
}

/** Adds an entry in the transaction of the change it describes. Texts must contain public data only. */
export const logEvent = (tx: Tx, entry: LogEntry): Promise<void> => logEvents(tx, [entry])

/** Adds an entry for the account and time of a context. */
export const logAccountEvent = (
  { tx, account, at }: { readonly tx: Tx; readonly account: { readonly id: string }; readonly at: Instant },
  entry: Omit<LogEntry, 'at' | 'accountId'>,
): Promise<void> => logEvent(tx, { ...entry, at, accountId: account.id })

/** Adds entries in order, and queues their notifications and webhook deliveries in the same transaction. */
export async function logEvents(tx: Tx, entries: readonly LogEntry[]): Promise<void> {
  if (entries.length === 0) return
  const rows = await tx
    .insertInto('events')
    .values(
      entries.map((entry) => ({
        at: entry.at,
        account_id: entry.accountId ?? null,
        virtual_account: entry.virtualAccount ?? null,
        instance_id: entry.instanceId ?? null,
        type: entry.type,
        severity: entry.severity ?? 'info',
        message: entry.message,
        who: getCurrentActor(),
      })),
    )
    .returningAll()
    .execute()
  const events = rows.toSorted((a, b) => a.id - b.id)
  await queueDeliveries(tx, events)
  for (const event of events) await queueComplianceNotifications(tx, event)
}

/** An event log entry in the form of the APIs and the command line. */
export interface EventDocument {
  readonly id: number
  readonly at: string
  readonly type: string
  readonly severity: 'info' | 'minor' | 'major'
  readonly virtualAccount: string | null
  readonly instanceId: string | null
  readonly message: string
  /** Name of the actor; null for scheduled work and for requests of devices and satellites. */
  readonly who: string | null
}

/** Conditions for entries; without conditions all entries match. */
export interface EventFilter {
  /** Name of the virtual account, which may have been removed. */
  readonly virtualAccount?: string | undefined
  readonly instanceId?: string | undefined
  /** Entitlement tag in the message. */
  readonly tag?: string | undefined
  readonly severity?: EventDocument['severity'] | undefined
  /** Id of the entry that follows the page. */
  readonly before?: number | undefined
  /** Start of the time range, inclusive; `until` is exclusive. */
  readonly since?: Instant | undefined
  readonly until?: Instant | undefined
  /** Leaves out the entries that belong to no smart account. */
  readonly ownOnly?: boolean | undefined
  /** Maximum number of entries, the newest of all. */
  readonly limit?: number | undefined
}

const DEFAULT_LIMIT = 1000

/** Returns the newest entries of a smart account and of the authority itself, oldest first. */
export async function listEvents(
  tx: Tx,
  accountId: string | null,
  filter: EventFilter = {},
): Promise<EventDocument[]> {
  const { before, limit = DEFAULT_LIMIT } = filter
  let query = selectEvents(tx, accountId, filter).orderBy('id', 'desc').limit(limit)
  if (before !== undefined) query = query.where('id', '<', before)
  return (await query.execute()).reverse().map(toEventDocument)
}

/** Returns a page of entries after an id, oldest first, to read the whole log. */
export async function listEventsAfter(
  tx: Tx,
  accountId: string | null,
  filter: EventFilter,
  range: { readonly after: number; readonly last: number },
): Promise<EventDocument[]> {
  const rows = await selectEvents(tx, accountId, filter)
    .where('id', '>', range.after)
    .where('id', '<=', range.last)
    .orderBy('id')
    .limit(DEFAULT_LIMIT)
    .execute()
  return rows.map(toEventDocument)
}

/** Returns the query for the matching entries, without an order. */
function selectEvents(tx: Tx, accountId: string | null, filter: EventFilter) {
  const { virtualAccount, instanceId, tag, severity, since, until, ownOnly = false } = filter
  let query = tx.selectFrom('events').selectAll()
  if (accountId !== null)
    query = query.where((or) => or.or([or('account_id', '=', accountId), or('account_id', 'is', null)]))
  if (ownOnly) query = query.where('account_id', 'is not', null)
  if (virtualAccount !== undefined) query = query.where('virtual_account', '=', virtualAccount)
  if (instanceId !== undefined) query = query.where('instance_id', '=', instanceId)
  if (severity !== undefined) query = query.where('severity', '=', severity)
  if (since !== undefined) query = query.where('at', '>=', since)
  if (until !== undefined) query = query.where('at', '<', until)
  if (tag !== undefined) query = query.where(mentionsTag(tag))
  return query
}

const toEventDocument = (row: Selectable<Tables['events']>): EventDocument => ({
  id: row.id,
  at: toIsoString(row.at),
  type: row.type,
  severity: row.severity,
  virtualAccount: row.virtual_account,
  instanceId: row.instance_id,
  message: row.message,
  who: row.who,
})

/** Returns the condition that a message has a tag as a whole word: MDC-SMALL does not match SMALL. The SQL fits both databases. */
const mentionsTag = (tag: string) => {
  const words = sql`(' ' || replace(replace(replace(message, ',', ' '), ':', ' '), '.', ' ') || ' ')`
  return sql<boolean>`replace(${words}, ${` ${tag.replaceAll('.', ' ')} `}, '') <> ${words}`
}
