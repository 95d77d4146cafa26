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
    meaning: 'The agent, or the client of an agent, is closed.',
    remedy: 'Open the agent again. An operation that was in progress then continues.',
  },
  ALREADY_SERVED: {
    kind: 'local',
    meaning: 'The agent already serves its control socket. An agent has one control socket.',
    remedy: 'Use the object that the first call of `serve` returned, or close it first.',
  },
  NOT_ALLOWED_IN_STATE: {
    kind: 'refusal',
    meaning: 'The request is not allowed in the current state of the device.',
    remedy: 'Run `why` to see what is possible now.',
  },
  RESERVED: {
    kind: 'refusal',
    meaning: 'The device works from a reservation: it makes no connections and is not registered.',
    remedy: 'Return the reservation first: `reservation return-code`, then `reservation return`.',
  },
  UNKNOWN_TAG: {
    kind: 'refusal',
    meaning: 'The product has no entitlement with that tag.',
    remedy: 'Use one of the tags that the message lists.',
  },
  EVALUATION_EXPIRED: {
    kind: 'refusal',
    meaning: 'The evaluation period is used up and the device is not registered.',
    remedy: 'Register the device, or install a reservation.',
  },
  POLICY_REFUSED: {
    kind: 'refusal',
    meaning: 'The policy of the product refuses the action in the current license state.',
    remedy: 'Run `why` to see what would change the state.',
  },
  NOT_AUTHORIZED: {
    kind: 'refusal',
    meaning: 'More licenses are in use than are reserved for this device: only license management works.',
    remedy: 'Update the reservation at the authority, or use fewer licenses.',
  },
  VERSION_NOT_HIGHER: {
    kind: 'refusal',
    meaning: 'The version of an upgrade must be higher than the current one.',
    remedy: 'Give the version to which the product was upgraded.',
  },
} as const satisfies Record<string, ErrorEntry>
