import type { AgentSnapshot } from '../../machines/index.ts'
import { LicensingError } from '../core/errors.ts'

/** Returns the error for an online request of a device with a reservation or reservation request. Null without either. */
export function toReservationRefusal({ value }: AgentSnapshot): LicensingError | null {
  if (value.reservation === 'none') return null
  return value.reservation === 'requested'
    ? new LicensingError('RESERVATION_REQUESTED', 'A reservation was requested for this device.')
    : new LicensingError('RESERVED', 'This device works from a reservation and makes no connections.')
}
