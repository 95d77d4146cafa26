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
import type { NetworkList } from '../../core/ip-address.ts'
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
/** Milliseconds for receiving a synchronization request, which may have 64 MiB. Satellites have the same limit. */
const SYNC_REQUEST_TIMEOUT_MS = 10 * MINUTE

/** Reason why a server is not ready. */
export type NotReadyReason = 'draining' | 'database' | 'certificate'

/**
 * Returns the HTTP status of an error that gets no signed answer. Devices treat each of them as a failure of the
 * connection.
 */
function toHttpStatus(failure: LicensingError): number {
  const status = toErrorStatus(failure, 400)
  return status >= 500 ? status : 400
}

/** Milliseconds after which devices retry when the database was not available. */
const DATABASE_RETRY_AFTER_MS = 30 * SECOND

/** Serves the synchronization requests of satellites. Their bodies are checked while they are read. */
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

/** Readiness of a server. */
export interface Health {
  /** Returns the reasons why the server is not ready, or an empty list. */
  notReadyReasons(): Promise<readonly NotReadyReason[]>
}

/**
 * Creates the HTTPS server of an authority, with the exchange and health endpoints. `tls` is null only in tests without
 * a network.
 */
export function createServer(options: {
  tls: Credential | null
  /** Limits the connections. Null for a server that does not listen. */
  limiter: ConnectionLimiter | null
  endpoint: RequestEndpoint
  health: Health
  /** Returns the fault injector of a test authority, or null. */
  faultInjector: () => FaultInjector | null
  /** Further routes at the same address, such as the web console. */
  routes?: FastifyPluginAsync | undefined
  trustedProxies?: NetworkList | undefined
  logger: ServerLogger
}): FastifyInstance {
  const { tls, limiter, endpoint, health, faultInjector, routes, trustedProxies, logger } = options
  const server = createHardenedServer({
    tls: tls && toTlsOptions(tls),
    limiter,
    bodyLimit: MAX_BODY_BYTES,
    trustedProxies,
    timeouts: { requestTimeout: SYNC_REQUEST_TIMEOUT_MS },
  })
  const traces = new WeakMap<FastifyRequest, string>()
  /** Returns the origin of a request: its number, and the trace that it names. */
  const createOrigin = (request: FastifyRequest): Origin => ({
    requestId: request.id,
    traceparent: typeof request.headers.traceparent === 'string' ? request.headers.traceparent : null,
    onTrace: (traceId) => traces.set(request, traceId),
  })
  /** Returns the log fields of a request. */
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
      // The rest of the body is not awaited.
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
    // Details of internal errors are logged, but not sent to the client.
    const publicError =
      code >= 500 && !busy
        ? new LicensingError('INTERNAL', 'The authority could not process the request.')
        : failure
    // The connection of a rejected client is closed, since an idle connection costs more than the next handshake.
    if (code === 503)
      void reply
        .header('retry-after', Math.ceil((failure.retryAfterMs ?? DATABASE_RETRY_AFTER_MS) / SECOND))
        .header('connection', 'close')
    await reply.code(code).send({ error: publicError.toJSON() })
  })
  return server
}
