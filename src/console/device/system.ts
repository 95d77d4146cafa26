import type { SmartAgent } from '../../index.ts'
import { implement } from '../../http/procedures.ts'
import { systemContract } from './system-contract.ts'

export const createSystemProcedures = (agent: SmartAgent) =>
  implement(systemContract, {
    system: () => agent.module.system.show(),
    'system-size': ({ size }) => agent.module.system.resize(size),
    'system-extend': () => agent.module.system.extend(),
    'system-reduce': () => agent.module.system.reduce(),
    'system-join': ({ dataCenter }) => agent.module.system.join(dataCenter),
    'system-leave': ({ dataCenter }) => agent.module.system.leave(dataCenter),
  })
