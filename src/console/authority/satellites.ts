import type { Authority } from '../../authority/authority.ts'
import { implement } from '../../http/procedures.ts'
import { satelliteContract } from './satellites-contract.ts'
import { assertAccountWide, effectiveScope } from './scope.ts'

/** Drops the members that are undefined. */
const dropUndefined = <T extends object>(terms: T): { [K in keyof T]?: NonNullable<T[K]> } =>
  Object.fromEntries(Object.entries(terms).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>
  }

export const createSatelliteProcedures = ({ satellites }: Authority) =>
  implement(satelliteContract, {
    satellites: async (wanted, caller) => {
      assertAccountWide(caller)
      return { satellites: await satellites.list(effectiveScope(wanted, caller)) }
    },
    'satellite-add': ({ name, virtualAccount, terms, tlsNames, account }, caller) =>
      satellites.add(name, {
        ...effectiveScope({ account }, caller),
        virtualAccount,
        terms: dropUndefined(terms),
        tlsNames: tlsNames ?? null,
      }),
    'satellite-code': (wanted, caller) =>
      satellites.createEnrollmentCode(wanted.name, effectiveScope(wanted, caller)),
    'satellite-set': ({ name, terms, tlsNames, ...wanted }, caller) =>
      satellites.configure(
        name,
        { ...dropUndefined(terms), ...(tlsNames !== undefined && { tlsNames }) },
        effectiveScope(wanted, caller),
      ),
    'satellite-remove': (wanted, caller) => satellites.remove(wanted.name, effectiveScope(wanted, caller)),
  })
