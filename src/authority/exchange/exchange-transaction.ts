import type { Instant } from '../../core/time.ts'
import type { LogEntry } from '../events/event-log.ts'
import type { Tx } from '../store/store.ts'

/** Transaction of a working set, as the parts of the set use it. */
export interface ExchangeTransaction {
  readonly tx: Tx
  readonly at: Instant
  /** Number of the synchronization in which a satellite will report a change made now. At a manager it is 0. */
  readonly revision: number
  /** Adds an entry to the event log with the next flush. */
  log(entry: LogEntry): void
  /** Writes the changes of every part. A part calls `flush` before it reads from the database. */
  flush(): Promise<void>
}
