import type { AgentSnapshot } from '../../machines/index.ts'
import { LicensingError } from '../core/errors.ts'

/** Returns why a device with a reservation, or with a request for one, does not ask its authority; null without either. */
export function toReservationRefusal({ context }: AgentSnapshot): LicensingError | null {
  const { current } = context.reservation
  if (current === null) return null
  return current.stage === 'requested'
    ? new LicensingError('RESERVATION_REQUESTED', 'A reservation was requested for this box.')
    : new LicensingError('RESERVED', 'This box works from a reservation: it never asks its authority.')
}
