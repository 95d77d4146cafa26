import { canIssue, type SyncSnapshot, type SyncSchedule } from '../../../machines/index.ts'
import { LicensingError } from '../../core/errors.ts'
import { type Instant, toIsoString } from '../../core/time.ts'
import { type RedactableField } from '../../protocol/sync-request.ts'
import { formatKeyFingerprint } from '../../pki/fingerprint.ts'
import { type Synchronization } from './sync-repository.ts'

/** Status of the synchronization, for the CLI and the APIs. */
export interface SyncStatus {
  readonly satellite: string
  readonly smartAccount: string
  readonly status: SyncSnapshot['value']['status']
  readonly exchange: SyncSnapshot['value']['exchange']
  readonly credential: SyncSnapshot['value']['credential']
  /** Fingerprint of this satellite's key. Administrators of the manager compare it at the first exchange. */
  readonly fingerprint: string
  readonly epoch: number
  readonly lastSyncAt: string | null
  readonly nextSyncAt: string | null
  readonly overdueAt: string | null
  readonly restrictedAt: string | null
  readonly automaticUntil: string | null
  readonly schedule: SyncSchedule
  readonly redactedFields: readonly RedactableField[]
  /** True after a restore, or for a copy. No registration or reservation is possible until the next synchronization. */
  readonly inDoubt: boolean
  /** The exported request that is not answered yet, or null. */
  readonly carried: { readonly exchange: number; readonly since: string } | null
  readonly lastAttempt: {
    readonly at: string
    readonly outcome: string
    readonly reason: { code: string; message: string; remedy: string } | null
  } | null
}

/** The delegation for devices, and its end. */
export interface DelegationState {
  readonly mandate: string
  readonly notAfter: Instant
}

/** Returns the delegation for answers, or null before the first exchange. */
export function getDelegation(sync: Synchronization): DelegationState | null {
  const { mandate } = sync.facts
  const { terms } = sync.position.context
  return mandate === null || terms === null ? null : { mandate, notAfter: terms.restrictAt }
}

/** Returns the reason to issue nothing now, or null. */
export function getIssuingRefusal(sync: Synchronization): LicensingError | null {
  const delegation = getDelegation(sync)
  if (delegation === null)
    return new LicensingError(
      'SATELLITE_NOT_REGISTERED',
      `The satellite ${sync.facts.name} was never synchronized with its manager.`,
    )
  if (canIssue(sync.position) && sync.at < delegation.notAfter) return null
  return new LicensingError(
    'SATELLITE_OUT_OF_TOUCH',
    `The satellite ${sync.facts.name} has not synchronized since ${toIsoString(sync.position.context.lastSync) ?? 'it was created'}.`,
  )
}

export function toSyncStatus(sync: Synchronization): SyncStatus {
  const { value, context } = sync.position
  const { terms, exportedRequest, last } = context
  const { identity } = sync.credentials.keyRing
  return {
    satellite: sync.facts.name,
    smartAccount: sync.account.domain,
    ...value,
    fingerprint: formatKeyFingerprint(sync.credentials.satellite.getSyncKey()),
    epoch: identity.epoch,
    lastSyncAt: toIsoString(context.lastSync),
    nextSyncAt: toIsoString(context.nextAt),
    overdueAt: toIsoString(terms?.warnAt ?? null),
    restrictedAt: toIsoString(terms?.restrictAt ?? null),
    automaticUntil: toIsoString(terms?.automaticUntil ?? null),
    schedule: context.schedule,
    redactedFields: sync.facts.redactedFields,
    inDoubt: getIssuingSuspension(sync) !== null,
    carried: exportedRequest && {
      exchange: exportedRequest.exchange,
      since: toIsoString(exportedRequest.at),
    },
    lastAttempt: last && { at: toIsoString(last.at), outcome: last.outcome, reason: last.reason },
  }
}

/**
 * Returns the reason to register and reserve nothing now, or null. A restored satellite may lack registrations and
 * reservations.
 */
export function getIssuingSuspension(sync: Synchronization): LicensingError | null {
  if (!sync.facts.full || sync.facts.mandate === null) return null
  return new LicensingError(
    'SATELLITE_IN_DOUBT',
    `The satellite ${sync.facts.name} was restored or copied, and may lack registrations and reservations until it synchronizes.`,
  )
}
