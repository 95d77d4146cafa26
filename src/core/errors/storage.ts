import type { ErrorEntry } from './error-entry.ts'

/** Errors of data directories, product profiles, databases and backups. */
export const storageErrors = {
  DATA_DIR_MISSING: {
    kind: 'local',
    meaning: 'No data directory exists at that path.',
    remedy: 'Create one with `init`, or name the right one with --data-dir.',
  },
  DATA_DIR_EXISTS: {
    kind: 'local',
    meaning: 'The directory already holds an agent or an authority.',
    remedy: 'Use it as it is, or name another with --data-dir.',
  },
  DATA_DIR_LOCKED: {
    kind: 'local',
    meaning: 'Another process is using the data directory.',
    remedy: 'Wait for that process to finish, or stop it.',
  },
  DATA_DIR_UNSAFE: {
    kind: 'local',
    meaning: 'The data directory belongs to another user or is open to others.',
    remedy: 'Give the directory to the user who runs the program, with mode 0700.',
  },
  MODULE_UNAVAILABLE: {
    kind: 'local',
    meaning:
      'The data directory belongs to a product whose module this program lacks, or to one without a module.',
    remedy: 'Use the program of that product. Other commands work here, too.',
  },
  DATA_VERSION_UNSUPPORTED: {
    kind: 'local',
    meaning:
      'The data directory was written by a development state of this program, before its first published version.',
    remedy: 'Create a new directory with `init`.',
  },
  PROFILE_MISMATCH: {
    kind: 'local',
    meaning: 'The data directory belongs to another product profile than the one it was opened with.',
    remedy: 'Open it without a profile, or with its own. To change the product, set `replaceProfile`.',
  },
  PROFILE_TAG_IN_USE: {
    kind: 'local',
    meaning: 'A replacement of the product profile would drop an entitlement tag that is in use.',
    remedy: 'Keep the tag in the profile, or set its usage to 0 first.',
  },
  STORE_UNREADABLE: {
    kind: 'local',
    meaning: 'The stored state could not be read.',
    remedy: 'Restore the data directory from a backup, or create a new one.',
  },
  STORE_UNWRITABLE: {
    kind: 'local',
    meaning: 'The stored state could not be written.',
    remedy: 'Make the data directory writable for this user.',
  },
  STORE_FULL: {
    kind: 'local',
    meaning: 'The disk that holds the data directory is full.',
    remedy: 'Free some space. Nothing that was acknowledged is lost.',
  },
  STORE_MODULE_ABSENT: {
    kind: 'local',
    meaning: 'The native module for the data, better-sqlite3, is missing, or was built for another Node.',
    remedy:
      'Install again with install scripts allowed, or build it where it is: `npm rebuild better-sqlite3`, or `better-sqlite3-node22` from Node 22 on. Where no prebuilt one fits it needs Python, make and a C++ compiler.',
  },
  STORE_TOO_NEW: {
    kind: 'local',
    meaning: 'The stored state was written by a newer version of this program.',
    remedy: 'Run the newer version.',
  },
  DATABASE_UNREACHABLE: {
    kind: 'local',
    meaning: 'The PostgreSQL database of the authority is unreachable, or did not answer in time.',
    remedy:
      'Check that the database runs and can be reached from this machine. A server tries again by itself. Run a command again.',
  },
  DATABASE_REFUSED: {
    kind: 'local',
    meaning: 'The PostgreSQL database of the authority refused the connection of this program.',
    remedy: 'Check user, password, database name and rights of --database.',
  },
  BACKUP_UNREADABLE: {
    kind: 'local',
    meaning: 'The backup cannot be opened: it is damaged, or has another passphrase.',
    remedy: 'Check the passphrase; transfer the file as a binary file.',
  },
} as const satisfies Record<string, ErrorEntry>
