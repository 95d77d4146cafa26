import type { ServerLogger } from '../../core/server-logger.ts'
import type { IncomingMessage } from 'node:http'
import type {
  FastifyError,
  FastifyInstance,
  FastifyPluginAsync,
  FastifyRequest,
  onRequestHookHandler,
} from 'fastify'
import { toLicensingError, LicensingError } from '../../core/errors.ts'
import { getMessagePath, type MessageType, messageTypeSchema } from '../../protocol/messages.ts'
import { MINUTE, SECOND } from '../../core/time.ts'
import { SYNC_CONTENT_TYPE, SYNC_PROOF_HEADER } from '../../protocol/sync-proof.ts'
import type { ConnectionLimiter } from '../../http/connection-limiter.ts'
import { createHardenedServer } from '../../http/create-server.ts'
import { toErrorStatus } from '../../http/error-status.ts'
import { malformedRequestError } from '../../http/malformed-request.ts'
import { type Credential, toTlsOptions } from '../../pki/certificate-generation.ts'
import type { FaultInjector } from './fault-injector.ts'
import type { RequestEndpoint } from '../exchange/request-endpoint.ts'
import type { Origin } from '../observer.ts'
import { MAX_SYNC_BYTES } from '../../protocol/sync.ts'
import { SYNC_PATH } from '../../protocol/sync.ts'
import { BodyRefused, SyncBodies } from './sync-body.ts'

const MAX_BODY_BYTES = 256 * 1024
/** The whole time that a satellite allows for a synchronization, whose request may have 64 MiB. */
const SYNC_REQUEST_TIMEOUT_MS = 10 * MINUTE

/** Why a program cannot do its work at the moment: words of a closed set. */
export type NotReadyReason = 'draining' | 'database' | 'certificate'

/** The HTTP status of what gets no signed answer. To a box, every one of them is a failure of the road. */
function toHttpStatus(failure: LicensingError): number {
  const status = toErrorStatus(failure, 400)
  return status >= 500 ? status : 400
}

/** Milliseconds after which boxes come back when the database was away. */
const DATABASE_RETRY_AFTER_MS = 30 * SECOND

/** Takes the synchronizations of satellites: texts, which are read as they come, and nothing else. */
function serveSynchronization(
  server: FastifyInstance,
  options: {
    bodies: SyncBodies
    limiter: ConnectionLimiter | null
    answer: (text: string, request: FastifyRequest) => Promise<string>
  },
): void {
  const { bodies, limiter, answer } = options
  server.removeAllContentTypeParsers()
  server.addContentTypeParser(
    SYNC_CONTENT_TYPE,
    ({ raw, headers }: FastifyRequest, payload: IncomingMessage) => {
      const proof = headers[SYNC_PROOF_HEADER]
      const announced = headers['content-length']
      return bodies.read(
        {
          payload,
          announced: announced === undefined ? null : Number(announced),
          proof: typeof proof === 'string' ? proof : null,
        },
        () => limiter?.reserveBodyBytes(raw, MAX_SYNC_BYTES, { isTrusted: true }),
      )
    },
  )
  server.post<{ Body: string }>(SYNC_PATH, async (request, reply) => {
    const text = await answer(request.body, request)
    await reply.type(SYNC_CONTENT_TYPE).send(text)
  })
}

/** The state of a server, as its clients may ask for it. */
export interface Health {
  /** Returns why it cannot do its work now; nothing where it can. */
  notReadyReasons(): Promise<readonly NotReadyReason[]>
}

