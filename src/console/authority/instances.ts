import type { Authority } from '../../authority/authority.ts'
import type { InstanceDocument } from '../../authority/inventory/instances.ts'
import { notFoundError } from '../../core/errors.ts'
import { JsonStream, streamList } from '../../http/json-stream.ts'
import { type Caller, implement } from '../../http/procedures.ts'
import { instanceContract } from './instances-contract.ts'
import { assertAccountWide, effectiveScope } from './scope.ts'

/** Returns an instance that the caller has access to, and its account. @throws LicensingError NOT_FOUND, PERMISSION_DENIED */
export async function getAccessibleInstance(
  authority: Authority,
  requested: { account?: string | undefined; id: string },
  caller: Caller,
) {
  const { account } = effectiveScope(requested, caller)
  const instance = await authority.instances.get(requested.id, { account })
  // An instance without access is reported as missing.
  if (caller.virtualAccount !== null && instance.virtualAccount !== caller.virtualAccount)
    throw notFoundError(
      'product-instance',
      `${account ?? 'The smart account'} has no product instance ${JSON.stringify(requested.id)}.`,
    )
  return { instance, where: { account } }
}

/** Returns an instance without the field that the contract of the page does not have. */
const toListedInstance = ({ inReview: _, ...listed }: InstanceDocument) => listed

export const createInstanceProcedures = (authority: Authority) =>
  implement(instanceContract, {
    instances: async ({ search, skip, limit, ...wanted }, caller) => {
      const { account, virtualAccount } = effectiveScope(wanted, caller)
      const { instances, total } = await authority.instances.page(
        { account },
        {
          ...(virtualAccount !== undefined && { virtualAccounts: [virtualAccount] }),
          search: { text: search, in: 'fields' },
        },
        { skip, limit },
      )
      return new JsonStream({ instances: streamList(instances, toListedInstance), total })
    },
    instance: async (wanted, caller) => (await getAccessibleInstance(authority, wanted, caller)).instance,
    'instance-transfer': async (wanted, caller) => {
      assertAccountWide(caller)
      const { where } = await getAccessibleInstance(authority, wanted, caller)
      const { to, preview, confirmed } = wanted
      return authority.instances.transfer(wanted.id, { ...where, to, preview, confirmed })
    },
    'instance-remove': async ({ returnCode, ...wanted }, caller) => {
      const { where } = await getAccessibleInstance(authority, wanted, caller)
      if (returnCode === undefined) await authority.instances.remove(wanted.id, where)
      else await authority.reservations.acceptReturnCode(wanted.id, returnCode, where)
      return {}
    },
    'instance-write-off': async ({ reason, ...wanted }, caller) => {
      const { where } = await getAccessibleInstance(authority, wanted, caller)
      await authority.reservations.writeOff(wanted.id, { reason, by: caller.name }, where)
      return {}
    },
  })
