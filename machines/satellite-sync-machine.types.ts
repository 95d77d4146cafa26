import type { Schedule } from './schedule.ts'
import type { Instant } from './time.ts'
import type { Attempt, Failure } from './agent-machine.types.ts'

/** When a satellite synchronizes by itself. */
export type SyncSchedule = { readonly every: 'never' } | Schedule

/** What the manager said of the time that the satellite has. */
export interface SyncTerms {
  /** When the manager answered: a satellite is in touch from then on. */
  readonly answeredAt: Instant
  /** When a synchronisation that is overdue is warned of. */
  readonly warnAt: Instant
  /** When the satellite may grant nothing any more: the end of its mandate. */
  readonly restrictAt: Instant
  /** Until when it may synchronise by itself. */
  readonly automaticUntil: Instant
}

/** The facts of a satellite's synchronisation. */
export interface SyncContext {
  readonly schedule: SyncSchedule
  /** From 0 up to 1, decided once for each satellite: where in the hour it synchronises, so that not all come together. */
  readonly jitter: number
  readonly terms: SyncTerms | null
  /** The last exchange that was accepted. */
  readonly lastSync: Instant | null
  readonly last: Attempt | null
  /** When it synchronises next by itself; null when it does not. */
  readonly nextAt: Instant | null
  readonly failures: number
  /** The newest request that went out by hand and was not answered. */
  readonly carried: { readonly exchange: number; readonly at: Instant } | null
  /** Days before the end of the automatic credential at which it was last warned of; null before any. */
  readonly told: number | null
}

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

/** The value of the chart: one entry an axis. */
export interface SyncValue {
  readonly standing: 'unregistered' | 'current' | 'overdue' | 'restricted' | 'ended'
  readonly exchange: 'idle' | 'carried' | 'asking' | 'retrying' | 'blocked'
  readonly credential: 'none' | 'good' | 'ending' | 'ended'
}

export interface SyncPosition {
  readonly value: SyncValue
  readonly context: SyncContext
}
