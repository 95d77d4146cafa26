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
/** One transition of the chart, with its cause. */
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
    summary: 'The Status document.',
    schema: { querystring: emptySchema, response: statusSchema },
  }),
  explain: query({
    access: 'viewer',
    summary: 'Why the device is in its state, what comes next, and what would change it.',
    schema: { querystring: emptySchema, response: explanationSchema },
  }),
  history: query({
    access: 'viewer',
    summary: 'Past transitions of the statechart, each with its cause: the newest, oldest first.',
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
    summary: 'The statechart that runs, laid out for drawing.',
    schema: { querystring: emptySchema, response: chartLayoutSchema },
  }),
  support: query({
    access: 'administrator',
    summary: 'Everything that helps to see what is wrong, without secrets.',
    schema: { querystring: emptySchema, response: z.record(z.string(), z.unknown()) },
  }),
}
