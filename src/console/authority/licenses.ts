import type { Authority } from '../../authority/authority.ts'
import { JsonStream, streamList } from '../../http/json-stream.ts'
import { implement } from '../../http/procedures.ts'
import { licenseContract } from './licenses-contract.ts'
import { assertAccountWide, effectiveScope, inScope } from './scope.ts'

export const createLicenseProcedures = (authority: Authority) =>
  implement(licenseContract, {
    licenses: async (wanted, caller) => {
      const where = effectiveScope(wanted, caller)
      return { licenses: (await authority.licenses.list({ account: where.account })).filter(inScope(where)) }
    },
    'license-transactions': async ({ tag, ...wanted }, caller) => {
      const lots = await authority.licenses.listTransactions({ ...effectiveScope(wanted, caller), tag })
      return new JsonStream({
        transactions: streamList(lots, ({ id: _, ...lot }) => ({
          ...lot,
          // The caller may have no access to the source.
          source: caller.virtualAccount === null ? lot.source : lot.source.replace(/ from .*/s, ''),
        })),
      })
    },
    'license-transfer': (wanted, caller) => {
      assertAccountWide(caller)
      return authority.licenses.transfer({ ...wanted, ...effectiveScope(wanted, caller) })
    },
  })
