import type { ErrorEntry } from './error-entry.ts'

/** Errors of satellites and their synchronization. */
export const satelliteErrors = {
  WRONG_ROLE: {
    kind: 'local',
    meaning: 'The command is for an authority in the other role.',
    remedy: 'Run the command on the manager, or on the satellite, as the message says.',
  },
  SATELLITE_UNKNOWN: {
    kind: 'refusal',
    meaning: 'The smart account has no satellite with that name.',
    remedy: 'Add the satellite at the manager with `satellite add`, under the name given to `init`.',
  },
  SATELLITE_REMOVED: {
    kind: 'refusal',
    meaning: 'The satellite was removed at its manager.',
    remedy: 'Add a new satellite at the manager, and register the devices with the new satellite.',
  },
  SATELLITE_EXPIRED: {
    kind: 'refusal',
    meaning: 'The satellite did not synchronize for so long that the manager ended its registration.',
    remedy:
      'Synchronize by file: `sync export` at the satellite, `sync respond` at the manager, `sync import` at the satellite.',
  },
  SATELLITE_OUT_OF_TOUCH: {
    kind: 'refusal',
    meaning: 'The satellite has not synchronized with its manager for too long, and may not grant licenses.',
    remedy:
      'Ask the operator of the satellite to synchronize by file: `sync export` at the satellite, `sync respond` at its manager, `sync import` at the satellite.',
  },
  SATELLITE_NOT_REGISTERED: {
    kind: 'local',
    meaning: 'The satellite was never synchronized with its manager: it has no licenses yet.',
    remedy:
      'Register the satellite online with `sync run`, or by file: `sync export FILE`, `sync respond` at the manager, `sync import` of the answer.',
  },
  SATELLITE_IN_DOUBT: {
    kind: 'refusal',
    meaning:
      'The satellite was restored from a backup, and does not know yet which licenses it granted since the backup.',
    remedy:
      'Synchronize the satellite with its manager, online with `sync run` or by file with `sync export`.',
  },
  VIRTUAL_ACCOUNT_OF_SATELLITE: {
    kind: 'local',
    meaning: 'The virtual account belongs to a satellite, which manages it.',
    remedy:
      'Run the command on the satellite. At the manager, only `satellite remove` frees its virtual accounts.',
  },
  INSTANCE_OF_SATELLITE: {
    kind: 'local',
    meaning: 'The product instance belongs to a satellite.',
    remedy: 'Run the command on the satellite. The manager sees the change after the next synchronization.',
  },
  TLS_NAME_OF_MANAGER: {
    kind: 'refusal',
    meaning: 'The certificates of the satellite would contain a host name of its manager.',
    remedy:
      'Give the satellite its own names at the manager with `satellite configure NAME --tls-name`. Or serve the satellite without that `--name`, then run `trust rotate tls` and synchronize there.',
  },
  ENROLLMENT_CODE_INVALID: {
    kind: 'refusal',
    meaning: 'The one-time code of the satellite is missing, wrong, used or expired.',
    remedy:
      'Create a new code at the manager with `satellite enrollment-code NAME`, and give it to `sync run` or `init`.',
  },
  SYNC_KEY_UNKNOWN: {
    kind: 'refusal',
    meaning: 'The name of the satellite is bound to another key.',
    remedy:
      'Synchronize from the satellite that was registered under this name. To use another machine, remove the satellite at the manager and add it again.',
  },
  SYNC_SUPERSEDED: {
    kind: 'refusal',
    meaning: 'The request is older than a request that was already answered.',
    remedy: 'Transfer the newest request, or create a new one with `sync export`.',
  },
  SYNC_EPOCH_SUPERSEDED: {
    kind: 'refusal',
    meaning: 'Another copy of this satellite, restored from a backup, has already synchronized.',
    remedy:
      'Stop one of the two copies. To continue with this copy, remove the satellite at the manager and add it again.',
  },
  SYNC_CREDENTIAL_EXPIRED: {
    kind: 'refusal',
    meaning: 'The credential for online synchronization has expired without being used.',
    remedy: 'Synchronize by file once: `sync export`, `sync respond` at the manager, `sync import`.',
  },
  SYNC_ANSWER_IMPORTED: {
    kind: 'refusal',
    meaning: 'This answer, or a newer one, was already imported.',
    remedy: 'Nothing to do. To get newer licenses, start a new exchange with `sync export`.',
  },
  SYNC_ANSWER_LAPSED: {
    kind: 'refusal',
    meaning: 'The answer expired before it was imported.',
    remedy:
      'Check the clock of this machine. Then start a new exchange with `sync export`, and transfer the files without delay.',
  },
  SYNC_ANSWER_UNASKED: {
    kind: 'refusal',
    meaning: 'The answer does not belong to a pending request of this satellite.',
    remedy: 'Start a new exchange with `sync export`, and import its answer.',
  },
  SYNC_OTHER_SATELLITE: {
    kind: 'refusal',
    meaning: 'The file belongs to another satellite or another smart account.',
    remedy: 'Transfer the file to the satellite that it names.',
  },
  SYNC_NOT_CONFIGURED: {
    kind: 'local',
    meaning: 'No connection to the manager is configured.',
    remedy: 'Set one with `sync manager URL`, or synchronize by file with `sync export`.',
  },
  SYNC_REPAIR_NEEDED: {
    kind: 'refusal',
    meaning: 'The records of the satellite and its manager differ, for example after a restore.',
    remedy: 'Synchronize again, which sends a full report.',
  },
  SYNC_FINGERPRINT_MISMATCH: {
    kind: 'refusal',
    meaning: 'The root certificate is not the one whose fingerprint was given.',
    remedy: 'Compare the fingerprint with the one that the manager prints with `trust show`.',
  },
} as const satisfies Record<string, ErrorEntry>
