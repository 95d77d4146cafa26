import { type Position, stateWord } from '../../machines/index.ts'
import { LicensingError } from '../core/errors.ts'
import type { Instant } from '../core/time.ts'
import type { ProductProfile } from '../core/profile.ts'
import { functionality } from './status.ts'

/** What the product may do where the box stands, and why not. */
export interface Gate {
  /** Why only licence management works; null while everything does. */
  readonly limited: string | null
  /** What is refused of an action; null when it is allowed. Licence management always is. */
  readonly refusal: (action: string) => LicensingError | null
}

/** Actions that manage licences begin so: they work in every state (R-EVAL-4). */
const MANAGEMENT = 'license-'

/** The gate follows the chart, and the product's own policies beside it. */
export function gateOf(position: Position, profile: ProductProfile, now: Instant): Gate {
  const { functionalityReason: limited } = functionality(position, now)
  const word = stateWord(position.value)
  const policy = profile.policies.refused[word]
  return {
    limited,
    refusal: (action) => {
      if (action.startsWith(MANAGEMENT)) return null
      if (limited !== null) return new LicensingError(limitedCode(position), limited)
      if (policy?.actions.includes(action)) return new LicensingError('POLICY_REFUSED', policy.reason)
      return null
    },
  }
}

/** Why only licence management works, as an error. */
function limitedCode({ value, context }: Position) {
  if (context.reservation.current?.stage === 'returning') return 'RESERVATION_RETURNING'
  return stateWord(value) === 'reserved' ? 'NOT_AUTHORIZED' : 'EVALUATION_EXPIRED'
}
