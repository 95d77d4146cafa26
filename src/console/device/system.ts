import { type DeviceAgent, requireConferencing } from './device-agent.ts'
import { implement } from '../../http/procedures.ts'
import { systemContract } from './system-contract.ts'

export const createSystemProcedures = (agent: DeviceAgent) =>
  implement(systemContract, {
    system: () => requireConferencing(agent).system.show(),
    'system-size': ({ size }) => requireConferencing(agent).system.resize(size),
    'system-extend': () => requireConferencing(agent).system.extend(),
    'system-reduce': () => requireConferencing(agent).system.reduce(),
    'system-join': ({ dataCenter }) => requireConferencing(agent).system.join(dataCenter),
    'system-leave': ({ dataCenter }) => requireConferencing(agent).system.leave(dataCenter),
  })
