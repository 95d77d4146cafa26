import type { ErrorEntry } from './error-entry.ts'

/** Refusals of the conferencing module: hosts, meetings, deployment. */
export const conferencingErrors = {
  HOST_DEACTIVATED: {
    kind: 'refusal',
    meaning: 'The user is deactivated and holds no license.',
    remedy: 'Activate the user first with `host activate USER`.',
  },
  ATTENDEE_ONLY: {
    kind: 'refusal',
    meaning: 'The user has an attendee-only account: neither host nor alternate host.',
    remedy: 'Name another user, or change the account with `host attendee-only USER --off`.',
  },
  HOST_LICENSED: {
    kind: 'refusal',
    meaning: 'The user holds a host license.',
    remedy: 'Deactivate the user first with `host deactivate USER`: only this releases the license.',
  },
  HOST_IN_MEETING: {
    kind: 'refusal',
    meaning: 'The user hosts a meeting now.',
    remedy: 'End the meeting that the message names first.',
  },
  HOST_BUSY: {
    kind: 'refusal',
    meaning: 'The user already hosts the maximum number of simultaneous meetings for one license.',
    remedy: 'End one of these meetings first, or let an alternate host start the meeting.',
  },
  MEETING_NOT_STARTED: {
    kind: 'refusal',
    meaning: 'The meeting has not started.',
    remedy: 'Start the meeting with `meeting start`, as its host or an alternate host.',
  },
  MEETING_ENDED: {
    kind: 'refusal',
    meaning: 'The meeting is over.',
    remedy: 'Schedule another meeting.',
  },
  MEETING_NOT_HOST: {
    kind: 'refusal',
    meaning: 'Only the host of a meeting and its alternate hosts can start it.',
    remedy: 'Let the host or an alternate host start the meeting.',
  },
  SYSTEM_NOT_ALLOWED: {
    kind: 'refusal',
    meaning: 'The deployment cannot be changed in this way.',
    remedy: 'See `system show` for the current deployment.',
  },
  PORTS_IN_USE: {
    kind: 'refusal',
    meaning: 'More ports are in use than the deployment would have.',
    remedy: 'Wait until fewer users attend meetings.',
  },
  LICENSES_REQUIRED: {
    kind: 'refusal',
    meaning: 'The licenses that the change needs are missing, and the change has no evaluation period.',
    remedy: 'Add the licenses to the virtual account, or update the reservation, and try again.',
  },
} as const satisfies Record<string, ErrorEntry>
