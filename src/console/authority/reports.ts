import type { Authority } from '../../authority/authority.ts'
import { toCsv } from '../../authority/reports/reports.ts'
import { implement } from '../../http/procedures.ts'
import { reportContract } from './reports-contract.ts'
import { effectiveScope } from './scope.ts'

export const createReportProcedures = (authority: Authority) =>
  implement(reportContract, {
    report: ({ kind, ...wanted }, caller) =>
      authority.operations.reports.create(kind, effectiveScope(wanted, caller)),
    'report-csv': async ({ kind, ...wanted }, caller) => ({
      csv: toCsv(await authority.operations.reports.create(kind, effectiveScope(wanted, caller))),
    }),
  })
