import { type AgentSnapshot, getLicenseState } from '../../machines/index.ts'
import { LicensingError } from '../core/errors.ts'
import type { ProductProfile } from '../core/profile.ts'
import type { Instant } from '../core/time.ts'
import { getFunctionality } from './status.ts'

/** Answer to the question whether an action is allowed now. A refusal has its reason. */
export type PolicyDecision =
  { readonly allowed: true; readonly reason: null } | { readonly allowed: false; readonly reason: string }

export const ALLOWED: PolicyDecision = Object.freeze({ allowed: true, reason: null })

/** Policy of a license state: which actions are allowed. */
export interface UsagePolicy {
  /** Reason why only license management works. Null while all features work. */
  readonly restrictionReason: string | null
  /** Returns the error for a refused action. Null if allowed, and always for license management. */
  readonly checkAction: (action: string) => LicensingError | null
}

/** Checks whether an action is license management, which works in every state (R-EVAL-4). */
export const isLicenseManagement = (action: string): boolean => action.startsWith('license-')

/** Creates the policy of a state from the machine and the policies in the product profile. */
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

function getRestrictionCode({ value, context }: AgentSnapshot) {
  if (context.reservation.current?.stage === 'returning') return 'RESERVATION_RETURNING'
  return getLicenseState(value) === 'reserved' ? 'NOT_AUTHORIZED' : 'EVALUATION_EXPIRED'
}

/** Caches the policy of the current state. */
export class UsagePolicyCache {
  readonly #profile: ProductProfile
  #cached: { readonly snapshot: AgentSnapshot; readonly policy: UsagePolicy } | null = null

  constructor(profile: ProductProfile) {
    this.#profile = profile
  }

  get(snapshot: AgentSnapshot, now: () => Instant): UsagePolicy {
    // Under a reservation a term may have ended since.
    if (this.#cached?.snapshot === snapshot && getLicenseState(snapshot.value) !== 'reserved')
      return this.#cached.policy
    const policy = createUsagePolicy(snapshot, this.#profile, now())
    this.#cached = { snapshot, policy }
    return policy
  }
}
