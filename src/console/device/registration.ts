import type { DeviceAgent } from './device-agent.ts'
import { implement } from '../../http/procedures.ts'
import { registrationContract } from './registration-contract.ts'

export const createRegistrationProcedures = (agent: DeviceAgent) =>
  implement(registrationContract, {
    register: ({ token, force }) => agent.register(token, { force }),
    reregister: ({ token, force }) => agent.reregister(token, { force }),
    deregister: () => agent.deregister(),
    'renew-registration': () => agent.renewRegistration(),
    'renew-authorization': () => agent.renewAuthorization(),
  })
