import { LicensingError } from '../../core/errors.ts'
import type { Instant } from '../../core/time.ts'
import { formatProfileId, type ProductProfile, profileSchema } from '../../core/profile.ts'
import {
  chooseProfile,
  findDroppedTags,
  isSameProfile,
  requireTagsKept,
  type ProfileReplacement,
  type ProfileRequest,
} from '../../core/stored-profile.ts'
import { conferencingProfile } from '../../conferencing/profile.ts'
import { logEvent } from '../events/event-log.ts'
import { readSetting, type Tx, writeSetting } from '../store/store.ts'

const PROFILE_KEY = 'profile'

/** Parses a stored profile. @throws LicensingError STORE_UNREADABLE */
function parseStored(json: string): ProductProfile {
  try {
    return profileSchema.parse(JSON.parse(json))
  } catch {
    throw new LicensingError('STORE_UNREADABLE', 'The stored product profile cannot be read.')
  }
}

/**
 * Product profile of an authority. It is stored in the database, so that all processes of the authority use the same
 * one.
 */
export class StoredProfile {
  #json: string
  #current: ProductProfile

  private constructor(json: string) {
    this.#json = json
    this.#current = parseStored(json)
  }

  /**
   * Loads the stored profile, in a new database the requested one, and by default the conferencing profile. A
   * replacement is logged as an event.
   *
   * @throws LicensingError PROFILE_MISMATCH, PROFILE_TAG_IN_USE, INVALID_ARGUMENT, STORE_UNREADABLE
   */
  static async load(tx: Tx, wanted: ProfileRequest, at: Instant): Promise<StoredProfile> {
    const json = await readSetting(tx, PROFILE_KEY)
    const stored = json === null ? null : parseStored(json)
    const choice = chooseProfile(stored, { defaultProfile: conferencingProfile, ...wanted })
    if (choice.kind === 'replaced') await replaceProfile(tx, choice, at)
    else if (choice.kind === 'first') await writeSetting(tx, PROFILE_KEY, JSON.stringify(choice.profile))
    return new StoredProfile((await readSetting(tx, PROFILE_KEY)) ?? '')
  }

  get current(): ProductProfile {
    return this.#current
  }

  /** Reads a replacement that another process or transaction has made. @throws LicensingError STORE_UNREADABLE */
  async refresh(tx: Tx): Promise<void> {
    const json = await readSetting(tx, PROFILE_KEY)
    if (json === null || json === this.#json) return
    this.#current = parseStored(json)
    this.#json = json
  }
}

/** Replaces the profile, and logs the replacement as an event. @throws LicensingError PROFILE_TAG_IN_USE */
export async function replaceProfile(tx: Tx, replacement: ProfileReplacement, at: Instant): Promise<void> {
  requireTagsKept(replacement, await listTagsInUse(tx))
  await writeReplacement(tx, replacement, at)
}

/**
 * Adopts the profile of a satellite's manager. The manager decides about tags that are still in use here: the next
 * report of a device with such a tag is answered as out of compliance.
 */
export async function adoptProfile(tx: Tx, profile: ProductProfile, at: Instant): Promise<void> {
  const json = await readSetting(tx, PROFILE_KEY)
  const before = json === null ? profile : parseStored(json)
  if (!isSameProfile(before, profile)) await writeReplacement(tx, { before, profile }, at)
}

async function writeReplacement(tx: Tx, { before, profile }: ProfileReplacement, at: Instant): Promise<void> {
  const dropped = findDroppedTags(before, profile)
  await logEvent(tx, {
    at,
    type: 'PROFILE_REPLACED',
    message: `The product profile ${formatProfileId(before)} was replaced by ${formatProfileId(profile)}${dropped.length === 0 ? '' : `, without ${dropped.join(', ')}`}.`,
  })
  await writeSetting(tx, PROFILE_KEY, JSON.stringify(profile))
}

/** Returns the tags of purchased, used and reserved licenses. */
export async function listTagsInUse(tx: Tx): Promise<Set<string>> {
  const tags = new Set<string>()
  for (const table of ['licenses', 'instance_usage', 'reserved_licenses', 'reported_reserved'] as const)
    for (const { tag } of await tx.selectFrom(table).select('tag').distinct().execute()) tags.add(tag)
  return tags
}
