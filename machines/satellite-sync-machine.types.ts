import type { Failure } from './agent-context.ts'
import type { SyncSchedule, SyncTerms } from './satellite-sync-context.ts'
import type { Instant } from './time.ts'

export type SyncEvent =
  | { readonly type: 'tick'; readonly at: Instant }
  | { readonly type: 'sync.reschedule'; readonly at: Instant; readonly schedule: SyncSchedule }
  /** Somebody wants it now. */
  | { readonly type: 'sync.start'; readonly at: Instant }
  /** A request was written into a file. */
  | { readonly type: 'sync.exported'; readonly at: Instant; readonly exchange: number }
  /** An answer was taken, by whichever way it came. */
  | { readonly type: 'sync.answered'; readonly at: Instant; readonly terms: SyncTerms }
  /** The manager asked for everything anew: the exchange that follows at once, or is carried. */
  | { readonly type: 'sync.resync'; readonly at: Instant }
  | {
      readonly type: 'sync.refused'
      readonly at: Instant
      readonly reason: Failure
      /** The satellite is no more: removed at its manager, or superseded by another copy of it. */
      readonly ended: boolean
      /** Nothing but an exchange by hand helps. */
      readonly byHand: boolean
    }
  | {
      readonly type: 'sync.unreachable'
      readonly at: Instant
      readonly reason: Failure
      readonly jitter: number
      readonly retryAfter: number | null
    }

/** What is to be told to people, once each. */
export type SyncNotice =
  | 'SYNC_DONE'
  | 'SYNC_FAILED'
  | 'SYNC_OVERDUE'
  | 'SYNC_RESTRICTED'
  | 'SYNC_RESTORED'
  | 'SYNC_ENDED'
  | 'SYNC_CREDENTIAL_ENDING'
  | 'SYNC_CREDENTIAL_ENDED'

export type SyncCommand =
  /** One exchange by wire. */
  | { readonly type: 'exchange' }
  | { readonly type: 'notice'; readonly params: { readonly notice: SyncNotice; readonly detail: string } }
