import { parseProfile, type ProductProfile, type ProfileInput } from '../../core/profile.ts'
import { compareProfiles, findDroppedTagsInUse, type ProfileChanges } from '../../core/stored-profile.ts'
import { type AuthorityContext, requireRole } from '../context/authority-context.ts'
import { listTagsInUse, replaceProfile } from '../inventory/stored-profile.ts'

/** Differences that a replacement of the profile makes at this authority. */
export interface ProfilePreview {
  /** Null if the profiles are equal. */
  readonly changes: ProfileChanges | null
  /** Tags in use that the new profile lacks. The replacement is refused until they are out of use. */
  readonly tagsInUse: readonly string[]
}

/** Profile of the product whose licenses the authority issues. */
export class ProfileService {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  /** The current profile, as of the last transaction. */
  get current(): ProductProfile {
    return this.#context.profile
  }

  /** Shows what a replacement would change. @throws LicensingError INVALID_ARGUMENT */
  preview(profile: ProfileInput): Promise<ProfilePreview> {
    const after = parseProfile(profile)
    return this.#context.withMaintenance(async (tx) => ({
      changes: compareProfiles(this.current, after),
      tagsInUse: findDroppedTagsInUse({ before: this.current, profile: after }, await listTagsInUse(tx)),
    }))
  }

  /**
   * Replaces the profile of a manager. Its satellites get the new profile with their next synchronization.
   *
   * @returns the changes, or null if the profiles are equal
   * @throws LicensingError INVALID_ARGUMENT, PROFILE_TAG_IN_USE, WRONG_ROLE
   */
  async replace(profile: ProfileInput): Promise<ProfileChanges | null> {
    requireRole(this.#context, 'manager', 'replace the product profile')
    const after = parseProfile(profile)
    const changes = await this.#context.withMaintenance(async (tx, at) => {
      const found = compareProfiles(this.current, after)
      if (found !== null) await replaceProfile(tx, { before: this.current, profile: after }, at)
      return found
    })
    await this.#context.refresh()
    return changes
  }
}
