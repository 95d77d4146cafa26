import Fastify, { type FastifyError, type FastifyInstance, type FastifyPluginAsync } from 'fastify'
import { asLicensingError, LicensingError } from '../domain/errors.ts'
import {
  exchangePath,
  type ExchangeType,
  exchangeTypeSchema,
  type RequestType,
  type Sealed,
} from '../protocol/messages.ts'
import { z } from 'zod'
import { LONGEST_TIMER } from '../transports/listen.ts'
import type { Credential } from '../trust/certificates.ts'
import type { Misbehaviour } from './misbehaviour.ts'
import { LONGEST_SYNC } from './satellites/exchange.ts'
import { SYNC_PATH } from './upstream/door.ts'

const synchronisationSchema = z.object({ request: z.string() })
const LARGEST_REQUEST = 256 * 1024
const LONGEST_NAME = 2_000

export interface ServerLogger {
  info(message: string, fields?: object): void
  error(message: string, fields?: object): void
}

/** The HTTP status of what gets no signed answer. To a box, every one of them is a failure of the road. */
const statusOf = (failure: LicensingError): number =>
  failure.code === 'INTERNAL' || failure.code.startsWith('STORE_') ? 500 : 400

/** The authority over HTTPS: the agents' exchanges, and whether it is well. Without TLS it is never listened on. */
export function createServer(options: {
  tls: Credential | null
  handle: (type: RequestType, message: unknown) => Promise<Sealed>
  hello: (message: unknown) => Promise<Sealed>
  /** A satellite's request, as the text of a file. */
  synchronise: (request: string) => Promise<string>
  /** For tests: does ill to the answers on purpose. */
  misbehaviour: () => Misbehaviour | null
  /** What else is served at the same address, such as pages for people. */
  routes?: FastifyPluginAsync | undefined
  logger: ServerLogger
}): FastifyInstance {
  const { tls, handle, hello, synchronise, misbehaviour, routes, logger } = options
  const https = tls && {
    cert: tls.certificates.join('\n'),
    key: tls.privateKey,
    minVersion: 'TLSv1.2' as const,
    // By the process clock, which a test may run thousands of times too fast.
    handshakeTimeout: LONGEST_TIMER,
  }
  const server = Fastify({
    https,
    bodyLimit: LARGEST_REQUEST,
    requestTimeout: 0,
    connectionTimeout: 0,
    keepAliveTimeout: LONGEST_TIMER,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    // Names of virtual accounts stand in paths, with every sign of theirs encoded.
    routerOptions: { maxParamLength: LONGEST_NAME },
  })
  server.server.headersTimeout = LONGEST_TIMER
  const answer = (type: ExchangeType, message: unknown) =>
    type === 'hello' ? hello(message) : handle(type, message)
  for (const type of exchangeTypeSchema.options) {
    server.post(exchangePath(type), async (request, reply) => {
      const ill = misbehaviour()
      if (ill === null) return answer(type, request.body)
      return ill.answer(
        type,
        async () => {
          const body = JSON.stringify(await answer(type, request.body))
          return { status: 200, headers: { 'content-type': 'application/json; charset=utf-8' }, body }
        },
        reply,
      )
    })
  }
  server.post(SYNC_PATH, { bodyLimit: LONGEST_SYNC }, async (request) => {
    const parsed = synchronisationSchema.safeParse(request.body)
    if (!parsed.success)
      throw new LicensingError('REQUEST_MALFORMED', 'The message cannot be taken: it is no synchronisation.')
    return { answer: await synchronise(parsed.data.request) }
  })
  server.get('/health', () => ({ status: 'ok' }))
  if (routes) void server.register(routes)
  server.setNotFoundHandler(async (_request, reply) => {
    const failure = new LicensingError('REQUEST_MALFORMED', 'There is nothing at this address.')
    await reply.code(404).send({ error: failure.toJSON() })
  })
  server.setErrorHandler(async (thrown: FastifyError | Error, _request, reply) => {
    const status = 'statusCode' in thrown ? thrown.statusCode : undefined
    if (status !== undefined && status < 500) {
      const failure = new LicensingError('REQUEST_MALFORMED', 'The request cannot be read.')
      await reply.code(status).send({ error: failure.toJSON() })
      return
    }
    const failure = asLicensingError(thrown)
    const code = statusOf(failure)
    if (code === 500) logger.error('a request failed', { code: failure.code, reason: failure.message })
    // What went wrong inside is for the log, not for whoever asked.
    const told = code === 500 ? new LicensingError('INTERNAL', 'The authority could not answer.') : failure
    await reply.code(code).send({ error: told.toJSON() })
  })
  return server
}
