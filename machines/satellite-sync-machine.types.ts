import type { Failure } from './agent-context.ts'
import type { SyncSchedule, SyncTerms } from './satellite-sync-context.ts'
import type { Instant } from './time.ts'

export type SyncEvent =
  | { readonly type: 'TICK'; readonly at: Instant }
  | { readonly type: 'SCHEDULE'; readonly at: Instant; readonly schedule: SyncSchedule }
  /** Somebody wants it now. */
  | { readonly type: 'SYNC_NOW'; readonly at: Instant }
  /** A request was written into a file. */
  | { readonly type: 'EXPORTED'; readonly at: Instant; readonly exchange: number }
  /** An answer was taken, by whichever way it came. */
  | { readonly type: 'ANSWERED'; readonly at: Instant; readonly terms: SyncTerms }
  /** The manager asked for everything anew: the exchange that follows at once, or is carried. */
  | { readonly type: 'REPAIR'; readonly at: Instant }
  | {
      readonly type: 'REFUSED'
      readonly at: Instant
      readonly reason: Failure
      /** The satellite is no more: removed at its manager, or superseded by another copy of it. */
      readonly ended: boolean
      /** Nothing but an exchange by hand helps. */
      readonly byHand: boolean
    }
  | {
      readonly type: 'UNREACHABLE'
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
