import type { LicensingError } from '../../core/errors.ts'
import type { Instant } from '../../core/time.ts'
import { resolveAccount } from '../inventory/accounts.ts'
import type { Credentials } from '../keys/credentials.ts'
import type { Tx } from '../store/store.ts'
import { getDelegation, getIssuingRefusal, getIssuingSuspension } from './sync-status.ts'
import { openSync } from './sync-repository.ts'

/** What an authority may issue: a manager anything, a satellite what its delegation lets it. */
export interface IssuingLimits {
  /** Goes into each answer; null from a manager. */
  readonly mandate: string | null
  /** No authorization lasts beyond it. */
  readonly notAfter: Instant
  /** Why nothing is issued now; null while something may be. */
  readonly refusal: LicensingError | null
  /** Why nothing new is promised: since a restore nothing was heard of the manager (trust §9); null otherwise. */
  readonly suspended: LicensingError | null
}

/** A manager's own. */
export const UNLIMITED: IssuingLimits = { mandate: null, notAfter: Infinity, refusal: null, suspended: null }

/** Returns why nothing new may be promised, such as a registration or a reservation; null while something may be. */
export const issuanceBlockedBy = ({ refusal, suspended }: IssuingLimits): LicensingError | null =>
  refusal ?? suspended

/** Reads what the authority may issue now. */
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
  }
}

/** @throws LicensingError SATELLITE_NOT_REGISTERED, SATELLITE_OUT_OF_TOUCH, SATELLITE_IN_DOUBT */
export async function requireIssuingAllowed(tx: Tx, credentials: Credentials, at: Instant): Promise<void> {
  const blocked = issuanceBlockedBy(await readIssuingLimits(tx, credentials, at))
  if (blocked) throw blocked
}