/** The authority over HTTPS: the agents' exchanges, and whether it is well. Without TLS it is never listened on. */
export function createServer(options: {
  tls: Credential | null
  /** Limits the connections; null for a server that does not listen. */
  limiter: ConnectionLimiter | null
  endpoint: RequestEndpoint
  health: Health
  /** For tests: does ill to the answers on purpose. */
  faultInjector: () => FaultInjector | null
  /** What else is served at the same address, such as pages for people. */
  routes?: FastifyPluginAsync | undefined
  logger: ServerLogger
}): FastifyInstance {
  const { tls, limiter, endpoint, health, faultInjector, routes, logger } = options
  const server = createHardenedServer({
    tls: tls && toTlsOptions(tls),
    limiter,
    bodyLimit: MAX_BODY_BYTES,
    timeouts: { requestTimeout: SYNC_REQUEST_TIMEOUT_MS },
  })
  const traces = new WeakMap<FastifyRequest, string>()
  /** Where a request came from: its number here, and the trace it says it is a part of. */
  const createOrigin = (request: FastifyRequest): Origin => ({
    requestId: request.id,
    traceparent: typeof request.headers.traceparent === 'string' ? request.headers.traceparent : null,
    onTrace: (traceId) => traces.set(request, traceId),
  })
  /** What every line about a request has. */
  const toLogFields = (request: FastifyRequest) => {
    const traceId = traces.get(request)
    return { requestId: request.id, ...(traceId !== undefined && { traceId }) }
  }
  const answer = (type: MessageType, request: FastifyRequest) =>
    type === 'hello'
      ? endpoint.identify(request.body, createOrigin(request))
      : endpoint.handle(type, request.body, createOrigin(request))
  server.addHook('onResponse', (request, reply, done) => {
    logger.debug?.('request', {
      ...toLogFields(request),
      method: request.method,
      route: request.routeOptions.url ?? null,
      status: reply.statusCode,
      milliseconds: Math.round(reply.elapsedTime),
    })
    done()
  })
  for (const type of messageTypeSchema.options) {
    const onRequest: onRequestHookHandler = (_request, _reply, done) => {
      if (type !== 'hello') endpoint.admit(type)
      done()
    }
    server.post(getMessagePath(type), { onRequest }, async (request, reply) => {
      const injector = faultInjector()
      if (injector === null) return answer(type, request)
      return injector.answer(
        type,
        async () => {
          const body = JSON.stringify(await answer(type, request))
          return { status: 200, headers: { 'content-type': 'application/json; charset=utf-8' }, body }
        },
        reply,
      )
    })
  }
  void server.register((scope, _options, done) => {
    serveSynchronization(scope, {
      bodies: new SyncBodies((proof) => endpoint.satellites.isKnown(proof)),
      limiter,
      answer: (text, request) => endpoint.synchronize(text, createOrigin(request)),
    })
    done()
  })
  server.get('/health', () => ({ status: 'ok' }))
  server.get('/ready', async (_request, reply) => {
    const reasons = await health.notReadyReasons()
    return reply
      .code(reasons.length === 0 ? 200 : 503)
      .header('cache-control', 'no-store')
      .send(reasons.length === 0 ? { status: 'ready' } : { status: 'not-ready', reasons })
  })
  if (routes) void server.register(routes)
  server.setErrorHandler(async (error: FastifyError | Error, request, reply) => {
    const status = 'statusCode' in error ? error.statusCode : undefined
    if (status !== undefined && status < 500) {
      // What is left of the body is not waited for.
      if (error instanceof BodyRefused) void reply.header('connection', 'close')
      await reply.code(status).send({ error: malformedRequestError(status).toJSON() })
      return
    }
    const failure = toLicensingError(error)
    const code = toHttpStatus(failure)
    const busy = failure.code === 'AUTHORITY_BUSY'
    if (code >= 500 && !busy)
      logger.error('a request failed', {
        ...toLogFields(request),
        code: failure.code,
        reason: failure.message,
      })
    // What went wrong inside is for the log, not for whoever asked.
    const publicError =
      code >= 500 && !busy ? new LicensingError('INTERNAL', 'The authority could not answer.') : failure
    // Whoever is sent away is not kept: a connection that waits costs more than the next one.
    if (code === 503)
      void reply
        .header('retry-after', Math.ceil((failure.retryAfterMs ?? DATABASE_RETRY_AFTER_MS) / SECOND))
        .header('connection', 'close')
    await reply.code(code).send({ error: publicError.toJSON() })
  })
  return server
}
