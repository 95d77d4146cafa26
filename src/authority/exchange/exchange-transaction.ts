import type { Instant } from '../../core/time.ts'
import type { LogEntry } from '../events/event-log.ts'
import type { Tx } from '../store/store.ts'

/** The transaction of a working set, for the parts of that set. */
export interface ExchangeTransaction {
  readonly tx: Tx
  readonly at: Instant
  /** The exchange with its manager in which a satellite will report a change made now. It is 0 at a manager. */
  readonly revision: number
  /** Adds an entry to the event log with the next flush. */
  log(entry: LogEntry): void
  /** Writes the changes of every part. A part calls it before it reads. */
  flush(): Promise<void>
}
