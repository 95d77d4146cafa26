/** States of a license: the seven words of the Status document, and of the machine's license region. */
export const LICENSE_STATES = [
  'evaluation',
  'unregistered',
  'registered',
  'authorized',
  'out-of-compliance',
  'auth-expired',
  'reserved',
] as const

/** State of a license. */
export type LicenseState = (typeof LICENSE_STATES)[number]

/** States of the connection to the authority, by the last request. */
export const CONNECTION_STATES = ['unknown', 'up', 'down'] as const

/** State of the connection to the authority. */
export type ConnectionState = (typeof CONNECTION_STATES)[number]
