import type { SmartAgent } from '../../index.ts'
import { implement } from '../../http/procedures.ts'
import { usageContract } from './usage-contract.ts'

export const createUsageProcedures = (agent: SmartAgent) =>
  implement(usageContract, {
    usage: (wanted) => ({ usage: agent.usage.periods(wanted) }),
  })
