import type { ErrorEntry } from './error-entry.ts'

/** Errors of command lines, arguments, named files and daemons, and of things that callers name. */
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
  CONFIRMATION_REQUIRED: {
    kind: 'usage',
    meaning: 'The command needs a confirmation, and no terminal is there to ask on.',
    remedy: 'Run it again with --yes, or from a terminal.',
  },
  NOT_FOUND: {
    kind: 'refusal',
    meaning: 'Nothing of that name or id exists. The field `resource` names the kind of thing.',
    remedy: 'List what exists, and name one of these.',
  },
  ALREADY_EXISTS: {
    kind: 'refusal',
    meaning: 'The name is taken. The field `resource` names the kind of thing.',
    remedy: 'Use what exists, or choose another name.',
  },
  FILE_UNREADABLE: {
    kind: 'local',
    meaning: 'A file that was named could not be read.',
    remedy: 'Check the path and its permissions.',
  },
  FILE_UNWRITABLE: {
    kind: 'local',
    meaning: 'A file that was named could not be written.',
    remedy: 'Check the path, its permissions and the space on its disk.',
  },
  DAEMON_RUNNING: {
    kind: 'local',
    meaning: 'A daemon is already running on this data directory.',
    remedy: 'Stop the daemon, or use it: commands act on it by themselves.',
  },
  DAEMON_UNREACHABLE: {
    kind: 'local',
    meaning: 'The daemon closed the connection before it answered.',
    remedy: "Try again; look at the daemon's log if it happens again.",
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
