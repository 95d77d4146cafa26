import type { Authority } from '../../authority/authority.ts'
import { JsonStream, streamList } from '../../http/json-stream.ts'
import { assertGlobalAdmin, implement } from '../../http/procedures.ts'
import { orderContract } from './orders-contract.ts'
import { effectiveScope, inScope } from './scope.ts'

export const createOrderProcedures = (authority: Authority) =>
  implement(orderContract, {
    orders: async (wanted, caller) => {
      const where = effectiveScope(wanted, caller)
      const orders = (await authority.orders.list({ account: where.account })).filter(inScope(where))
      // An order that waits for a smart account belongs to no account yet.
      const shown = orders.filter((one) => caller.account === null || one.virtualAccount !== null)
      return new JsonStream({ orders: streamList(shown, (order) => order) })
    },
    'order-place': (wanted, caller) =>
      authority.orders.create({ ...wanted, ...effectiveScope(wanted, caller) }),
    'order-assign': (wanted, caller) => {
      assertGlobalAdmin(caller)
      return authority.orders.assign(wanted.id, effectiveScope(wanted, caller))
    },
  })
