import { z } from 'zod'
import { query } from '../../http/procedures.ts'
import { count, instant, virtualAccountInput } from './schemas.ts'

const alertSchema = z.object({
  severity: z.enum(['major', 'minor', 'informational']),
  type: z.string(),
  message: z.string(),
  source: z.string(),
  virtualAccount: z.string().nullable(),
  instanceId: z.string().nullable(),
  satellite: z.string().nullable(),
  actionDue: instant,
  actions: z.array(z.string()).readonly(),
})

export const alertContract = {
  alerts: query({
    access: 'viewer',
    summary:
      'Returns a page of the alerts, the most severe first. Informational alerts of a virtual account are returned for that account only.',
    schema: {
      querystring: virtualAccountInput.extend({
        skip: z.coerce.number().int().min(0).default(0),
        limit: z.coerce.number().int().min(1).max(1000).default(100),
      }),
      response: z.object({
        alerts: z.array(alertSchema).readonly(),
        total: count,
        counts: z.object({ major: count, minor: count, informational: count }),
      }),
    },
  }),
}
