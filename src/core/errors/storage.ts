import type { ErrorEntry } from './error-entry.ts'

/** Errors of data directories, product profiles, databases and backups. */
export const storageErrors = {
  DATA_DIR_MISSING: {
    kind: 'local',
    meaning: 'No data directory exists at that path.',
    remedy: 'Create a data directory with `init`, or give the right path with --data-dir.',
  },
  DATA_DIR_EXISTS: {
    kind: 'local',
    meaning: 'The directory already contains an agent or an authority.',
    remedy: 'Use the existing directory, or give another path with --data-dir.',
  },
  DATA_DIR_LOCKED: {
    kind: 'local',
    meaning: 'Another process is using the data directory.',
    remedy: 'Wait for that process to finish, or stop it.',
  },
  DATA_DIR_UNSAFE: {
    kind: 'local',
    meaning: 'The data directory belongs to another user or is open to others.',
    remedy: 'Make the user that runs the program the owner of the directory, with mode 0700.',
  },
  MODULE_UNAVAILABLE: {
    kind: 'local',
    meaning:
      'The data directory belongs to a product whose module this program does not include, or that has no module.',
    remedy: 'Use the program of that product. Commands that do not need the module work in this program too.',
  },
  DATA_VERSION_UNSUPPORTED: {
    kind: 'local',
    meaning:
      'The data directory was written by a development build of this program, before its first published version.',
    remedy: 'Create a new directory with `init`.',
  },
  PROFILE_MISMATCH: {
    kind: 'local',
    meaning: 'The data directory belongs to another product profile than the one it was opened with.',
    remedy:
      'Open the data directory without a profile, or with its own profile. To change the product, set `replaceProfile`.',
  },
  PROFILE_DIFFERS: {
    kind: 'local',
    meaning:
      'Device and authority have different product profiles. Tags that only one of them has are not licensed.',
    remedy: 'Replace the older of both profiles.',
  },
  PROFILE_IN_USE: {
    kind: 'refusal',
    meaning: 'The profile of a registered or reserved device can be replaced only by the product itself.',
    remedy: 'Open the data directory by the product with `replaceProfile`, or deregister the device first.',
  },
  PROFILE_TAG_IN_USE: {
    kind: 'local',
    meaning: 'A replacement of the product profile would drop an entitlement tag that is in use.',
    remedy: 'Keep the tag in the profile, or set its usage to 0 first.',
  },
  STORE_UNREADABLE: {
    kind: 'local',
    meaning: 'The stored state could not be read.',
    remedy: 'Restore the data directory from a backup, or create a new data directory.',
  },
  STORE_UNWRITABLE: {
    kind: 'local',
    meaning: 'The stored state could not be written.',
    remedy: 'Make the data directory writable for this user.',
  },
  STORE_FULL: {
    kind: 'local',
    meaning: 'The disk that holds the data directory is full.',
    remedy: 'Free some disk space. No acknowledged data is lost.',
  },
  STORE_REPLACED: {
    kind: 'local',
    meaning: 'A database file was replaced or removed while a program used it.',
    remedy:
      'Stop all programs that use the data directory before you replace its files, and start them again. A server ends by itself.',
  },
  STORE_MODULE_ABSENT: {
    kind: 'local',
    meaning: 'The native module better-sqlite3 is missing, or was built for another Node version.',
    remedy:
      'Install the package again, and keep the folder `prebuilds` of better-sqlite3. A bundled program names the native part with the option `sqlite`. A checkout on Node 20 needs `node scripts/compile-sqlite.mjs`.',
  },
  PLATFORM_UNSUPPORTED: {
    kind: 'local',
    meaning: 'This version of Node, operating system or processor is not supported.',
    remedy: 'Use Node 22 or later on Linux, on x64 or arm64.',
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
      'Check that the database runs and is reachable from this machine. A server retries automatically. A command must be run again.',
  },
  DATABASE_REFUSED: {
    kind: 'local',
    meaning: 'The PostgreSQL database of the authority refused the connection of this program.',
    remedy: 'Check user, password and database name in --database, and the privileges of the user.',
  },
  DATABASE_TLS_FAILED: {
    kind: 'local',
    meaning: 'TLS with the PostgreSQL database of the authority failed.',
    remedy: 'Check sslmode and sslrootcert in the database URL, and the certificate of the server.',
  },
  BACKUP_UNREADABLE: {
    kind: 'local',
    meaning: 'The backup cannot be opened: the backup is damaged, or the passphrase is wrong.',
    remedy: 'Check the passphrase, and transfer the file in binary mode.',
  },
} as const satisfies Record<string, ErrorEntry>
