import type { SmartAgent } from '../../agent/agent.ts'
import type { Conferencing, ConferencingStatus } from '../../conferencing/index.ts'
import { LicensingError } from '../../core/errors.ts'

/** Agent of the device that a console shows. Only a conferencing product has hosts and a deployment. */
export type DeviceAgent = SmartAgent<Conferencing, ConferencingStatus>

/** Status document of the device. */
export type DeviceStatus = ReturnType<DeviceAgent['status']>

const isConferencing = (module: unknown): module is Conferencing =>
  typeof module === 'object' && module !== null && 'hosts' in module && 'system' in module

/** Returns the conferencing module. @throws LicensingError MODULE_UNAVAILABLE for any other product */
export function requireConferencing(agent: DeviceAgent): Conferencing {
  const module: unknown = agent.module
  if (isConferencing(module)) return module
  throw new LicensingError('MODULE_UNAVAILABLE', 'The product of this device has no hosts and no deployment.')
}
