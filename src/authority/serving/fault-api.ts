import { timingSafeEqual } from 'node:crypto'
import Fastify, { type FastifyInstance } from 'fastify'
import { z } from 'zod'
import { faultCatalogue, isAnswerFault, isFault, LONGEST_DELAY } from '../../faults/index.ts'
import { ENGLISH } from '../../core/english.ts'
import { asLicensingError, LicensingError } from '../../core/errors.ts'
import { exchangeTypeSchema } from '../../protocol/messages.ts'
import type { Misbehaviour } from './fault-injector.ts'
import { malformedRequestError } from '../../http/malformed-request.ts'

const faultName = z
  .string()
  .refine((name) => isFault(name) && isAnswerFault(name), 'not a fault of an answer')
const plannedSchema = z.strictObject({
  fault: faultName,
  on: exchangeTypeSchema.optional(),
  probability: z.number().min(0).max(1).optional(),
  times: z.int().min(0).optional(),
  after: z.int().min(0).optional(),
  delay: z.int().min(0).max(LONGEST_DELAY).optional(),
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
    const parsed = planSchema.safeParse(request.body, ENGLISH)
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
    const status = thrown instanceof Error && 'statusCode' in thrown ? Number(thrown.statusCode) : 500
    // What the parser refuses is the caller's to mend.
    const failure =
      status < 500
        ? new LicensingError(
            'CHAOS_INVALID',
            'The request cannot be read: it is not JSON, or does not say that it is.',
          )
        : asLicensingError(thrown)
    await reply.code(failure.code === 'INTERNAL' ? 500 : 400).send({ error: failure.toJSON() })
  })
  server.setNotFoundHandler(async (_request, reply) => {
    const failure = malformedRequestError(404)
    await reply.code(404).send({ error: failure.toJSON() })
  })
  return server
}
