import { z } from 'zod'
import { failureSchema } from '../../../machines/agent-context.ts'
import { query } from '../../http/procedures.ts'
import { emptySchema } from '../../http/sign-in-schemas.ts'
import { count, statusSchema } from './schemas.ts'
import { chartLayoutSchema } from './chart-layout-schema.ts'

const explanationSchema = z.object({
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
    .array(z.object({ event: z.string(), state: statusSchema.shape.state, effect: z.string() }))
    .readonly(),
})
const positionSchema = z.record(z.string(), z.unknown())
/** Schema of a transition of the state machine, with its cause. */
const transitionSchema = z.object({
  id: count,
  at: z.string(),
  event: z.string(),
  inWords: z.string(),
  before: positionSchema,
  after: positionSchema,
  notices: z.array(z.object({ notice: z.string(), message: z.string(), severity: z.number() })),
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
  history: query({
    access: 'viewer',
    summary: 'Returns the newest transitions of the state machine with their causes, oldest first.',
    schema: {
      querystring: z.object({
        limit: z.coerce.number().int().min(1).max(5000).default(200),
        after: z.coerce.number().int().min(0).default(0),
      }),
      response: z.object({ history: z.array(transitionSchema) }),
    },
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
