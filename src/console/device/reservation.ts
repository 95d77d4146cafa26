import type { DeviceAgent } from './device-agent.ts'
import { implement } from '../../http/procedures.ts'
import { reservationContract } from './reservation-contract.ts'

export const createReservationProcedures = ({ reservation }: DeviceAgent) =>
  implement(reservationContract, {
    'reservation-request': async () => ({
      requestCode: await reservation.request(),
    }),
    'reservation-cancel': async () => ({
      canceled: await reservation.cancel(),
    }),
    'reservation-install': ({ file }) => reservation.install(file),
    'reservation-update': ({ file }) => reservation.update(file),
    'reservation-return-code': async () => ({
      returnCode: await reservation.returnCode(),
    }),
    'reservation-return': () => reservation.return(),
    'reservation-discard': ({ file }) => reservation.discard(file),
  })
