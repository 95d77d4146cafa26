import canonicalize from 'canonicalize'
import { LicensingError } from './errors.ts'
import {
  defineProfile,
  formatProfileId,
  isSameProfileId,
  toProfileId,
  type ProductProfile,
  type ProfileId,
  type ProfileInput,
} from './profile.ts'

/** Profile options of an open. */
export interface ProfileRequest {
  /** Default: the stored profile, or `defaultProfile` in a new directory. */
  readonly profile?: ProfileInput | undefined
  /** Profile of a new directory that is opened without `profile`. */
  readonly defaultProfile?: ProfileInput | undefined
  /**
   * True to let a different profile replace the stored one. `if-unregistered` refuses the replacement on a registered or
   * reserved device. Default: false.
   */
  readonly replaceProfile?: boolean | 'if-unregistered' | undefined
}

/** Decision about the profile of a data directory. */
export type ProfileChoice =
  | { readonly kind: 'stored'; readonly profile: ProductProfile }
  | { readonly kind: 'first'; readonly profile: ProductProfile }
  | { readonly kind: 'replaced'; readonly profile: ProductProfile; readonly before: ProductProfile }

export const isSameProfile = (a: ProductProfile, b: ProductProfile): boolean =>
  canonicalize(a) === canonicalize(b)

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
  if (replaceProfile === false)
    throw new LicensingError(
      'PROFILE_MISMATCH',
      `The data directory belongs to the product profile ${formatProfileId(stored)}, and was opened with ${describeDifference(stored, wanted)}.`,
    )
  return { kind: 'replaced', profile: wanted, before: stored }
}

/** Replacement of a profile. */
export interface ProfileReplacement {
  readonly before: ProductProfile
  readonly profile: ProductProfile
}

/** Returns the tags in use that a replacement would drop. */
export const findDroppedTagsInUse = (
  { before, profile }: ProfileReplacement,
  inUse: ReadonlySet<string>,
): string[] => findDroppedTags(before, profile).filter((tag) => inUse.has(tag))

/**
 * Checks that a replacement keeps every tag that is in use.
 *
 * @throws LicensingError PROFILE_TAG_IN_USE
 */
export function requireTagsKept(replacement: ProfileReplacement, inUse: ReadonlySet<string>): void {
  const lost = findDroppedTagsInUse(replacement, inUse)
  if (lost.length === 0) return
  throw new LicensingError(
    'PROFILE_TAG_IN_USE',
    `The product profile ${replacement.profile.name} does not have ${lost.join(', ')}, which ${lost.length === 1 ? 'is' : 'are'} in use.`,
  )
}

const describeDifference = (stored: ProductProfile, wanted: ProductProfile): string =>
  wanted.name === stored.name
    ? `another profile with that name, which differs in ${findDifferingParts(stored, wanted).join(', ')}`
    : formatProfileId(wanted)

const findDifferingParts = (a: ProductProfile, b: ProductProfile): string[] =>
  (Object.keys(a) as (keyof ProductProfile)[]).filter(
    (part) => canonicalize(a[part]) !== canonicalize(b[part]),
  )

/** Names that a replacement adds, removes and changes. */
export interface NamedChanges {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly changed: readonly string[]
}

/** Differences between two profiles, for a preview of a replacement. */
export interface ProfileChanges {
  readonly from: ProfileId
  readonly to: ProfileId
  readonly tags: NamedChanges
  readonly skus: NamedChanges
  /** Periods whose value changes, by name. */
  readonly periods: readonly string[]
  readonly policies: boolean
  readonly module: boolean
  /** True if the name and version stay the same, so that devices do not notice the difference. */
  readonly hasSameId: boolean
}

/** Compares two profiles. Returns null if they are equal. */
export function compareProfiles(before: ProductProfile, after: ProductProfile): ProfileChanges | null {
  if (isSameProfile(before, after)) return null
  const periods = { ...before.periods, ...after.periods }
  return {
    from: toProfileId(before),
    to: toProfileId(after),
    tags: compareNamed(before.tags, after.tags, ({ tag }) => tag),
    skus: compareNamed(before.skus, after.skus, ({ sku }) => sku),
    periods: (Object.keys(periods) as (keyof typeof periods)[]).filter(
      (name) => canonicalize(before.periods[name]) !== canonicalize(after.periods[name]),
    ),
    policies: canonicalize(before.policies) !== canonicalize(after.policies),
    module: canonicalize(before.module) !== canonicalize(after.module),
    hasSameId: isSameProfileId(before, after),
  }
}

function compareNamed<T>(
  before: readonly T[],
  after: readonly T[],
  getName: (item: T) => string,
): NamedChanges {
  const old = new Map(before.map((item) => [getName(item), canonicalize(item)]))
  const names = new Set(after.map(getName))
  return {
    added: after.map(getName).filter((name) => !old.has(name)),
    removed: [...old.keys()].filter((name) => !names.has(name)),
    changed: after
      .filter((item) => old.has(getName(item)) && old.get(getName(item)) !== canonicalize(item))
      .map(getName),
  }
}
