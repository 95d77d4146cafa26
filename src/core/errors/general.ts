import type { ErrorEntry } from './error-entry.ts'

/** Errors of command lines, arguments, files and daemons, and of resources that callers name. */
export const generalErrors = {
  USAGE: {
    kind: 'usage',
    meaning: 'The command line is not valid.',
    remedy: 'See --help for the commands and options.',
  },
  INVALID_ARGUMENT: {
    kind: 'usage',
    meaning: 'A value is not valid.',
    remedy: 'Correct the value that the message names and try again.',
  },
  SECRET_MISSING: {
    kind: 'usage',
    meaning: 'No password, passphrase or other secret was given.',
    remedy: 'Give the secret on standard input, or name a file that holds it.',
  },
  CONFIRMATION_REQUIRED: {
    kind: 'usage',
    meaning: 'The command needs a confirmation, but there is no terminal to ask.',
    remedy: 'Run the command again with --yes, or from a terminal.',
  },
  PAGES_MISSING: {
    kind: 'local',
    meaning: 'This installation does not contain the pages for browsers.',
    remedy: 'Install the package again, or run `npm run build` in a checkout.',
  },
  BUNDLE_MALFORMED: {
    kind: 'local',
    meaning: 'The file is not a support bundle.',
    remedy: 'Write the bundle again with `smart-agent support --out FILE`.',
  },
  BUNDLE_TOO_NEW: {
    kind: 'local',
    meaning: 'A newer version of the agent wrote the support bundle.',
    remedy: 'Open it with that version.',
  },
  NOT_FOUND: {
    kind: 'refusal',
    meaning: 'No resource with that name or id exists. The field `resource` names its kind.',
    remedy: 'List the existing resources, and use one of them.',
  },
  ALREADY_EXISTS: {
    kind: 'refusal',
    meaning: 'A resource with that name already exists. The field `resource` names its kind.',
    remedy: 'Use the existing resource, or choose another name.',
  },
  FILE_UNREADABLE: {
    kind: 'local',
    meaning: 'The file could not be read.',
    remedy: 'Check the path and its permissions.',
  },
  FILE_UNWRITABLE: {
    kind: 'local',
    meaning: 'The file could not be written.',
    remedy: 'Check the path, its permissions and the free disk space.',
  },
  DAEMON_RUNNING: {
    kind: 'local',
    meaning: 'A daemon is already running for this data directory.',
    remedy: 'Stop the daemon, or use it: commands connect to a running daemon automatically.',
  },
  DAEMON_UNREACHABLE: {
    kind: 'local',
    meaning:
      'No agent answers on the control socket of the data directory within 5 seconds, or the agent ended before it answered.',
    remedy: 'Try again. If the failure persists, check the log of the daemon.',
  },
  ADDRESS_IN_USE: {
    kind: 'local',
    meaning: 'The address to listen on is in use, or does not belong to this machine.',
    remedy: 'Choose another address or port, for example with --listen or --metrics.',
  },
  INTERNAL: {
    kind: 'local',
    meaning: 'An unexpected failure happened in this program.',
    remedy: 'Try again. If the failure persists, report it with the log.',
  },
} as const satisfies Record<string, ErrorEntry>
