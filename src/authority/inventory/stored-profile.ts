import { LicensingError } from '../../core/errors.ts'
import type { Instant } from '../../core/time.ts'
import { type ProductProfile, profileSchema } from '../../core/profile.ts'
import { chooseProfile, requireTagsKept, type ProfileRequest } from '../../core/stored-profile.ts'
import { conferencingProfile } from '../../conferencing/profile.ts'
import { logEvent } from '../events/event-log.ts'
import { readSetting, type Tx, writeSetting } from '../store/store.ts'

const PROFILE_KEY = 'profile'

/** Reads the stored product profile; null in a new database. @throws LicensingError STORE_UNREADABLE */
async function readProfile(tx: Tx): Promise<ProductProfile | null> {
  const json = await readSetting(tx, PROFILE_KEY)
  if (json === null) return null
  try {
    return profileSchema.parse(JSON.parse(json))
  } catch {
    throw new LicensingError('STORE_UNREADABLE', 'The stored product profile cannot be read.')
  }
}

/**
 * Returns the product profile of an authority: the stored one, in a new database the requested one, and by default the
 * conferencing profile. A replacement is logged as an event.
 *
 * @throws LicensingError PROFILE_MISMATCH, PROFILE_TAG_IN_USE, INVALID_ARGUMENT
 */
export async function resolveProfile(tx: Tx, wanted: ProfileRequest, at: Instant): Promise<ProductProfile> {
  const choice = chooseProfile(await readProfile(tx), { defaultProfile: conferencingProfile, ...wanted })
  if (choice.kind === 'stored') return choice.profile
  if (choice.kind === 'replaced') {
    requireTagsKept(choice, await listTagsInUse(tx))
    await logEvent(tx, {
      at,
      type: 'PROFILE_REPLACED',
      message: `The product profile ${choice.before.name} was replaced by ${choice.profile.name}.`,
    })
  }
  await writeSetting(tx, PROFILE_KEY, JSON.stringify(choice.profile))
  return choice.profile
}

/** Returns the tags of purchased, used and reserved licenses. */
async function listTagsInUse(tx: Tx): Promise<Set<string>> {
  const tags = new Set<string>()
  for (const table of ['licenses', 'instance_usage', 'reserved_licenses', 'reported_reserved'] as const)
    for (const { tag } of await tx.selectFrom(table).select('tag').distinct().execute()) tags.add(tag)
  return tags
}
