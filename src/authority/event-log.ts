import type { Instant } from '../domain/instant.ts'
import type { Tx } from './store.ts'

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
export async function logEvent(tx: Tx, entry: LogEntry): Promise<void> {
  await tx
    .insertInto('events')
    .values({
      at: entry.at,
      account_id: entry.accountId ?? null,
      virtual_account: entry.virtualAccount ?? null,
      instance_id: entry.instanceId ?? null,
      type: entry.type,
      severity: entry.severity ?? 'info',
      message: entry.message,
    })
    .execute()
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
}

/** The newest entries, oldest first. */
export async function listEvents(tx: Tx, accountId: string | null, limit: number): Promise<EventDocument[]> {
  let query = tx.selectFrom('events').selectAll().orderBy('id', 'desc').limit(limit)
  if (accountId !== null)
    query = query.where((or) => or.or([or('account_id', '=', accountId), or('account_id', 'is', null)]))
  const rows = await query.execute()
  return rows.reverse().map((row) => ({
    id: row.id,
    at: new Date(row.at).toISOString(),
    type: row.type,
    severity: row.severity,
    virtualAccount: row.virtual_account,
    instanceId: row.instance_id,
    message: row.message,
  }))
}
