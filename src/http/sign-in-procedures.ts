import type { AuthService } from './auth-service.ts'
import { assertGlobalAdmin, implement } from './procedures.ts'
import { accessContract } from './sign-in-contract.ts'

/** Returns the procedures that every console has. */
export const createAccessProcedures = (auth: AuthService) =>
  implement(accessContract, {
    'sign-out': async (_, { session }) => {
      await auth.sessions.end(session)
      return {}
    },
    me: (_, { name }) => auth.getProfile(name),
    'change-password': (input, caller) => auth.changePassword(input, caller),
    users: async (_, caller) => {
      assertGlobalAdmin(caller)
      return { users: await auth.list() }
    },
    'user-add': (input, caller) => {
      assertGlobalAdmin(caller)
      return auth.add(input)
    },
    'user-reset': ({ name }, caller) => {
      assertGlobalAdmin(caller)
      return auth.reset(name)
    },
    'user-remove': async ({ name }, caller) => {
      assertGlobalAdmin(caller)
      await auth.remove(name)
      return {}
    },
    audit: async ({ limit }, caller) => {
      assertGlobalAdmin(caller)
      return { audit: await auth.listAuditEntries(limit) }
    },
  })
