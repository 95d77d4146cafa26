import type { LicensingError } from '../../core/errors.ts'
import type { Instant } from '../../core/time.ts'
import { resolveAccount } from '../inventory/accounts.ts'
import type { Credentials } from '../keys/credentials.ts'
import type { Tx } from '../store/store.ts'
import { getDelegation, getIssuingRefusal, getIssuingSuspension } from './sync-status.ts'
import { openSync } from './sync-repository.ts'

/** Limits of an authority's issuing. A manager has none, and a satellite those of its delegation. */
export interface IssuingLimits {
  /** The delegation for each answer, or null at a manager. */
  readonly mandate: string | null
  /** No authorization lasts longer. */
  readonly notAfter: Instant
  /** The reason to issue nothing now, or null. */
  readonly refusal: LicensingError | null
  /** The reason to register and reserve nothing now, or null. A satellite after a restore waits for its manager. */
  readonly suspended: LicensingError | null
  /** Last synchronization of a satellite. Null at a manager, and before the first one. */
  readonly synchronizedAt: Instant | null
}

/** The limits of a manager. */
export const UNLIMITED: IssuingLimits = {
  mandate: null,
  notAfter: Infinity,
  refusal: null,
  suspended: null,
  synchronizedAt: null,
}

/** Returns the reason to refuse registrations and reservations now, or null. */
export const issuanceBlockedBy = ({ refusal, suspended }: IssuingLimits): LicensingError | null =>
  refusal ?? suspended

/** Reads the present limits of the authority. */
export async function readIssuingLimits(
  tx: Tx,
  credentials: Credentials,
  at: Instant,
): Promise<IssuingLimits> {
  if (credentials.keyRing.identity.role === 'manager') return UNLIMITED
  const account = await resolveAccount(tx, undefined)
  const sync = await openSync({ tx, credentials, account, at })
  const delegation = getDelegation(sync)
  return {
    mandate: delegation?.mandate ?? null,
    notAfter: delegation?.notAfter ?? at,
    refusal: getIssuingRefusal(sync),
    suspended: getIssuingSuspension(sync),
    synchronizedAt: sync.position.context.lastSync,
  }
}

/** @throws LicensingError SATELLITE_NOT_REGISTERED, SATELLITE_OUT_OF_TOUCH, SATELLITE_IN_DOUBT */
export async function requireIssuingAllowed(tx: Tx, credentials: Credentials, at: Instant): Promise<void> {
  const blocked = issuanceBlockedBy(await readIssuingLimits(tx, credentials, at))
  if (blocked) throw blocked
}
