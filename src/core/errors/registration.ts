import type { ErrorEntry } from './error-entry.ts'

/** Errors of tokens, and refusals of a registration by the agent or by the authority. */
export const registrationErrors = {
  ALREADY_REGISTERED: {
    kind: 'refusal',
    meaning: 'The device is already registered.',
    remedy: 'To replace the registration, register again with --force ("Overwrite product instance").',
  },
  REGISTRATION_IN_PROGRESS: {
    kind: 'refusal',
    meaning: 'A registration is in progress.',
    remedy: 'Wait for the outcome; `status` shows it.',
  },
  REGISTRATION_EXPIRED: {
    kind: 'refusal',
    meaning:
      'The registration was not renewed before its ID certificate expired. The device is unregistered.',
    remedy: 'Register the device again with a new token.',
  },
  NOT_REGISTERED: {
    kind: 'refusal',
    meaning: 'The device is not registered.',
    remedy: 'Register the device with a registration token from the authority.',
  },
  TOKEN_MISSING: {
    kind: 'usage',
    meaning: 'No registration token was given.',
    remedy: 'Give the token as an argument, with --token-file, or on standard input with `-`.',
  },
  TOKEN_MALFORMED: {
    kind: 'refusal',
    meaning: 'The text is not a valid registration token: part of it is missing or changed.',
    remedy: 'Copy the whole token again from the authority.',
  },
  TOKEN_IS_ACTIVATION_KEY: {
    kind: 'refusal',
    meaning: 'The text is a product activation key (PAK), but this product supports only smart licenses.',
    remedy:
      'Convert the key to a smart license at the authority, create a registration token there, and register with that.',
  },
  TOKEN_IS_LICENSE_FILE: {
    kind: 'refusal',
    meaning: 'The text is a classic license file, but this product supports only smart licenses.',
    remedy:
      'Convert the license to a smart license at the authority, create a registration token there, and register with that.',
  },
  TOKEN_UNKNOWN: {
    kind: 'refusal',
    meaning: 'The authority has no such token.',
    remedy: 'Create a new token at the authority that this device is connected to.',
  },
  TOKEN_EXPIRED: {
    kind: 'refusal',
    meaning: 'The token has expired.',
    remedy: 'Create a new token at the authority.',
  },
  TOKEN_REVOKED: {
    kind: 'refusal',
    meaning: 'The token was revoked.',
    remedy: 'Create a new token at the authority.',
  },
  TOKEN_EXHAUSTED: {
    kind: 'refusal',
    meaning: 'The token has no uses left.',
    remedy: 'Create a new token at the authority, with more uses.',
  },
  TOKEN_WRONG_ACCOUNT: {
    kind: 'refusal',
    meaning: 'The token belongs to another smart account.',
    remedy: 'Use a token of the same smart account, or deregister the device first.',
  },
  TOKEN_IN_DOUBT: {
    kind: 'refusal',
    meaning:
      'The authority was restored from a backup and does not know how often the token was used since the backup.',
    remedy: 'Ask an administrator of the authority for another token, or to review this one.',
  },
  INSTANCE_ALREADY_REGISTERED: {
    kind: 'refusal',
    meaning: 'The smart account already has a product instance with this identifier.',
    remedy:
      'To replace the product instance, register with --force ("Overwrite product instance"). Or remove it at the authority.',
  },
  INSTANCE_RESERVED: {
    kind: 'refusal',
    meaning: 'Licenses are reserved at the authority for a device with this identifier.',
    remedy: 'Return the reservation of the device first, or remove the reservation at the authority.',
  },
  INSTANCE_UNKNOWN: {
    kind: 'refusal',
    meaning: 'The authority has no such product instance.',
    remedy: 'Register the device again.',
  },
  INSTANCE_REMOVED: {
    kind: 'refusal',
    meaning: 'The product instance was removed at the authority.',
    remedy: 'Register the device again with a new token.',
  },
  INSTANCE_EXPIRED: {
    kind: 'refusal',
    meaning:
      'The registration was not renewed before its ID certificate expired, and has ended at the authority.',
    remedy: 'Register the device again with a new token.',
  },
  INSTANCE_REPLACED: {
    kind: 'refusal',
    meaning: 'The product instance was replaced by a newer registration of the same identifier.',
    remedy: 'If this is the original device, register it again with --force. Otherwise it is a copy.',
  },
  INSTANCE_DIVERGED: {
    kind: 'refusal',
    meaning:
      'The requests of this product instance do not continue its history: its data directory was copied, or restored from a copy.',
    remedy: 'Register the device again with --force, which gives it a new key.',
  },
  SEQUENCE_SUPERSEDED: {
    kind: 'refusal',
    meaning: 'The request is older than a request that the authority has already answered.',
    remedy:
      'Nothing to do: the authority answered a newer request. If the failure persists, register again with --force.',
  },
  CERTIFICATE_REQUEST_INVALID: {
    kind: 'refusal',
    meaning: 'The authority does not sign this kind of certificate request.',
    remedy: 'Update the agent. If the failure persists, report it.',
  },
  AGREEMENT_NOT_ACCEPTED: {
    kind: 'refusal',
    meaning: 'The license agreement of the smart account has not been accepted.',
    remedy: 'Accept the agreement, or ask an administrator of the authority to accept it.',
  },
} as const satisfies Record<string, ErrorEntry>
