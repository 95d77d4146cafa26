import { mayGrant, type SyncPosition, type SyncSchedule } from '../../../machines/index.ts'
import { LicensingError } from '../../core/errors.ts'
import { type Instant, iso } from '../../core/time.ts'
import { type Leavable } from '../../protocol/sync-request.ts'
import { keyFingerprint } from '../../pki/fingerprint.ts'
import { type Synchronization } from './sync-repository.ts'

/** How a satellite stands with its manager, for people and programs. */
export interface SyncStatus {
  readonly satellite: string
  readonly smartAccount: string
  readonly standing: SyncPosition['value']['standing']
  readonly exchange: SyncPosition['value']['exchange']
  readonly credential: SyncPosition['value']['credential']
  /** Of this satellite's key: the manager's people compare it at the first exchange. */
  readonly fingerprint: string
  readonly epoch: number
  readonly lastSyncAt: string | null
  readonly nextSyncAt: string | null
  readonly overdueAt: string | null
  readonly restrictedAt: string | null
  readonly automaticUntil: string | null
  readonly schedule: SyncSchedule
  readonly leftOut: readonly Leavable[]
  /** Restored, or found to be a copy: nothing new is promised until it has synchronised. */
  readonly inDoubt: boolean
  /** The request that was carried away and not answered yet. */
  readonly carried: { readonly exchange: number; readonly since: string } | null
  readonly lastAttempt: {
    readonly at: string
    readonly outcome: string
    readonly reason: { code: string; message: string; remedy: string } | null
  } | null
}

/** What its boxes are shown, and until when it may grant anything. */
export interface Grants {
  readonly mandate: string
  readonly notAfter: Instant
}

/** The mandate for its answers; null before the first exchange. */
export function getDelegation(sync: Synchronization): Grants | null {
  const { mandate } = sync.facts
  const { terms } = sync.position.context
  return mandate === null || terms === null ? null : { mandate, notAfter: terms.restrictAt }
}

/** Why nothing is granted now; null while something may be. */
export function getIssuingRefusal(sync: Synchronization): LicensingError | null {
  const grants = getDelegation(sync)
  if (grants === null)
    return new LicensingError(
      'SATELLITE_NOT_REGISTERED',
      `The satellite ${sync.facts.name} was never synchronised with its manager.`,
    )
  if (mayGrant(sync.position) && sync.at < grants.notAfter) return null
  return new LicensingError(
    'SATELLITE_OUT_OF_TOUCH',
    `The satellite ${sync.facts.name} has not synchronised since ${iso(sync.position.context.lastSync) ?? 'its beginning'}.`,
  )
}

export function toSyncStatus(sync: Synchronization): SyncStatus {
  const { value, context } = sync.position
  const { terms, carried, last } = context
  const { identity } = sync.credentials.keyRing
  return {
    satellite: sync.facts.name,
    smartAccount: sync.account.domain,
    ...value,
    fingerprint: keyFingerprint(sync.credentials.satellite.syncKey()),
    epoch: identity.epoch,
    lastSyncAt: iso(context.lastSync),
    nextSyncAt: iso(context.nextAt),
    overdueAt: iso(terms?.warnAt ?? null),
    restrictedAt: iso(terms?.restrictAt ?? null),
    automaticUntil: iso(terms?.automaticUntil ?? null),
    schedule: context.schedule,
    leftOut: sync.facts.leftOut,
    inDoubt: getIssuingSuspension(sync) !== null,
    carried: carried && { exchange: carried.exchange, since: iso(carried.at) },
    lastAttempt: last && { at: iso(last.at), outcome: last.outcome, reason: last.reason },
  }
}

/** Why nothing new is promised: a restore waits for its first synchronisation, and what was promised since is not known. */
export function getIssuingSuspension(sync: Synchronization): LicensingError | null {
  if (!sync.facts.full || sync.facts.mandate === null) return null
  return new LicensingError(
    'SATELLITE_IN_DOUBT',
    `The satellite ${sync.facts.name} was restored or copied, and does not know yet what was promised since.`,
  )
}
