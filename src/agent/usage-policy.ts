import { type AgentSnapshot, getLicenseState, getReservation } from '../../machines/index.ts'
import { z } from 'zod'
import { LicensingError } from '../core/errors.ts'
import type { ProductProfile } from '../core/profile.ts'
import { DAY, type Instant, SECOND } from '../core/time.ts'
import { getFunctionality } from './status.ts'

/** Answer to the question whether an action is allowed now. A refusal has its reason. */
export type PolicyDecision =
  { readonly allowed: true; readonly reason: null } | { readonly allowed: false; readonly reason: string }

export const ALLOWED: PolicyDecision = Object.freeze({ allowed: true, reason: null })

export const refuse = (reason: string): PolicyDecision => ({ allowed: false, reason })

/** Actions that are refused, with the reason. */
export interface DeniedActions {
  readonly actions: readonly string[]
  readonly reason: string
}

/** Policy as data, for other processes. */
export const policyDocumentSchema = z.object({
  /** Reason why only license management works. Null while all features work. */
  restrictionReason: z.string().nullable(),
  /** Actions that the profile or the module of the product refuses in the current state. */
  denied: z.array(z.object({ actions: z.array(z.string()), reason: z.string() })),
})
export type PolicyDocument = z.infer<typeof policyDocumentSchema>

/** Evaluates a policy for an action. */
export function evaluatePolicy(
  { restrictionReason, denied }: PolicyDocument,
  action: string,
): PolicyDecision {
  if (isLicenseManagement(action)) return ALLOWED
  const reason = restrictionReason ?? denied.find(({ actions }) => actions.includes(action))?.reason
  return reason === undefined ? ALLOWED : refuse(reason)
}

/** Policy of a license state: which actions are allowed. */
export interface UsagePolicy {
  /** Reason why only license management works. Null while all features work. */
  readonly restrictionReason: string | null
  /** Actions that the profile refuses in this state. */
  readonly denied: DeniedActions | null
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
  const denied = profile.policies.deniedActions[getLicenseState(snapshot.value)] ?? null
  return {
    restrictionReason,
    denied,
    checkAction: (action) => {
      if (isLicenseManagement(action)) return null
      if (restrictionReason !== null)
        return new LicensingError(getRestrictionCode(snapshot), restrictionReason)
      if (denied?.actions.includes(action)) return new LicensingError('POLICY_REFUSED', denied.reason)
      return null
    },
  }
}

function getRestrictionCode({ value }: AgentSnapshot) {
  if (value.reservation === 'returning') return 'RESERVATION_RETURNING'
  return getLicenseState(value) === 'reserved' ? 'NOT_AUTHORIZED' : 'EVALUATION_EXPIRED'
}

/** Longest use of a policy without the agent: as long as the validity of an authorization (R-AUTH-3). */
const MAX_POLICY_LIFETIME_MS = 90 * DAY

/**
 * Returns the instant until which the policy of a state may be used without the agent, which is at most 90 days away. Null for
 * a policy that allows only license management, which cannot end.
 */
export function getPolicyDeadline(snapshot: AgentSnapshot, now: Instant): Instant | null {
  const deadline = getStateDeadline(snapshot, now)
  return deadline === null ? null : Math.min(deadline, now + MAX_POLICY_LIFETIME_MS)
}

/** Returns the instant at which the state ends by itself. Infinity for a reservation without terms. */
function getStateDeadline(snapshot: AgentSnapshot, now: Instant): Instant | null {
  const { evaluation, authorization, registration } = snapshot.context
  switch (getLicenseState(snapshot.value)) {
    case 'evaluation':
      return now + evaluation.remainingSeconds * SECOND
    case 'unregistered':
      return null
    case 'authorized':
    case 'out-of-compliance':
      return authorization.deadlineAt ?? registration?.expiresAt ?? now
    case 'registered':
    case 'auth-expired':
      return registration?.expiresAt ?? now
    case 'reserved': {
      const reservation = getReservation(snapshot)
      if (reservation.stage !== 'installed') return null
      const ends = reservation.grant.licenses.flatMap(({ endsAt }) =>
        endsAt !== null && endsAt > now ? [endsAt] : [],
      )
      return Math.min(Infinity, ...ends)
    }
  }
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
