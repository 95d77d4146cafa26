import { type AgentSnapshot, getLicenseState } from '../../machines/index.ts'
import { LicensingError } from '../core/errors.ts'
import type { ProductProfile } from '../core/profile.ts'
import type { Instant } from '../core/time.ts'
import { getFunctionality } from './status.ts'

/** What the product may do in a state, and why not. */
export interface UsagePolicy {
  /** Why only license management works; null while everything does. */
  readonly restrictionReason: string | null
  /** Returns why an action is refused; null when it is allowed. License management always is. */
  readonly checkAction: (action: string) => LicensingError | null
}

/** Tells whether an action manages licenses: those work in every state (R-EVAL-4). */
export const isLicenseManagement = (action: string): boolean => action.startsWith('license-')

/** Creates the policy of a state: what the machine says, and the product's own policies beside it. */
export function createUsagePolicy(
  snapshot: AgentSnapshot,
  profile: ProductProfile,
  now: Instant,
): UsagePolicy {
  const { functionalityReason: restrictionReason } = getFunctionality(snapshot, now)
  const denied = profile.policies.deniedActions[getLicenseState(snapshot.value)]
  return {
    restrictionReason,
    checkAction: (action) => {
      if (isLicenseManagement(action)) return null
      if (restrictionReason !== null)
        return new LicensingError(getRestrictionCode(snapshot), restrictionReason)
      if (denied?.actions.includes(action)) return new LicensingError('POLICY_REFUSED', denied.reason)
      return null
    },
  }
}

/** Why only license management works, as an error code. */
function getRestrictionCode({ value, context }: AgentSnapshot) {
  if (context.reservation.current?.stage === 'returning') return 'RESERVATION_RETURNING'
  return getLicenseState(value) === 'reserved' ? 'NOT_AUTHORIZED' : 'EVALUATION_EXPIRED'
}

/** Keeps the policy of the present state, so that asking takes no more than a lookup. */
export class UsagePolicyCache {
  readonly #profile: ProductProfile
  #cached: { readonly position: AgentSnapshot; readonly policy: UsagePolicy } | null = null

  constructor(profile: ProductProfile) {
    this.#profile = profile
  }

  get(snapshot: AgentSnapshot, now: () => Instant): UsagePolicy {
    // Under a reservation a term may have ended since.
    if (this.#cached?.position === snapshot && getLicenseState(snapshot.value) !== 'reserved')
      return this.#cached.policy
    const policy = createUsagePolicy(snapshot, this.#profile, now())
    this.#cached = { position: snapshot, policy }
    return policy
  }
}
