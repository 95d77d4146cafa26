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
  /** The user; null for what time, a device or a satellite caused. */
  who: z.string().nullable(),
})
const eventFilter = virtualAccountInput.extend({
  instanceId: z.string().max(200).optional(),
  severity: z.enum(['info', 'minor', 'major']).optional(),
})

export const eventContract = {
  events: query({
    access: 'viewer',
    summary: 'The event log: the newest, oldest first.',
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
    summary: 'The event log as CSV: the newest ten thousand entries, oldest first.',
    schema: { querystring: eventFilter, response: z.object({ csv: z.string() }) },
  }),
}
