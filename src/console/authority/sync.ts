import type { Authority } from '../../authority/authority.ts'
import { assertGlobalAdmin, implement } from '../../http/procedures.ts'
import { syncContract } from './sync-contract.ts'

export const createSyncProcedures = ({ satellites, sync }: Authority) =>
  implement(syncContract, {
    'sync-respond': ({ file }, caller) => {
      assertGlobalAdmin(caller)
      return satellites.respond(file)
    },
    sync: async (_, { role }) => {
      const status = await sync.status()
      const { manager } = status
      return role === 'administrator' || manager === null
        ? status
        : { ...status, manager: { ...manager, username: null } }
    },
    'sync-now': (_, caller) => {
      assertGlobalAdmin(caller)
      return sync.run()
    },
    'sync-export': ({ redactedFields }, caller) => {
      assertGlobalAdmin(caller)
      return sync.export(redactedFields ? { redactedFields } : {})
    },
    'sync-root': async ({ file }, caller) => {
      assertGlobalAdmin(caller)
      return { fingerprint: await sync.getUntrustedRootFingerprint(file) }
    },
    'sync-import': ({ file, fingerprint }, caller) => {
      assertGlobalAdmin(caller)
      return sync.import(file, fingerprint === undefined ? null : { fingerprint })
    },
  })
