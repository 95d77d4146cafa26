import type { Authority } from '../../authority/authority.ts'
import { implement } from '../../http/procedures.ts'
import { getAccessibleInstance } from './instances.ts'
import { reservationContract } from './reservations-contract.ts'
import { effectiveScope } from './scope.ts'

export const createReservationProcedures = (authority: Authority) =>
  implement(reservationContract, {
    'reservation-enable': async (wanted, caller) => {
      await authority.reservations.enable(effectiveScope(wanted, caller))
      return {}
    },
    reserve: ({ request, licenses, ...wanted }, caller) =>
      authority.reservations.reserve({ ...effectiveScope(wanted, caller), request, licenses }),
    'reservation-update': async (wanted, caller) => {
      const { where } = await getAccessibleInstance(authority, wanted, caller)
      return authority.reservations.update(wanted.id, wanted.licenses, where)
    },
    'reservation-confirm': async (wanted, caller) => {
      const { where } = await getAccessibleInstance(authority, wanted, caller)
      return authority.reservations.confirm(wanted.id, wanted.code, where)
    },
    'reservation-file': async (wanted, caller) => {
      const { where } = await getAccessibleInstance(authority, wanted, caller)
      return authority.reservations.get(wanted.id, where)
    },
  })
