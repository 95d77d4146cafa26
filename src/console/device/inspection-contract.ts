import { z } from 'zod'
import { contextSchema } from '../../../machines/agent-context.ts'
import { CONNECTION_STATES, LICENSE_STATES, RESERVATION_STATES } from '../../../machines/state-names.ts'
import { query } from '../../http/procedures.ts'
import { emptySchema } from '../../http/sign-in-schemas.ts'
import { count } from './schemas.ts'

/** Schema of a region's value, written out to the depth of the machine: OpenAPI documents here have no recursion. */
const stateNameSchema = z.string()
const innerSchema = z.union([stateNameSchema, z.record(z.string(), stateNameSchema)])
const regionSchema = z.union([stateNameSchema, z.record(z.string(), innerSchema)])
/** Schema of a snapshot of the machine. Codes are replaced by an empty text. */
export const snapshotSchema = z.object({
  value: z.object({
    license: regionSchema,
    registration: regionSchema,
    reservation: z.enum(RESERVATION_STATES),
    connection: z.enum(CONNECTION_STATES),
  }),
  context: contextSchema,
})

/** Schema of the states before or after a transition: the license state, and the path of each region's state. */
export const statePathsSchema = z.object({
  state: z.enum(LICENSE_STATES),
  license: z.string(),
  registration: z.string(),
  reservation: z.enum(RESERVATION_STATES),
  connection: z.enum(CONNECTION_STATES),
})
export const noticeSchema = z.object({ notice: z.string(), message: z.string(), severity: z.number() })

/** Schema of a transition of the state machine, with its cause and everything that followed. */
export const transitionSchema = z.object({
  id: count,
  at: z.string(),
  event: z.string(),
  /** Description of the event for people. */
  inWords: z.string(),
  /** Payload of the event, without secrets. */
  payload: z.record(z.string(), z.unknown()),
  before: statePathsSchema,
  after: statePathsSchema,
  notices: z.array(noticeSchema),
  /** Commands that the runtime received, such as `request authorize`. */
  commands: z.array(z.string()),
  /** Changed fields of the context, by path, such as `authorization.deadlineAt`. */
  changes: z.array(z.object({ path: z.string(), before: z.unknown(), after: z.unknown() })),
  /** Seconds of the evaluation that remained after the event. */
  evaluationSeconds: count,
})

/** Schema of a change of the license state, with counts of the events since the change before. */
const stateChangeSchema = z.object({
  id: count,
  at: z.string(),
  event: z.string(),
  inWords: z.string(),
  from: z.enum(LICENSE_STATES),
  to: z.enum(LICENSE_STATES),
  /** True from this change on while all features may be used. */
  full: z.boolean(),
  notices: z.array(noticeSchema),
  since: z.object({ events: count, answered: count, unanswered: count }),
})

/** Schema of one step of an exchange. The times are milliseconds since the exchange began. */
const exchangeStepSchema = z.object({
  step: z.enum(['name', 'connect', 'proxy', 'tls', 'request', 'answer']),
  startedAt: z.number(),
  /** Duration in milliseconds. */
  duration: z.number(),
  outcome: z.enum(['ok', 'failed', 'not-tried', 'not-needed']),
  /** Result of the step, such as an address or a certificate. Null without details. */
  found: z.string().nullable(),
})
const exchangeSchema = z.object({
  id: count,
  at: z.string(),
  kind: z.string(),
  /** Duration in milliseconds. */
  duration: z.number(),
  outcome: z.enum(['accepted', 'refused', 'unreachable']),
  code: z.string().nullable(),
  message: z.string().nullable(),
  remedy: z.string().nullable(),
  route: z.object({
    /** Host and port of the proxy. Null without one. */
    proxy: z.string().nullable(),
    /** Host and port of the authority that the device talks to. */
    server: z.string(),
    role: z.enum(['manager', 'satellite']).nullable(),
  }),
  steps: z.array(exchangeStepSchema),
  /** Last synchronization of the satellite with its manager, as the satellite said. Null for a manager. */
  synchronizedAt: z.string().nullable(),
})

export const inspectionContract = {
  history: query({
    access: 'viewer',
    summary: 'Returns transitions of the state machine with causes and effects, oldest first.',
    schema: {
      querystring: z.object({
        limit: z.coerce.number().int().min(1).max(5000).default(200),
        /** Only transitions after this one. */
        after: z.coerce.number().int().min(0).default(0),
        /** Only transitions before this one. 0 for the newest. */
        before: z.coerce.number().int().min(0).default(0),
      }),
      response: z.object({ history: z.array(transitionSchema), total: count }),
    },
  }),
  'state-changes': query({
    access: 'viewer',
    summary: 'Returns the changes of the license state, and the outages of the connection, oldest first.',
    schema: {
      querystring: emptySchema,
      response: z.object({
        /** State and instant at which the stored history begins. */
        start: z.object({ at: z.string(), state: z.enum(LICENSE_STATES), full: z.boolean() }),
        changes: z.array(stateChangeSchema),
        connection: z.array(z.object({ at: z.string(), state: z.enum(CONNECTION_STATES) })),
        events: count,
      }),
    },
  }),
  snapshot: query({
    access: 'viewer',
    summary: 'Returns the snapshot of the state machine, now or after a past transition, without secrets.',
    schema: {
      querystring: z.object({ id: z.coerce.number().int().min(0).default(0) }),
      response: z.object({ id: count, at: z.string(), snapshot: snapshotSchema }),
    },
  }),
  exchanges: query({
    access: 'viewer',
    summary: 'Returns the newest exchanges with the authority and their steps, newest first.',
    schema: {
      querystring: z.object({ limit: z.coerce.number().int().min(1).max(200).default(50) }),
      response: z.object({ exchanges: z.array(exchangeSchema) }),
    },
  }),
}
