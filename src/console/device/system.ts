import type { SmartAgent } from '../../agent/agent.ts'
import { implement } from '../../http/procedures.ts'
import { systemContract } from './system-contract.ts'

export const systemProcedures = ({ system }: SmartAgent) =>
  implement(systemContract, {
    system: () => system.show(),
    'system-size': ({ size }) => system.resize(size),
    'system-extend': () => system.extend(),
    'system-reduce': () => system.reduce(),
    'system-join': ({ dataCenter }) => system.join(dataCenter),
    'system-leave': ({ dataCenter }) => system.leave(dataCenter),
  })
