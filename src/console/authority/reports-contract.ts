import { z } from 'zod'
import { query } from '../../http/procedures.ts'
import { virtualAccountInput } from './schemas.ts'

const reportSchema = z.object({
  kind: z.enum(['licenses', 'instances', 'usage']),
  generatedAt: z.string(),
  columns: z.array(z.object({ key: z.string(), title: z.string() })).readonly(),
  rows: z.array(z.record(z.string(), z.union([z.string(), z.number(), z.null()]))).readonly(),
})

export const reportContract = {
  report: query({
    access: 'viewer',
    summary: 'Returns a report as a table: its first `limit` rows, or all.',
    schema: {
      querystring: virtualAccountInput.extend({
        kind: reportSchema.shape.kind,
        limit: z.coerce.number().int().min(1).max(10_000).optional(),
      }),
      response: reportSchema,
    },
  }),
  'report-csv': query({
    access: 'viewer',
    summary: 'Returns a report as CSV.',
    schema: {
      querystring: virtualAccountInput.extend({ kind: reportSchema.shape.kind }),
      response: z.object({ csv: z.string() }),
    },
  }),
}
