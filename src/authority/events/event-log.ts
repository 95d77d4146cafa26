import { type Selectable, sql } from 'kysely'
import { type Instant, toIsoString } from '../../core/time.ts'
import { getCurrentActor } from './actor.ts'
import type { Tables } from '../store/tables.ts'
import { queueComplianceNotifications } from '../outbox/compliance-notifications.ts'
import type { Tx } from '../store/store.ts'
import { queueDeliveries } from '../outbox/webhook-outbox.ts'

/** What the authority records: the event log of its accounts. */
export interface LogEntry {
  readonly at: Instant
  readonly type: string
  readonly message: string
  readonly severity?: 'info' | 'minor' | 'major'
  readonly accountId?: string | null
  readonly virtualAccount?: string | null
  readonly instanceId?: string | null
}

/** Adds an entry in the transaction of what it tells of. Words only from public facts. */
export const logEvent = (tx: Tx, entry: LogEntry): Promise<void> => logEvents(tx, [entry])

/** Adds an entry of the context's account, at the context's time. */
export const logAccountEvent = (
  { tx, account, at }: { readonly tx: Tx; readonly account: { readonly id: string }; readonly at: Instant },
  entry: Omit<LogEntry, 'at' | 'accountId'>,
): Promise<void> => logEvent(tx, { ...entry, at, accountId: account.id })

/** Adds entries, in their order. Whoever is to be told of them is told because of this transaction, or not at all. */
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

/** An entry as people and programs see it. */
export interface EventDocument {
  readonly id: number
  readonly at: string
  readonly type: string
  readonly severity: 'info' | 'minor' | 'major'
  readonly virtualAccount: string | null
  readonly instanceId: string | null
  readonly message: string
  /** Who did it; null for what time, a box or a satellite brought. */
  readonly who: string | null
}

/** Which entries are asked for; all of them without. */
export interface EventFilter {
  /** The name of the virtual account they are about: one that was removed is named too. */
  readonly virtualAccount?: string | undefined
  readonly instanceId?: string | undefined
  /** Entries whose words name this entitlement tag. */
  readonly tag?: string | undefined
  readonly severity?: EventDocument['severity'] | undefined
  /** Entries before the one of this id: for reading on where a page ended. */
  readonly before?: number | undefined
  /** From this instant on, and before that one. */
  readonly since?: Instant | undefined
  readonly until?: Instant | undefined
  /** Without entries that are of no smart account. */
  readonly ownOnly?: boolean | undefined
  /** How many of the newest. */
  readonly limit?: number | undefined
}

/** Entries that are read unless it is said how many. */
const DEFAULT_LIMIT = 1000

/** The newest entries of a smart account, and of the authority itself, oldest first. */
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

/** The entries after one of them, the oldest first: for reading all of them, a page at a time. */
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

/** The entries that fit, in no order yet. */
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

/** Whether the words of an entry name a tag, as a word of its own: MDC-SMALL does not name SMALL. In SQL that both databases have. */
const mentionsTag = (tag: string) => {
  const words = sql`(' ' || replace(replace(replace(message, ',', ' '), ':', ' '), '.', ' ') || ' ')`
  return sql<boolean>`replace(${words}, ${` ${tag.replaceAll('.', ' ')} `}, '') <> ${words}`
}
