import type { ErrorEntry } from './error-entry.ts'

/** Refusals of the agent in the state of its device. */
export const deviceErrors = {
  CLOCK_NOT_TRUSTED: {
    kind: 'local',
    meaning: 'The clock of the device was set back, or differs too much from the clock of the authority.',
    remedy: 'Set the clock of the device.',
  },
  AGENT_CLOSED: {
    kind: 'local',
    meaning: 'The agent was closed while an operation was under way.',
    remedy: 'Open the agent again: the operation continues.',
  },
  NOT_ALLOWED_IN_STATE: {
    kind: 'refusal',
    meaning: 'The request does not fit the state the device is in.',
    remedy: 'See `why` for what is possible now.',
  },
  RESERVED: {
    kind: 'refusal',
    meaning: 'The device works from a reservation: it makes no connections and is not registered.',
    remedy: 'Return the reservation first: `reservation return-code`, then `reservation return`.',
  },
  UNKNOWN_TAG: {
    kind: 'refusal',
    meaning: 'The product has no entitlement of that tag.',
    remedy: 'Use one of the tags that the message lists.',
  },
  EVALUATION_EXPIRED: {
    kind: 'refusal',
    meaning: 'The evaluation period is used up and the device is not registered.',
    remedy: 'Register the device, or install a reservation.',
  },
  POLICY_REFUSED: {
    kind: 'refusal',
    meaning: "The product's own terms refuse this in the state the device is in.",
    remedy: 'See `why` for what would change the state.',
  },
  NOT_AUTHORIZED: {
    kind: 'refusal',
    meaning: 'More is in use than is reserved for this device: only license management works.',
    remedy: 'Have the reservation updated at the authority, or use less.',
  },
  VERSION_NOT_HIGHER: {
    kind: 'refusal',
    meaning: 'The version of an upgrade must be higher than the current one.',
    remedy: 'Name the version that the product was upgraded to.',
  },
} as const satisfies Record<string, ErrorEntry>
