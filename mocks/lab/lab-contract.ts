import { z } from 'zod'
import {
  faultCatalog,
  type FaultName,
  isAnswerFault,
  isConnectionFault,
  isFault,
  MAX_DELAY_MS,
} from '../../src/faults/index.ts'
import { messageTypeSchema } from '../../src/protocol/messages.ts'
import type { PlannedAnswerFault } from '../authority-parts.ts'
import type { PlannedConnectionFault } from '../network/fault-schedule.ts'

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
  /** Type of request, for faults of answers. Default: every type */
  on: messageTypeSchema.optional(),
  probability: z.number().min(0).max(1).optional(),
  times: count.optional(),
  after: count.optional(),
  /** Milliseconds to wait before the fault, for faults of answers. */
  delay: z.int().min(0).max(MAX_DELAY_MS).optional(),
  /** Hours of each day (UTC), for faults of the network. */
  daily: z.tuple([time, time]).optional(),
})
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
  /** Milliseconds in each direction. */
  latency: z.number().min(0).max(MAX_DELAY_MS).optional(),
  /** Bytes per second in each direction. */
  bandwidth: z.number().positive().optional(),
  /** Probability that a connection loses data for good. */
  loss: z.number().min(0).max(1).optional(),
})

export const catalogSchema = z.array(
  z.object({
    name: z.string(),
    place: z.enum(['answer', 'connection', 'proxy']),
    meaning: z.string(),
    /** Error code that an agent of this project reports. Null for a fault that is no failure. */
    code: z.string().nullable(),
    /** True if the license server has processed the request. */
    decides: z.boolean(),
  }),
)

export const requestsSchema = z.object({
  requests: z.array(
    z.object({
      at: z.string(),
      type: z.string(),
      fault: z.string().nullable(),
      /** Null without an answer. */
      status: z.number().nullable(),
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

/** Separates planned faults by where they occur. @throws TypeError for two faults of the network */
export function splitChaos({ faults }: Chaos): {
  answers: PlannedAnswerFault[]
  network: PlannedConnectionFault | null
} {
  const planned = faults.map((fault) => (typeof fault === 'string' ? { fault } : fault))
  const answers = planned.flatMap(({ daily: _, ...plan }) =>
    isFault(plan.fault) && isAnswerFault(plan.fault) ? [{ ...plan, fault: plan.fault }] : [],
  )
  const [network = null, second] = planned.flatMap(
    ({ fault, times, after, daily }): PlannedConnectionFault[] =>
      isConnectionFault(fault)
        ? [
            {
              fault,
              ...(times !== undefined && { times }),
              ...(after !== undefined && { after }),
              ...(daily && { daily }),
            },
          ]
        : [],
  )
  if (second) throw new TypeError(`${network?.fault ?? ''} and ${second.fault} cannot occur together`)
  return { answers, network }
}
