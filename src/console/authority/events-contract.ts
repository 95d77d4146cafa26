import { z } from 'zod'
import { query } from '../../http/procedures.ts'
import { count, virtualAccountInput } from './schemas.ts'

const eventSchema = z.object({
  id: count,
  at: z.string(),
  type: z.string(),
  severity: z.enum(['info', 'minor', 'major']),
  virtualAccount: z.string().nullable(),
  instanceId: z.string().nullable(),
  message: z.string(),
  /** Name of the actor; null for scheduled work and for requests of devices and satellites. */
  who: z.string().nullable(),
})
const eventFilter = virtualAccountInput.extend({
  instanceId: z.string().max(200).optional(),
  severity: z.enum(['info', 'minor', 'major']).optional(),
})

export const eventContract = {
  events: query({
    access: 'viewer',
    summary: 'Returns the newest entries of the event log, oldest first.',
    schema: {
      querystring: eventFilter.extend({
        before: z.coerce.number().int().min(1).optional(),
        limit: z.coerce.number().int().min(1).max(1000).default(200),
      }),
      response: z.object({ events: z.array(eventSchema) }),
    },
  }),
  'events-csv': query({
    access: 'viewer',
    summary: 'Returns the event log as CSV: the newest 10,000 entries, oldest first.',
    schema: { querystring: eventFilter, response: z.object({ csv: z.string() }) },
  }),
}
