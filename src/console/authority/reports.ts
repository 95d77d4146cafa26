import type { Authority } from '../../authority/authority.ts'
import { formatReportCsv } from '../../authority/reports/reports.ts'
import { takeItems } from '../../core/take-items.ts'
import { JsonStream, StreamedList, StreamedText } from '../../http/json-stream.ts'
import { implement } from '../../http/procedures.ts'
import { reportContract } from './reports-contract.ts'
import { effectiveScope } from './scope.ts'

export const createReportProcedures = (authority: Authority) =>
  implement(reportContract, {
    report: async ({ kind, limit, ...wanted }, caller) => {
      const report = await authority.operations.reports.open(kind, effectiveScope(wanted, caller))
      return new JsonStream({ ...report, rows: new StreamedList(takeItems(report.rows, limit)) })
    },
    'report-csv': async ({ kind, ...wanted }, caller) => {
      const report = await authority.operations.reports.open(kind, effectiveScope(wanted, caller))
      return new JsonStream({ csv: new StreamedText(formatReportCsv(report)) })
    },
  })
