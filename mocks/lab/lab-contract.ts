import { z } from 'zod'
import { faultCatalog, type FaultName, isAnswerFault, MAX_DELAY_MS } from '../../src/faults/index.ts'
import { messageTypeSchema } from '../../src/protocol/messages.ts'
import type { PlannedAnswerFault } from '../authority-parts.ts'
import { FaultSchedule, type PlannedConnectionFault } from '../network/fault-schedule.ts'
import { splitFaults } from '../split-faults.ts'

/** Faults of the lab. A client in another program resolves names itself. */
export const LAB_FAULTS = (Object.keys(faultCatalog) as FaultName[]).filter(
  (name) => faultCatalog[name].layer !== 'name',
)
const count = z.int().min(0)
const time = z.string().regex(/^([01]\d|2[0-4]):[0-5]\d$/)
const nameSchema = z.enum(LAB_FAULTS)

/** Schema of a planned fault, of answers or of the network. */
export const plannedFaultSchema = z.strictObject({
  fault: nameSchema,
  on: messageTypeSchema.optional().describe('Type of request, for a fault of answers. Default: every type'),
  probability: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Probability from 0 to 1, for a fault of answers. Default: 1'),
  times: count.optional().describe('Maximum number of occurrences. Default: unlimited'),
  after: count
    .optional()
    .describe('Number of requests or connections before the first occurrence. Default: 0'),
  delay: z
    .int()
    .min(0)
    .max(MAX_DELAY_MS)
    .optional()
    .describe('Milliseconds to wait before the fault, for a fault of answers. Default: 0'),
  daily: z
    .tuple([time, time])
    .optional()
    .describe('Hours of each day (UTC), for a fault of the network. Default: all day'),
})
type PlannedFault = z.infer<typeof plannedFaultSchema>
export const chaosSchema = z.strictObject({
  faults: z
    .array(
      z.union([nameSchema, plannedFaultSchema], {
        error: `each fault must be a name, or a plan with one. The names are ${LAB_FAULTS.join(', ')}`,
      }),
    )
    .max(100),
})
export type Chaos = z.infer<typeof chaosSchema>

export const conditionsSchema = z.strictObject({
  latency: z.number().min(0).max(MAX_DELAY_MS).optional().describe('Milliseconds in each direction'),
  bandwidth: z.number().positive().optional().describe('Bytes per second in each direction'),
  loss: z.number().min(0).max(1).optional().describe('Probability that a connection loses data for good'),
})

export const catalogSchema = z.array(
  z.object({
    name: z.string(),
    place: z.enum(['answer', 'connection', 'proxy']),
    meaning: z.string(),
    code: z
      .string()
      .nullable()
      .describe('Error code that smart-agent reports. Null for a fault that is no failure'),
    decides: z.boolean().describe('True if the license server has processed the request'),
  }),
)

export const requestsSchema = z.object({
  requests: z.array(
    z.object({
      at: z.string(),
      type: z.string(),
      fault: z.string().nullable(),
      status: z.number().nullable().describe('Status of the answer. Null without one'),
    }),
  ),
})
export const tunnelsSchema = z.object({
  tunnels: z.array(
    z.object({
      target: z.string(),
      username: z.string().nullable(),
      status: z.number().nullable(),
      headers: z.record(z.string(), z.unknown()),
    }),
  ),
})
export const tokenSchema = z.object({ token: z.string() })
export const errorSchema = z.object({
  error: z.object({ code: z.string(), message: z.string(), remedy: z.string() }),
})

const ANSWER_OPTIONS = ['on', 'probability', 'delay'] as const
const NETWORK_OPTIONS = ['daily'] as const

/** Refuses options that a fault would ignore. @throws TypeError */
function checkOptions(plan: PlannedFault): void {
  const isOfAnswers = isAnswerFault(plan.fault)
  const ignored = (isOfAnswers ? NETWORK_OPTIONS : ANSWER_OPTIONS).find((key) => plan[key] !== undefined)
  if (ignored !== undefined)
    throw new TypeError(
      `${plan.fault} is a fault of ${isOfAnswers ? 'answers' : 'the network'}, which takes no "${ignored}"`,
    )
}

/** Separates planned faults by where they occur. @throws TypeError for options that do not fit, and for two faults of the network */
export function splitChaos({ faults }: Chaos): ReturnType<typeof splitFaults> {
  const planned = faults.map((fault): PlannedFault => (typeof fault === 'string' ? { fault } : fault))
  planned.forEach(checkOptions)
  const split = splitFaults(planned as (PlannedAnswerFault | PlannedConnectionFault)[])
  // Reports wrong conditions before anything changes.
  if (split.connection) new FaultSchedule(split.connection)
  return split
}
