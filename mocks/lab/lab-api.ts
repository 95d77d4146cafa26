import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance } from 'fastify'
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { LicensingError, toLicensingError } from '../../src/core/errors.ts'
import { toIsoString } from '../../src/core/time.ts'
import { VERSION } from '../../src/core/version.ts'
import { describeFault } from '../../src/faults/index.ts'
import { hasBearer } from '../../src/http/bearer.ts'
import type { MockAuthorityParts } from '../authority-parts.ts'
import type { Conditions } from '../network/conditions.ts'
import type { FaultNetwork } from '../network/fault-network.ts'
import {
  catalogSchema,
  type Chaos,
  chaosSchema,
  conditionsSchema,
  errorSchema,
  LAB_FAULTS,
  requestsSchema,
  splitChaos,
  tokenSchema,
  tunnelsSchema,
} from './lab-contract.ts'
import { LAB_PAGE, LAB_PAGE_POLICY } from './lab-page.ts'

interface LabParts {
  readonly mock: MockAuthorityParts
  readonly network: FaultNetwork
  readonly createToken: () => Promise<string>
  /** Token that every call needs. */
  readonly bearer: string
}

const OPEN_PATHS = ['/', '/openapi.json']
const REMEDY =
  'Correct what the message names. GET /faults lists the faults, and /openapi.json describes the calls.'

/** Creates the fault API of a lab, with its OpenAPI document and its page. */
export async function createLabApi({
  mock,
  network,
  createToken,
  bearer,
}: LabParts): Promise<FastifyInstance> {
  const server = Fastify({ bodyLimit: 64 * 1024, forceCloseConnections: true })
  server.setValidatorCompiler(validatorCompiler)
  server.setSerializerCompiler(serializerCompiler)
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Fault API of the licensing lab',
        version: VERSION,
        description: 'Switches failures between a device and its license server, and shows what came.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }],
    },
    transform: jsonSchemaTransform,
  })
  requireBearer(server, bearer)
  answerErrors(server)
  let chaos: Chaos = { faults: [] }
  let conditions: Conditions = {}
  const setChaos = async (next: Chaos) => {
    const { answers, connection } = splitChaos(next)
    mock.setFaults(...answers)
    await network.setFault(connection)
    chaos = next
    return chaos
  }

  const api = server.withTypeProvider<ZodTypeProvider>()
  const describe = (operationId: string, summary: string, ok: z.ZodType, body?: z.ZodType) => ({
    schema: {
      operationId,
      summary,
      ...(body && { body }),
      response: { 200: ok, 400: errorSchema, 401: errorSchema },
    },
  })
  api.get('/faults', describe('listFaults', 'Returns the catalog of faults.', catalogSchema), () =>
    listFaults(),
  )
  api.get('/chaos', describe('getChaos', 'Returns the planned faults.', chaosSchema), () => chaos)
  api.put(
    '/chaos',
    describe(
      'setChaos',
      'Replaces the planned faults: any of answers, and at most one of the network.',
      chaosSchema,
      chaosSchema,
    ),
    ({ body }) => setChaos(chaosSchema.parse(body)),
  )
  api.delete('/chaos', describe('clearChaos', 'Removes all planned faults.', chaosSchema), () =>
    setChaos({ faults: [] }),
  )
  api.get(
    '/conditions',
    describe('getConditions', 'Returns the conditions of the line.', conditionsSchema),
    () => conditions,
  )
  api.put(
    '/conditions',
    describe(
      'setConditions',
      'Sets latency, bandwidth and loss of the line.',
      conditionsSchema,
      conditionsSchema,
    ),
    ({ body }) => {
      const parsed = conditionsSchema.parse(body)
      conditions = Object.fromEntries(Object.entries(parsed).filter(([, value]) => value !== undefined))
      network.setConditions(conditions)
      return conditions
    },
  )
  api.get(
    '/requests',
    describe(
      'listRequests',
      'Returns the requests that came to the license server, without their content.',
      requestsSchema,
    ),
    () => ({
      requests: mock.requests.map(({ at, type, fault, status }) => ({
        at: toIsoString(at),
        type,
        fault,
        status,
      })),
    }),
  )
  api.get(
    '/tunnels',
    describe('listTunnels', 'Returns the requests for tunnels that came to the proxies.', tunnelsSchema),
    () => ({
      tunnels: [...network.tunnels],
    }),
  )
  api.post('/tokens', describe('createToken', 'Creates a registration token.', tokenSchema), async () => ({
    token: await createToken(),
  }))
  server.get('/openapi.json', { schema: { hide: true } }, () => server.swagger())
  server.get('/', { schema: { hide: true } }, (_, reply) =>
    reply.type('text/html; charset=utf-8').header('content-security-policy', LAB_PAGE_POLICY).send(LAB_PAGE),
  )
  return server
}

function requireBearer(server: FastifyInstance, bearer: string): void {
  server.addHook('onRequest', async (request, reply) => {
    if (OPEN_PATHS.includes(request.url)) return
    if (hasBearer(request.headers.authorization, bearer)) return
    const failure = new LicensingError('FAULT_API_UNAUTHORIZED', 'The fault API requires its bearer token.', {
      remedy:
        'Send "Authorization: Bearer …" with the content of the file that the lab names when it starts.',
    })
    await reply.code(401).send({ error: failure.toJSON() })
  })
}

function answerErrors(server: FastifyInstance): void {
  server.setErrorHandler(async (error, _request, reply) => {
    const failure = toRequestError(error)
    await reply.code(failure.code === 'INTERNAL' ? 500 : 400).send({ error: failure.toJSON() })
  })
  server.setNotFoundHandler(async ({ method, url }, reply) => {
    const failure = new LicensingError('INVALID_ARGUMENT', `The fault API has no call ${method} ${url}.`, {
      remedy: REMEDY,
    })
    await reply.code(404).send({ error: failure.toJSON() })
  })
}

/** Converts an error of a call: CHAOS_INVALID for one that the caller can correct. */
function toRequestError(error: unknown): LicensingError {
  if (!(error instanceof Error)) return toLicensingError(error)
  const isCallers =
    error instanceof TypeError ||
    (error instanceof LicensingError && error.code === 'CHAOS_INVALID') ||
    ('statusCode' in error && Number(error.statusCode) < 500)
  if (!isCallers) return toLicensingError(error)
  const reason = error.message.replace(/\.$/, '')
  return new LicensingError('CHAOS_INVALID', `The request is not valid: ${reason}.`, { remedy: REMEDY })
}

const listFaults = () =>
  LAB_FAULTS.map((name) => {
    const { place, ...fault } = describeFault(name)
    return { ...fault, place: place === 'name' ? ('connection' as const) : place }
  })
