import type { SmartAgent } from '../../agent/agent.ts'
import { implement } from '../../http/procedures.ts'
import { hostContract } from './hosts-contract.ts'

export const hostProcedures = ({ hosts }: SmartAgent) =>
  implement(hostContract, {
    hosts: ({ limit, ...wanted }) => {
      const found = hosts.list({ ...wanted, limit: limit + 1 })
      return { hosts: found.slice(0, limit), more: found.length > limit }
    },
    'host-assign': ({ user }) => hosts.assign(user),
    'host-deactivate': ({ user }) => hosts.deactivate(user),
    'host-activate': ({ user }) => hosts.activate(user),
    'host-attendee-only': ({ user, attendeeOnly }) => hosts.setAttendeeOnly(user, attendeeOnly),
  })
