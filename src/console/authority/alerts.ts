import type { Authority } from '../../authority/authority.ts'
import { implement } from '../../http/procedures.ts'
import { alertContract } from './alerts-contract.ts'
import { effectiveScope } from './scope.ts'

const GLOBAL_ALERT_TYPES: readonly string[] = ['order-without-account', 'mail-not-sent']

export const createAlertProcedures = (authority: Authority) =>
  implement(alertContract, {
    alerts: async ({ skip, limit, ...wanted }, caller) => {
      const where = effectiveScope(wanted, caller)
      const { alerts, counts } = await authority.operations.alerts.page(
        where,
        {
          isWanted: ({ type, severity, virtualAccount }) =>
            (caller.account === null || !GLOBAL_ALERT_TYPES.includes(type)) &&
            (where.virtualAccount !== undefined || severity !== 'informational' || virtualAccount === null),
        },
        { skip, limit },
      )
      return { alerts, total: counts.major + counts.minor + counts.informational, counts }
    },
  })
