import type { ErrorEntry } from './error-entry.ts'

/** Errors of root certificates, their keys and rotations, and of the audit log. */
export const trustErrors = {
  TRUST_ANCHOR_MISSING: {
    kind: 'refusal',
    meaning: 'The device has no root certificate to verify the authority with.',
    remedy:
      'Export it with `smart-authority trust export` and install it with `smart-agent trust install FILE`.',
  },
  TRUST_ANCHOR_INVALID: {
    kind: 'refusal',
    meaning: 'The file is not a root certificate this program can use.',
    remedy: 'Use the file that `smart-authority trust export` prints.',
  },
  TRUST_BUNDLE_REFUSED: {
    kind: 'refusal',
    meaning: 'The root rotation is not signed by a trusted root, or is not newer than the current one.',
    remedy:
      'Get the file again with `smart-authority trust bundle export`. Compare fingerprints, and install the root certificate itself if this device has missed all rotations.',
  },
  NO_TRUST_BUNDLE: {
    kind: 'local',
    meaning: 'The root certificate was never replaced: no root rotation exists.',
    remedy: 'Give devices the root certificate itself, from `trust export`.',
  },
  ROTATION_UNDER_WAY: {
    kind: 'local',
    meaning: 'A root rotation is in progress, and both roots are trusted until the overlap ends.',
    remedy: 'Wait for the end of the overlap, which `trust show` prints.',
  },
  ROOT_KEY_ABSENT: {
    kind: 'local',
    meaning: 'The key of the root certificate is not on this machine, and it signs the CA of a satellite.',
    remedy:
      'Give it with --root-key FILE, from `trust root export`; or put root.key into the keys directory for the duration.',
  },
  ROOT_KEY_WRONG: {
    kind: 'local',
    meaning: 'The key does not belong to the current root certificate.',
    remedy:
      'Give the file that the newest `trust rotate root` wrote, or `trust root export` if there was none.',
  },
  ROOT_KEY_UNREADABLE: {
    kind: 'local',
    meaning:
      'The file of the root key cannot be opened: it is another file, damaged, or has another passphrase.',
    remedy: 'Check the passphrase; transfer the file as a binary file.',
  },
  AUDIT_BROKEN: {
    kind: 'local',
    meaning: 'The audit log was changed after it was written.',
    remedy:
      'Find out who can write the database, and compare the log with an export or a checkpoint kept elsewhere.',
  },
} as const satisfies Record<string, ErrorEntry>
