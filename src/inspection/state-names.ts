import type { LicenseState } from '../../machines/state-names.ts'

/** Names of the license states for people. */
export const STATE_NAMES: Readonly<Record<LicenseState, string>> = {
  evaluation: 'Evaluation',
  unregistered: 'Unregistered',
  registered: 'Registered',
  authorized: 'Authorized',
  'out-of-compliance': 'Out of compliance',
  'auth-expired': 'Authorization expired',
  reserved: 'Reserved',
}
