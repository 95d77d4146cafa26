import type { SmartAgent } from '../../index.ts'
import type { Procedures } from '../../http/procedures.ts'
import { connectionProcedures } from './connection.ts'
import { hostProcedures } from './hosts.ts'
import { registrationProcedures } from './registration.ts'
import { reservationProcedures } from './reservation.ts'
import { statusProcedures } from './status.ts'
import { systemProcedures } from './system.ts'
import { usageProcedures } from './usage.ts'

/** Returns the procedures of a device's console. */
export const deviceProcedures = (agent: SmartAgent): Procedures => ({
  ...statusProcedures(agent),
  ...connectionProcedures(agent),
  ...registrationProcedures(agent),
  ...reservationProcedures(agent),
  ...hostProcedures(agent),
  ...systemProcedures(agent),
  ...usageProcedures(agent),
})
