import { agentSetup } from './agent-actions.ts'

/** Reservation region: licenses that are reserved for this device by codes and files (R-SLR-1…7). */
export const reservation = agentSetup.createStateConfig({
  initial: 'none',
  on: {
    'reservation.discard': {
      actions: ['recordDiscardedFile', { type: 'notify', params: { notice: 'RESERVATION_DISCARDED' } }],
      description: 'an authorization file for a canceled request is returned',
    },
  },
  states: {
    none: {
      description: 'no licenses are reserved for this device',
      meta: { label: 'None' },
      on: {
        'reservation.request': {
          guard: 'isUnregistered',
          target: 'requested',
          actions: [
            'recordReservationRequest',
            { type: 'notify', params: { notice: 'RESERVATION_REQUESTED' } },
          ],
          meta: { label: 'request code created' },
        },
      },
    },
    requested: {
      description: 'a reservation request code was created; its authorization file is not installed yet',
      meta: { label: 'Requested' },
      on: {
        'reservation.cancel': {
          target: 'none',
          actions: [
            'clearReservationRequest',
            { type: 'notify', params: { notice: 'RESERVATION_CANCELED' } },
          ],
          description: 'the request code is no longer valid; the next request has a new code',
          meta: { label: 'canceled' },
        },
        'reservation.install': {
          target: 'installed',
          actions: ['installGrant', { type: 'notify', params: { notice: 'RESERVED_INSTALLED' } }],
          meta: { label: 'file installed' },
        },
      },
    },
    installed: {
      description: 'the device works from an authorization file and makes no connections',
      meta: { label: 'Installed', awaits: ['reservationTerm'] },
      on: {
        'clock.tick': {
          actions: ['notifyTermExpiry', 'markTermsNotified'],
          description: 'the terms of reserved licenses end on their dates; the agent warns before',
        },
        'reservation.update': {
          actions: ['installGrant', { type: 'notify', params: { notice: 'RESERVATION_UPDATED' } }],
          description: 'the quantities changed; a confirmation code was created for the authority',
        },
        'reservation.return-code': {
          target: 'returning',
          actions: ['beginReturn', { type: 'notify', params: { notice: 'RETURN_CODE_CREATED' } }],
          description: 'the reservation ends on the device, and then the return code is shown',
          meta: { label: 'return begins' },
        },
      },
    },
    returning: {
      description: 'the return code was created; its licenses are no longer reserved',
      meta: { label: 'Being returned' },
      on: {
        'reservation.return': {
          target: 'none',
          actions: ['completeReturn', { type: 'notify', params: { notice: 'RESERVATION_RETURNED' } }],
          meta: { label: 'returned' },
        },
      },
    },
  },
})
