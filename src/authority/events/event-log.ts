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

/** Maximum number of entries that one transaction reads. */
export const MAX_PAGE_SIZE = 1000

/** Ids that one transaction searches for a tag, which no index finds. */
const SEARCHED_IDS = 5000

/** Reads the event log of a smart account in a short transaction. Other work of the process goes on between the reads. */
export type EventReader = <T>(read: (tx: Tx, accountId: string) => Promise<T>) => Promise<T>

/** Returns the newest entries of a smart account and of the authority itself, oldest first. */
export async function readEvents(read: EventReader, filter: EventFilter = {}): Promise<EventDocument[]> {
  const { limit = DEFAULT_LIMIT } = filter
  const pages: EventDocument[][] = []
  let left = limit
  for await (const page of readNewestFirst(read, filter)) {
    pages.push(page.slice(0, left))
    left -= Math.min(left, page.length)
    if (left === 0) break
  }
  return pages.flat().reverse()
}

/** Yields the entries before an id in pages, newest first. */
async function* readNewestFirst(read: EventReader, filter: EventFilter): AsyncGenerator<EventDocument[]> {
  const limit = Math.min(filter.limit ?? DEFAULT_LIMIT, MAX_PAGE_SIZE)
  const { since, until } = filter
  const end = until === undefined ? null : await read((tx) => readFirstIdSince(tx, until))
  const oldest = since === undefined ? 1 : ((await read((tx) => readFirstIdSince(tx, since))) ?? Infinity)
  let before = Math.min(filter.before ?? Infinity, end ?? (await read(readNewestId)) + 1)
  while (before > oldest) {
    const range = { before, from: filter.tag === undefined ? oldest : before - SEARCHED_IDS }
    const page = await read((tx, accountId) => listEventsBefore(tx, accountId, filter, { ...range, limit }))
    if (page.length > 0) yield page
    const last = page.at(-1)
    if (page.length === limit && last) before = last.id
    else before = range.from
  }
}

/** Returns the id of the newest entry, or 0 while the log is empty. */
export async function readNewestId(tx: Tx): Promise<number> {
  const row = await tx.selectFrom('events').select('id').orderBy('id', 'desc').limit(1).executeTakeFirst()
  return row?.id ?? 0
}

/** Returns the id of the first entry since an instant, or null. The authority's time never goes back. */
async function readFirstIdSince(tx: Tx, since: Instant): Promise<number | null> {
  const row = await tx
    .selectFrom('events')
    .select('id')
    .where('at', '>=', since)
    .orderBy('at')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
  return row?.id ?? null
}

/** Returns the newest entries of a range of ids, newest first. */
async function listEventsBefore(
  tx: Tx,
  accountId: string,
  filter: EventFilter,
  range: { readonly before: number; readonly from: number; readonly limit: number },
): Promise<EventDocument[]> {
  const rows: EventRow[] = []
  for (const query of selectEvents(tx, accountId, filter))
    rows.push(
      ...(await query
        .where('id', '<', range.before)
        // Without a need, the condition would keep SQLite from the index of the filter.
        .$if(range.from > 1, (one) => one.where('id', '>=', range.from))
        .orderBy('id', 'desc')
        .limit(range.limit)
        .execute()),
    )
  return rows
    .sort((a, b) => b.id - a.id)
    .slice(0, range.limit)
    .map(toEventDocument)
}

/** Returns a page of entries after an id, oldest first, to read the whole log. */
export async function listEventsAfter(
  tx: Tx,
  accountId: string,
  filter: EventFilter,
  range: { readonly after: number; readonly last: number },
): Promise<EventDocument[]> {
  const rows: EventRow[] = []
  for (const query of selectEvents(tx, accountId, filter))
    rows.push(
      ...(await query
        .where('id', '>', range.after)
        .where('id', '<=', range.last)
        .orderBy('id')
        .limit(MAX_PAGE_SIZE)
        .execute()),
    )
  return rows
    .sort((a, b) => a.id - b.id)
    .slice(0, MAX_PAGE_SIZE)
    .map(toEventDocument)
}

type EventRow = Selectable<Tables['events']>

/**
 * Returns the queries for the matching entries of the smart account and of the authority itself, without an order. An
 * index orders the entries of each query.
 */
function selectEvents(tx: Tx, accountId: string, filter: EventFilter) {
  const { virtualAccount, instanceId, tag, severity, since, until, ownOnly = false } = filter
  let query = tx.selectFrom('events').selectAll()
  if (virtualAccount !== undefined) query = query.where('virtual_account', '=', virtualAccount)
  if (instanceId !== undefined) query = query.where('instance_id', '=', instanceId)
  if (severity !== undefined) query = query.where('severity', '=', sql.lit(severity))
  // The condition of the index of these entries, which SQLite does not deduce.
  if (severity !== undefined && severity !== 'info') query = query.where('severity', '<>', sql.lit('info'))
  if (since !== undefined) query = query.where('at', '>=', since)
  if (until !== undefined) query = query.where('at', '<', until)
  if (tag !== undefined) query = query.where(mentionsTag(tag))
  const own = query.where('account_id', '=', accountId)
  return ownOnly ? [own] : [own, query.where('account_id', 'is', null)]
}

const toEventDocument = (row: EventRow): EventDocument => ({
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
