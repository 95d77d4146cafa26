import { conferencingErrors } from './conferencing.ts'
import { deviceErrors } from './device.ts'
import type { ErrorEntry } from './error-entry.ts'
import { exchangeErrors } from './exchange.ts'
import { faultInjectionErrors } from './fault-injection.ts'
import { generalErrors } from './general.ts'
import { inventoryErrors } from './inventory.ts'
import { notificationErrors } from './notification.ts'
import { registrationErrors } from './registration.ts'
import { reservationErrors } from './reservation.ts'
import { satelliteErrors } from './satellite.ts'
import { signInErrors } from './sign-in.ts'
import { signedFileErrors } from './signed-file.ts'
import { storageErrors } from './storage.ts'
import { transportErrors } from './transport.ts'
import { trustErrors } from './trust.ts'

/** All errors of both programs, the library and the authority's answers. Codes are stable. */
export const errorTable = {
  ...generalErrors,
  ...storageErrors,
  ...transportErrors,
  ...exchangeErrors,
  ...trustErrors,
  ...signedFileErrors,
  ...deviceErrors,
  ...registrationErrors,
  ...reservationErrors,
  ...conferencingErrors,
  ...inventoryErrors,
  ...satelliteErrors,
  ...notificationErrors,
  ...signInErrors,
  ...faultInjectionErrors,
} as const satisfies Record<string, ErrorEntry>

/** Code of an error. */
export type ErrorCode = keyof typeof errorTable

/** Checks whether a text is a code of the table, for errors received from another program. */
export const isErrorCode = (text: string): text is ErrorCode => Object.hasOwn(errorTable, text)
