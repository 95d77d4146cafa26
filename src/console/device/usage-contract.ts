import { z } from 'zod'
import { query } from '../../http/procedures.ts'

const usageSchema = z.object({
  usage: z.array(z.object({ tag: z.string(), from: z.string(), peak: z.number(), mean: z.number() })),
})

export const usageContract = {
  usage: query({
    access: 'viewer',
    summary: 'Returns the peak and mean usage of every tag, by hour or by day, oldest first.',
    schema: {
      querystring: z.object({
        by: z.enum(['hour', 'day']).default('day'),
        last: z.coerce.number().int().min(1).max(1000).default(30),
      }),
      response: usageSchema,
    },
  }),
}
