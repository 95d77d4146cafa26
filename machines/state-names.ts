/** License states of the Status document. They are also the states of the machine's license region. */
export const LICENSE_STATES = [
  'evaluation',
  'unregistered',
  'registered',
  'authorized',
  'out-of-compliance',
  'auth-expired',
  'reserved',
] as const

export type LicenseState = (typeof LICENSE_STATES)[number]

/** States of the connection to the authority, as the last request found it. */
export const CONNECTION_STATES = ['unknown', 'up', 'down'] as const

export type ConnectionState = (typeof CONNECTION_STATES)[number]

/** States of the reservation region. */
export const RESERVATION_STATES = ['none', 'requested', 'installed', 'returning'] as const

export type ReservationStage = (typeof RESERVATION_STATES)[number]

/** Parallel regions of the agent machine. */
export const REGIONS = ['license', 'registration', 'reservation', 'connection'] as const

export type Region = (typeof REGIONS)[number]
