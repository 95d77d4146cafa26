import Fastify, { type FastifyInstance } from 'fastify'
import { z } from 'zod'
import {
  describeFault,
  faultCatalog,
  type FaultName,
  isAnswerFault,
  isFault,
  MAX_DELAY_MS,
} from '../../faults/index.ts'
import { ENGLISH } from '../../core/english.ts'
import { toLicensingError, LicensingError } from '../../core/errors.ts'
import { messageTypeSchema } from '../../protocol/messages.ts'
import type { FaultInjector } from './fault-injector.ts'
import { hasBearer } from '../../http/bearer.ts'
import { malformedRequestError } from '../../http/malformed-request.ts'

const faultNameSchema = z
  .string()
  .refine((name) => isFault(name) && isAnswerFault(name), 'not a fault of an answer')
const plannedSchema = z.strictObject({
  fault: faultNameSchema,
  on: messageTypeSchema.optional(),
  probability: z.number().min(0).max(1).optional(),
  times: z.int().min(0).optional(),
  after: z.int().min(0).optional(),
  delay: z.int().min(0).max(MAX_DELAY_MS).optional(),
})
const planSchema = z.strictObject({ faults: z.array(z.union([faultNameSchema, plannedSchema])).max(100) })

/**
 * Creates the management API of a test authority. It plans faults at run time and lists the received requests. It is
 * served on loopback only and requires its bearer token.
 */
export function createFaultApi(faultInjector: FaultInjector, bearer: string): FastifyInstance {
  const server = Fastify({ bodyLimit: 64 * 1024, forceCloseConnections: true })
  server.addHook('onRequest', async (request, reply) => {
    if (hasBearer(request.headers.authorization, bearer)) return
    const failure = new LicensingError('FAULT_API_UNAUTHORIZED', 'The fault API requires its bearer token.')
    await reply.code(401).send({ error: failure.toJSON() })
  })
  server.get('/faults', () => (Object.keys(faultCatalog) as FaultName[]).map(describeFault))
  server.get('/chaos', () => ({ faults: faultInjector.plan.faults }))
  server.put('/chaos', (request) => {
    const parsed = planSchema.safeParse(request.body, ENGLISH)
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      throw new LicensingError(
        'CHAOS_INVALID',
        `${issue?.path.join('.') ?? 'the plan'}: ${issue?.message ?? ''}.`,
      )
    }
    faultInjector.plan.set(parsed.data.faults)
    return { faults: faultInjector.plan.faults }
  })
  server.delete('/chaos', () => {
    faultInjector.plan.set([])
    return { faults: [] }
  })
  server.get('/requests', () => ({ requests: faultInjector.history }))
  server.delete('/requests', () => {
    faultInjector.clearHistory()
    return { requests: [] }
  })
  server.setErrorHandler(async (error, _request, reply) => {
    const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
    // Errors of the parser are errors of the caller.
    const failure =
      status < 500
        ? new LicensingError(
            'CHAOS_INVALID',
            'The request is not JSON, or its content type is not application/json.',
          )
        : toLicensingError(error)
    await reply.code(failure.code === 'INTERNAL' ? 500 : 400).send({ error: failure.toJSON() })
  })
  server.setNotFoundHandler(async (_request, reply) => {
    const failure = malformedRequestError(404)
    await reply.code(404).send({ error: failure.toJSON() })
  })
  return server
}
