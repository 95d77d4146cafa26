import type { Authority } from '../../authority/authority.ts'
import { assertGlobalAdmin, implement } from '../../http/procedures.ts'
import { mailContract } from './mail-contract.ts'

export const createMailProcedures = (authority: Authority) =>
  implement(mailContract, {
    mail: (_, caller) => {
      assertGlobalAdmin(caller)
      return authority.operations.mail.show()
    },
    'mail-set': async (settings, caller) => {
      assertGlobalAdmin(caller)
      await authority.operations.mail.configure(settings, { createsFolder: false })
      return authority.operations.mail.show()
    },
  })
