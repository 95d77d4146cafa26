import type { LicensingError } from '../core/errors.ts'
import type { Instant } from '../core/time.ts'

/** What an authority may grant: a manager anything, a satellite what its mandate lets it. */
export interface Leave {
  /** Goes into each answer; null from a manager. */
  readonly mandate: string | null
  /** No authorization lasts beyond it. */
  readonly notAfter: Instant
  /** Why nothing is granted now; null while something may be. */
  readonly refusal: LicensingError | null
  /** Why nothing new is promised: since a restore nothing was heard of the manager (trust §9); null otherwise. */
  readonly frozen: LicensingError | null
}

/** A manager's own. */
export const unlimited: Leave = { mandate: null, notAfter: Infinity, refusal: null, frozen: null }

/** Why nothing new may be promised, such as a registration or a reservation; null while something may be. */
export const whyNothingNew = ({ refusal, frozen }: Leave): LicensingError | null => refusal ?? frozen
