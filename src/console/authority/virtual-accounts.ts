import type { Authority } from '../../authority/authority.ts'
import { implement } from '../../http/procedures.ts'
import { effectiveScope } from './scope.ts'
import { virtualAccountContract } from './virtual-accounts-contract.ts'

export const createVirtualAccountProcedures = (authority: Authority) =>
  implement(virtualAccountContract, {
    'virtual-accounts': async (wanted, caller) => {
      const where = effectiveScope(wanted, caller)
      const list = await authority.accounts.listVirtualAccounts({ account: where.account })
      return {
        virtualAccounts: list
          .filter(({ name }) => where.virtualAccount === undefined || name === where.virtualAccount)
          .map(({ name, isDefault, satellite, upstream }) => ({
            name,
            isDefault,
            satellite: satellite?.name ?? null,
            upstream,
          })),
      }
    },
    'virtual-account-add': async ({ name, satellite, ...wanted }, caller) => {
      const where = effectiveScope(wanted, caller)
      if (satellite === undefined) await authority.accounts.addVirtualAccount(name, where)
      else await authority.satellites.addVirtualAccount(satellite, name, where)
      return {}
    },
    'virtual-account-remove': async (wanted, caller) => {
      await authority.accounts.removeVirtualAccount(wanted.name, effectiveScope(wanted, caller))
      return {}
    },
    'virtual-account-default': async (wanted, caller) => {
      await authority.accounts.setDefaultVirtualAccount(wanted.name, effectiveScope(wanted, caller))
      return {}
    },
  })
