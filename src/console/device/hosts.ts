import { type DeviceAgent, requireConferencing } from './device-agent.ts'
import { implement } from '../../http/procedures.ts'
import { hostContract } from './hosts-contract.ts'

export const createHostProcedures = (agent: DeviceAgent) =>
  implement(hostContract, {
    hosts: ({ limit, ...wanted }) => {
      const found = requireConferencing(agent).hosts.list({ ...wanted, limit: limit + 1 })
      return { hosts: found.slice(0, limit), more: found.length > limit }
    },
    'host-assign': ({ user }) => requireConferencing(agent).hosts.assign(user),
    'host-deactivate': ({ user }) => requireConferencing(agent).hosts.deactivate(user),
    'host-activate': ({ user }) => requireConferencing(agent).hosts.activate(user),
    'host-attendee-only': ({ user, attendeeOnly }) =>
      requireConferencing(agent).hosts.setAttendeeOnly(user, attendeeOnly),
  })
