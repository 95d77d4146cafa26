import type { ErrorEntry } from './error-entry.ts'

/** Errors of messages that are not valid. A rejected answer changes nothing, and the agent retries its request. */
export const exchangeErrors = {
  REQUEST_MALFORMED: {
    kind: 'local',
    meaning: 'The message does not match the protocol.',
    remedy: 'Update the agent that sent the message.',
  },
  REQUEST_SIGNATURE_INVALID: {
    kind: 'local',
    meaning: 'The signature of the request is not valid.',
    remedy: 'Find out which system between the agent and the authority altered the message.',
  },
  PROTOCOL_UNSUPPORTED: {
    kind: 'refusal',
    meaning: 'The authority does not support this version of the protocol.',
    remedy: 'Update the older of the two programs.',
  },
  ANSWER_MALFORMED: {
    kind: 'answer',
    meaning: 'The answer does not match the protocol.',
    remedy: 'Check that the URL belongs to the authority. Update the older of the two programs.',
  },
  ANSWER_SIGNATURE_INVALID: {
    kind: 'answer',
    meaning: 'The signature of the answer is not valid: the answer was altered or forged.',
    remedy: 'Find out which system between the device and the authority changes answers.',
  },
  ANSWER_SIGNER_UNTRUSTED: {
    kind: 'answer',
    meaning:
      'The certificate chain of the answer does not end at a root certificate that this device trusts.',
    remedy:
      'Check that the URL belongs to the right authority. Compare its root certificate with `smart-agent trust show`.',
  },
  ANSWER_SIGNER_ROLE: {
    kind: 'answer',
    meaning: 'The answer was signed with a certificate of another role.',
    remedy: 'Find out which system between the device and the authority changes messages.',
  },
  MANDATE_MISSING: {
    kind: 'answer',
    meaning: 'The answer of a satellite contains no delegation of its manager.',
    remedy: 'Synchronize the satellite with its manager.',
  },
  MANDATE_INVALID: {
    kind: 'answer',
    meaning: 'The delegation that the satellite presents is not a valid delegation of its manager.',
    remedy: 'Synchronize the satellite with its manager. Check whether the satellite was tampered with.',
  },
  MANDATE_EXPIRED: {
    kind: 'answer',
    meaning:
      'The delegation of the satellite has expired: the satellite has not synchronized with its manager for too long.',
    remedy: 'Synchronize the satellite with its manager, online or by file.',
  },
  MANDATE_SUPERSEDED: {
    kind: 'answer',
    meaning:
      'The delegation of the satellite is older than one this device has already accepted: the satellite may have been restored from a copy.',
    remedy: 'Synchronize the satellite with its manager.',
  },
  MANDATE_EXCEEDED: {
    kind: 'answer',
    meaning: 'The satellite grants more licenses than its manager delegated.',
    remedy: 'Synchronize the satellite with its manager. Check whether the satellite was tampered with.',
  },
  ANSWER_WRONG_AUTHORITY: {
    kind: 'answer',
    meaning: 'The answer comes from another authority than the one this device is registered with.',
    remedy: 'Set the transport to the authority the device is registered with, or register again.',
  },
  ANSWER_WRONG_TYPE: {
    kind: 'answer',
    meaning: 'The answer belongs to another type of request.',
    remedy: 'Find out which system between the device and the authority changes messages.',
  },
  ANSWER_WRONG_DIRECTION: {
    kind: 'answer',
    meaning: 'The message is not an answer.',
    remedy: 'Find out which system between the device and the authority changes messages.',
  },
  ANSWER_WRONG_AUDIENCE: {
    kind: 'answer',
    meaning: 'The answer is addressed to another device.',
    remedy: 'Find out which system between the device and the authority changes messages.',
  },
  ANSWER_WRONG_REQUEST: {
    kind: 'answer',
    meaning: 'The answer belongs to another request.',
    remedy: 'Find out which system between the device and the authority changes messages.',
  },
  ANSWER_NONCE_MISMATCH: {
    kind: 'answer',
    meaning: 'The answer is a replay of an old answer.',
    remedy: 'Find out which system between the device and the authority changes messages.',
  },
  ANSWER_STALE: {
    kind: 'answer',
    meaning: 'The answer is older than one this device has already accepted.',
    remedy: 'Check the clock of the authority.',
  },
  ANSWER_PROTOCOL_VERSION: {
    kind: 'answer',
    meaning: 'The answer has a protocol version that this agent does not support.',
    remedy: 'Update the older of the two programs.',
  },
  ANSWER_CERTIFICATE_INVALID: {
    kind: 'answer',
    meaning: 'The certificate in the answer is not for this device and its key.',
    remedy: 'Find out which system between the device and the authority changes messages.',
  },
} as const satisfies Record<string, ErrorEntry>
