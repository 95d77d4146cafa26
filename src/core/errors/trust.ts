import type { ErrorEntry } from './error-entry.ts'

/** Errors of root certificates, their keys and rotations, and of the audit log. */
export const trustErrors = {
  TRUST_ANCHOR_MISSING: {
    kind: 'refusal',
    meaning: 'No root certificate of the authority is installed.',
    remedy:
      'Export the root certificate with `smart-authority trust export`, and install it with `smart-agent trust install FILE`.',
  },
  TRUST_ANCHOR_INVALID: {
    kind: 'refusal',
    meaning: 'The file is not a valid root certificate.',
    remedy: 'Use the file that `smart-authority trust export` prints.',
  },
  TRUST_BUNDLE_REFUSED: {
    kind: 'refusal',
    meaning: 'The root rotation is not signed by a trusted root, or is not newer than the current one.',
    remedy:
      'Get the current file with `smart-authority trust bundle export`. If this device has missed all rotations, compare fingerprints and install the root certificate itself.',
  },
  NO_TRUST_BUNDLE: {
    kind: 'local',
    meaning: 'The root certificate was never replaced: no root rotation exists.',
    remedy: 'Give devices the root certificate itself, from `trust export`.',
  },
  ROTATION_UNDER_WAY: {
    kind: 'local',
    meaning: 'A root rotation is in progress, and both roots are trusted until the overlap ends.',
    remedy: 'Wait until the end of the overlap, which `trust show` prints.',
  },
  ROOT_KEY_ABSENT: {
    kind: 'local',
    meaning: 'The root key, which signs the CA of a satellite, is not on this machine.',
    remedy:
      'Give the file from `trust root export` with --root-key FILE, or put root.key into the keys directory temporarily.',
  },
  ROOT_KEY_WRONG: {
    kind: 'local',
    meaning: 'The key does not belong to the current root certificate.',
    remedy:
      'Give the file that the newest `trust rotate root` wrote. If the root was never replaced, give the file of `trust root export`.',
  },
  ROOT_KEY_UNREADABLE: {
    kind: 'local',
    meaning: 'The root key file cannot be opened: the file is wrong or damaged, or the passphrase is wrong.',
    remedy: 'Check the passphrase, and transfer the file in binary mode.',
  },
  AUDIT_BROKEN: {
    kind: 'local',
    meaning: 'The audit log was changed after it was written.',
    remedy:
      'Find out who can write the database, and compare the log with an export or a checkpoint kept elsewhere.',
  },
} as const satisfies Record<string, ErrorEntry>
