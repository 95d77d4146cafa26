import { formatProfileId, isSameProfileId, type ProfileId, profileIdSchema } from '../core/profile.ts'
import type { VerifiedAnswer } from './answer-verification.ts'
import type { AgentStore } from './store.ts'

const AUTHORITY_PROFILE_KEY = 'authority-profile'

/** Returns the profile that the authority named last; null if it has named none. */
const readAuthorityProfile = (store: AgentStore): ProfileId | null =>
  store.read(AUTHORITY_PROFILE_KEY, profileIdSchema)

/**
 * Stores the profile of an authorization answer. Called in a transaction.
 *
 * @returns a notice if the authority now names another profile than before and than the device has; null otherwise
 */
export function recordAuthorityProfile(
  store: AgentStore,
  own: ProfileId,
  { decision }: VerifiedAnswer,
): string | null {
  if (!('profile' in decision) || decision.profile === undefined) return null
  const { profile } = decision
  const before = readAuthorityProfile(store)
  if (before !== null && isSameProfileId(before, profile)) return null
  store.write(AUTHORITY_PROFILE_KEY, JSON.stringify(profile))
  return isSameProfileId(own, profile) ? null : describeDifference(own, profile)
}

/** Describes the difference between the profiles of device and authority. Null while there is none. */
export function readProfileDifference(store: AgentStore, own: ProfileId): string | null {
  const authority = readAuthorityProfile(store)
  return authority === null || isSameProfileId(own, authority) ? null : describeDifference(own, authority)
}

const describeDifference = (own: ProfileId, authority: ProfileId): string =>
  `This device has the product profile ${formatProfileId(own)}, and the authority has ${formatProfileId(authority)}.`
