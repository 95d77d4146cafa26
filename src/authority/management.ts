import { timingSafeEqual } from 'node:crypto'
import Fastify, { type FastifyInstance } from 'fastify'
import { z } from 'zod'
import { faultCatalogue, isAnswerFault, isFault } from '../chaos/index.ts'
import { asLicensingError, LicensingError } from '../domain/errors.ts'
import { requestTypeSchema } from '../protocol/messages.ts'
import type { Misbehaviour } from './misbehaviour.ts'

const faultName = z
  .string()
  .refine((name) => isFault(name) && isAnswerFault(name), 'not a fault of an answer')
const plannedSchema = z.strictObject({
  fault: faultName,
  on: requestTypeSchema.optional(),
  probability: z.number().min(0).max(1).optional(),
  times: z.int().min(0).optional(),
  after: z.int().min(0).optional(),
  delay: z.int().min(0).max(3_600_000).optional(),
})
const planSchema = z.strictObject({ faults: z.array(z.union([faultName, plannedSchema])).max(100) })

/**
 * The management address of a test authority: plans faults at run time, and tells what came. Loopback only, and only
 * to whoever has the bearer (trust §12).
 */
export function createManagement(misbehaviour: Misbehaviour, bearer: string): FastifyInstance {
  const server = Fastify({ bodyLimit: 64 * 1024, forceCloseConnections: true })
  const expected = Buffer.from(`Bearer ${bearer}`)
  server.addHook('onRequest', async (request, reply) => {
    const given = Buffer.from(request.headers.authorization ?? '')
    if (given.length === expected.length && timingSafeEqual(given, expected)) return
    const failure = new LicensingError(
      'MANAGEMENT_UNAUTHORIZED',
      'The management address takes requests with its bearer only.',
    )
    await reply.code(401).send({ error: failure.toJSON() })
  })
  server.get('/faults', () =>
    Object.entries(faultCatalogue).map(([name, { place, meaning, code, decides }]) => ({
      name,
      place,
      meaning,
      code,
      decides,
    })),
  )
  server.get('/chaos', () => ({ faults: misbehaviour.plan.faults }))
  server.put('/chaos', (request) => {
    const parsed = planSchema.safeParse(request.body)
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      throw new LicensingError(
        'CHAOS_INVALID',
        `${issue?.path.join('.') ?? 'the plan'}: ${issue?.message ?? ''}.`,
      )
    }
    misbehaviour.plan.set(parsed.data.faults)
    return { faults: misbehaviour.plan.faults }
  })
  server.delete('/chaos', () => {
    misbehaviour.plan.set([])
    return { faults: [] }
  })
  server.get('/requests', () => ({ requests: misbehaviour.history }))
  server.delete('/requests', () => {
    misbehaviour.forget()
    return { requests: [] }
  })
  server.setErrorHandler(async (thrown, _request, reply) => {
    const failure = asLicensingError(thrown)
    await reply.code(failure.code === 'INTERNAL' ? 500 : 400).send({ error: failure.toJSON() })
  })
  return server
}
