import type { ErrorEntry } from './error-entry.ts'

/** Errors of reservations on the device and at the authority: codes, authorization files, and updates. */
export const reservationErrors = {
  CODE_MISTYPED: {
    kind: 'refusal',
    meaning: 'A code was not typed as printed. The message names the wrong groups.',
    remedy: 'Compare these groups with the printed code, and enter the code again.',
  },
  CODE_MALFORMED: {
    kind: 'refusal',
    meaning: 'The text is not a code of this kind.',
    remedy: 'Copy the whole code again from where it was printed.',
  },
  CODE_OTHER_KIND: {
    kind: 'refusal',
    meaning: 'The code is valid, but of another kind.',
    remedy:
      'A request code is for `reservation reserve`, a confirmation code for `reservation confirm`, a return code for `instance remove`.',
  },
  CODE_OTHER_RESERVATION: {
    kind: 'refusal',
    meaning: 'The code belongs to another reservation.',
    remedy: 'Compare product and serial number of the instance with the device that printed the code.',
  },
  CODE_WRONG: {
    kind: 'refusal',
    meaning: 'The code is well-formed, but was not created by the device of this reservation.',
    remedy: 'Copy the code again from `reservation show` on the device.',
  },
  CODE_ATTEMPTS_EXCEEDED: {
    kind: 'refusal',
    meaning: 'Too many wrong codes were entered for this reservation.',
    remedy: 'Wait an hour, then enter the code that `reservation show` prints on the device.',
  },
  CONFIRMATION_CODE_OTHER_UPDATE: {
    kind: 'refusal',
    meaning: 'The confirmation code belongs to another update of this reservation.',
    remedy:
      'Enter the code that the device printed for the newest file; `reservation show` on the device prints it again.',
  },
  REQUEST_CODE_USED: {
    kind: 'refusal',
    meaning: 'The request code was already used for a reservation.',
    remedy: 'Write its authorization file again with `reservation show INSTANCE --out FILE`.',
  },
  RETURN_CODE_REQUIRED: {
    kind: 'refusal',
    meaning: 'The product instance works from a reservation: only a return code releases its licenses.',
    remedy:
      'Create the code on the device with `reservation return-code`, and give it with --return-code. For a lost device, give --without-return-code --reason TEXT.',
  },
  RESERVATION_REQUESTED: {
    kind: 'refusal',
    meaning: 'A reservation request is pending on this device.',
    remedy: 'Install its authorization file, or cancel the request with `reservation cancel`.',
  },
  RESERVATION_NONE: {
    kind: 'refusal',
    meaning: 'This device has no reservation.',
    remedy: 'See `reservation show`; start with `reservation request`.',
  },
  RESERVATION_RETURNING: {
    kind: 'refusal',
    meaning: 'The return code of the reservation was created: the reservation can no longer be changed.',
    remedy: 'Enter the return code at the authority, and complete the return with `reservation return`.',
  },
  RESERVATION_NOT_RETURNING: {
    kind: 'refusal',
    meaning: 'The return was not started: there is no return code.',
    remedy: 'Create the code with `reservation return-code`, and enter it at the authority.',
  },
  RESERVATION_NOT_ENABLED: {
    kind: 'refusal',
    meaning: 'The smart account is not authorized for specific license reservation.',
    remedy: 'Authorize the smart account with `reservation enable`.',
  },
  RESERVATION_EMPTY: {
    kind: 'refusal',
    meaning: 'An update would leave nothing reserved.',
    remedy: 'Return the reservation instead: `reservation return-code` on the device.',
  },
  RESERVATION_ENDED: {
    kind: 'refusal',
    meaning: 'The reservation has already ended.',
    remedy:
      'Nothing to do at the authority. If the device has not completed its return, run `reservation return` there.',
  },
  RESERVATION_IN_DOUBT: {
    kind: 'local',
    meaning:
      'The authority was restored from a backup, and the reservation may have changed since the backup.',
    remedy:
      'Compare the reservation with the device. Then confirm it with `instance review`, or end it with its return code.',
  },
  INSTANCE_NOT_RESERVED: {
    kind: 'refusal',
    meaning: 'The product instance has no reservation.',
    remedy: 'Choose a product instance with a reservation: see `instance list`.',
  },
  UPDATE_PENDING: {
    kind: 'refusal',
    meaning: 'An update of the reservation is not confirmed yet.',
    remedy:
      'Install the file of the update on the device, and enter the confirmation code with `reservation confirm`.',
  },
  UPDATE_NOT_PENDING: {
    kind: 'refusal',
    meaning: 'No update of the reservation waits for a confirmation code.',
    remedy: 'Nothing to do. `reservation show` shows the reserved licenses.',
  },
  LICENSES_UNAVAILABLE: {
    kind: 'refusal',
    meaning: 'The virtual account has fewer licenses available than requested.',
    remedy:
      'Reserve at most the available licenses: see `license list`. Buy more licenses, or free some that are in use.',
  },
  NUMBERS_EXHAUSTED: {
    kind: 'refusal',
    meaning: 'The request counter of the device, or the update counter of the reservation, is exhausted.',
    remedy: 'Return the reservation and reserve again. For a device, create its data directory again.',
  },
  AUTHORIZATION_OTHER_DEVICE: {
    kind: 'refusal',
    meaning: 'The authorization file is for another device.',
    remedy: 'Install the file on the device that it names, or reserve with the request code of this device.',
  },
  AUTHORIZATION_OTHER_REQUEST: {
    kind: 'refusal',
    meaning: 'The authorization file answers a request that this device did not make.',
    remedy:
      'Reserve with the request code that `reservation show` prints. If the data directory was created again, remove the old reservation at the authority with `instance remove INSTANCE --without-return-code --reason TEXT`.',
  },
  AUTHORIZATION_CANCELED: {
    kind: 'refusal',
    meaning: 'The request that the authorization file answers was canceled.',
    remedy:
      'Return the file with `reservation discard FILE`. Enter the printed return code at the authority.',
  },
  AUTHORIZATION_NOT_CANCELED: {
    kind: 'refusal',
    meaning: 'Only the authorization file of a canceled request can be discarded.',
    remedy:
      'Cancel the request first with `reservation cancel`. Return an installed reservation with `reservation return-code`.',
  },
  AUTHORIZATION_INSTALLED: {
    kind: 'refusal',
    meaning: 'The authorization file is already installed.',
    remedy: 'Nothing to do. `reservation show` shows the installed reservation.',
  },
  AUTHORIZATION_SUPERSEDED: {
    kind: 'refusal',
    meaning: 'A newer authorization file is already installed.',
    remedy: 'Use the newest file of the authority: `reservation show INSTANCE --out FILE` writes it again.',
  },
  AUTHORIZATION_RETURNED: {
    kind: 'refusal',
    meaning: 'The reservation of the authorization file was returned.',
    remedy: 'Reserve again: `reservation request`.',
  },
} as const satisfies Record<string, ErrorEntry>
