import type { DeviceAgent } from './device-agent.ts'
import type { Procedures } from '../../http/procedures.ts'
import { createConnectionProcedures } from './connection.ts'
import { createHostProcedures } from './hosts.ts'
import { createInspectionProcedures } from './inspection.ts'
import { createRegistrationProcedures } from './registration.ts'
import { createReservationProcedures } from './reservation.ts'
import { createStatusProcedures } from './status.ts'
import { createSystemProcedures } from './system.ts'
import { createUsageProcedures } from './usage.ts'

/** Returns the procedures of a device's console. */
export const createDeviceProcedures = (agent: DeviceAgent): Procedures => ({
  ...createStatusProcedures(agent),
  ...createInspectionProcedures(agent),
  ...createConnectionProcedures(agent),
  ...createRegistrationProcedures(agent),
  ...createReservationProcedures(agent),
  ...createHostProcedures(agent),
  ...createSystemProcedures(agent),
  ...createUsageProcedures(agent),
})
