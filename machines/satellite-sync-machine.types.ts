import type { Failure } from './agent-context.ts'
import type { SyncSchedule, SyncTerms } from './satellite-sync-context.ts'
import type { Instant } from './time.ts'

export type SyncEvent =
  | { readonly type: 'tick'; readonly at: Instant }
  | { readonly type: 'sync.reschedule'; readonly at: Instant; readonly schedule: SyncSchedule }
  /** Starts a synchronization on an administrator's request. */
  | { readonly type: 'sync.start'; readonly at: Instant }
  /** Reports that a request file was exported. */
  | { readonly type: 'sync.exported'; readonly at: Instant; readonly exchange: number }
  /** Reports an accepted answer, received online or imported from a file. */
  | { readonly type: 'sync.answered'; readonly at: Instant; readonly terms: SyncTerms }
  /** Reports that the manager requested a full report. The next exchange, online or by file, contains it. */
  | { readonly type: 'sync.resync'; readonly at: Instant }
  | {
      readonly type: 'sync.refused'
      readonly at: Instant
      readonly reason: Failure
      /** True when the manager removed the satellite, or another copy superseded it. */
      readonly ended: boolean
      /** True when the satellite can synchronize only by an offline file exchange. */
      readonly offlineOnly: boolean
    }
  | {
      readonly type: 'sync.unreachable'
      readonly at: Instant
      readonly reason: Failure
      readonly jitter: number
      readonly retryAfter: number | null
    }

/** Name of a notice about the synchronization. */
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
  /** Starts an online exchange. */
  | { readonly type: 'exchange' }
  | { readonly type: 'notice'; readonly params: { readonly notice: SyncNotice; readonly detail: string } }
