import { z } from 'zod'
import { failureSchema } from '../../../machines/agent-context.ts'
import { query } from '../../http/procedures.ts'
import { emptySchema } from '../../http/sign-in-schemas.ts'
import { statusSchema } from './schemas.ts'
import { chartLayoutSchema } from './chart-layout-schema.ts'

export const explanationSchema = z.object({
  state: statusSchema.shape.state,
  meaning: z.array(z.string()).readonly(),
  cause: z
    .object({
      at: z.string(),
      event: z.string(),
      label: z.string(),
      from: z.string(),
      fact: z.string().nullable(),
    })
    .nullable(),
  problems: z.array(failureSchema.extend({ at: z.string().nullable() })).readonly(),
  capabilities: z.object({ functionality: statusSchema.shape.functionality, reason: z.string().nullable() }),
  next: z.array(z.object({ at: z.string(), label: z.string(), what: z.string() })).readonly(),
  wouldChange: z
    .array(
      z.object({
        event: z.string(),
        label: z.string(),
        guard: z.string().nullable(),
        code: z.string().nullable(),
        state: statusSchema.shape.state,
        at: z.string().nullable(),
        effect: z.string(),
      }),
    )
    .readonly(),
})
export const statusContract = {
  status: query({
    access: 'viewer',
    summary: 'Returns the Status document.',
    schema: { querystring: emptySchema, response: statusSchema },
  }),
  explain: query({
    access: 'viewer',
    summary: 'Explains the state of the device, the next steps, and the actions that change it.',
    schema: { querystring: emptySchema, response: explanationSchema },
  }),
  chart: query({
    access: 'viewer',
    summary: 'Returns the statechart, laid out for drawing.',
    schema: { querystring: emptySchema, response: chartLayoutSchema },
  }),
  support: query({
    access: 'administrator',
    summary: 'Returns a support bundle for troubleshooting, without secrets.',
    schema: { querystring: emptySchema, response: z.record(z.string(), z.unknown()) },
  }),
}
