import canonicalize from 'canonicalize'
import { LicensingError } from './errors.ts'
import { defineProfile, type ProductProfile, type ProfileInput } from './profile.ts'

/** Profile options of an open. */
export interface ProfileRequest {
  /** Default: the stored profile, or `defaultProfile` in a new directory. */
  readonly profile?: ProfileInput | undefined
  /** Profile of a new directory that is opened without `profile`. */
  readonly defaultProfile?: ProfileInput | undefined
  /** True to let a different profile replace the stored one. Default: false. */
  readonly replaceProfile?: boolean | undefined
}

/** Decision about the profile of a data directory. */
export type ProfileChoice =
  | { readonly kind: 'stored'; readonly profile: ProductProfile }
  | { readonly kind: 'first'; readonly profile: ProductProfile }
  | { readonly kind: 'replaced'; readonly profile: ProductProfile; readonly before: ProductProfile }

const isSameProfile = (a: ProductProfile, b: ProductProfile): boolean => canonicalize(a) === canonicalize(b)

/** Returns the tags of `before` that `after` no longer has. */
export function findDroppedTags(before: ProductProfile, after: ProductProfile): string[] {
  const kept = new Set(after.tags.map(({ tag }) => tag))
  return before.tags.map(({ tag }) => tag).filter((tag) => !kept.has(tag))
}

/**
 * Chooses between the stored profile of a data directory and the one it is opened with. A data directory belongs to one
 * product. With another profile, the agent would report usage for wrong tags and lose the usage of its own.
 *
 * @param stored null in a new directory
 * @throws LicensingError PROFILE_MISMATCH, or INVALID_ARGUMENT (also if there is no profile at all)
 */
export function chooseProfile(
  stored: ProductProfile | null,
  { profile, defaultProfile, replaceProfile = false }: ProfileRequest,
): ProfileChoice {
  const wanted = profile === undefined ? null : defineProfile(profile)
  if (stored === null) {
    if (wanted !== null) return { kind: 'first', profile: wanted }
    if (defaultProfile !== undefined) return { kind: 'first', profile: defineProfile(defaultProfile) }
    throw new LicensingError(
      'INVALID_ARGUMENT',
      'A new data directory needs a product profile, or a module with one.',
    )
  }
  if (wanted === null || isSameProfile(wanted, stored)) return { kind: 'stored', profile: stored }
  if (!replaceProfile)
    throw new LicensingError(
      'PROFILE_MISMATCH',
      `The data directory belongs to the product profile ${stored.name}, and was opened with ${describeDifference(stored, wanted)}.`,
    )
  return { kind: 'replaced', profile: wanted, before: stored }
}

/**
 * Checks that a replacement keeps every tag that is in use.
 *
 * @throws LicensingError PROFILE_TAG_IN_USE
 */
export function requireTagsKept(
  { before, profile }: Extract<ProfileChoice, { kind: 'replaced' }>,
  inUse: ReadonlySet<string>,
): void {
  const lost = findDroppedTags(before, profile).filter((tag) => inUse.has(tag))
  if (lost.length === 0) return
  throw new LicensingError(
    'PROFILE_TAG_IN_USE',
    `The product profile ${profile.name} does not have ${lost.join(', ')}, which ${lost.length === 1 ? 'is' : 'are'} in use.`,
  )
}

const describeDifference = (stored: ProductProfile, wanted: ProductProfile): string =>
  wanted.name === stored.name
    ? `another profile with that name, which differs in ${findDifferingParts(stored, wanted).join(', ')}`
    : wanted.name

const findDifferingParts = (a: ProductProfile, b: ProductProfile): string[] =>
  (Object.keys(a) as (keyof ProductProfile)[]).filter(
    (part) => canonicalize(a[part]) !== canonicalize(b[part]),
  )
