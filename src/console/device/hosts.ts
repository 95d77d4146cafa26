import type { SmartAgent } from '../../index.ts'
import { implement } from '../../http/procedures.ts'
import { hostContract } from './hosts-contract.ts'

export const createHostProcedures = (agent: SmartAgent) =>
  implement(hostContract, {
    hosts: ({ limit, ...wanted }) => {
      const found = agent.module.hosts.list({ ...wanted, limit: limit + 1 })
      return { hosts: found.slice(0, limit), more: found.length > limit }
    },
    'host-assign': ({ user }) => agent.module.hosts.assign(user),
    'host-deactivate': ({ user }) => agent.module.hosts.deactivate(user),
    'host-activate': ({ user }) => agent.module.hosts.activate(user),
    'host-attendee-only': ({ user, attendeeOnly }) => agent.module.hosts.setAttendeeOnly(user, attendeeOnly),
  })
