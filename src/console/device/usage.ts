import type { DeviceAgent } from './device-agent.ts'
import { implement } from '../../http/procedures.ts'
import { usageContract } from './usage-contract.ts'

export const createUsageProcedures = (agent: DeviceAgent) =>
  implement(usageContract, {
    usage: (wanted) => ({ usage: agent.usage.periods(wanted) }),
  })
