import { createServer as createHttp, type RequestListener, type Server, STATUS_CODES } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { Socket } from 'node:net'
import { randomUUID } from 'node:crypto'
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify'
import type { LicensingError } from '../core/errors.ts'
import { findExceededLimit, UNTRUSTED_JSON_LIMITS } from '../core/json-limits.ts'
import { HOUR, MINUTE, SECOND } from '../core/time.ts'
import type { ConnectionLimiter } from './connection-limiter.ts'
import { TLS_SETTINGS } from '../transports/tls-settings.ts'
import { parseNetworks, type NetworkList } from '../core/ip-address.ts'
import { readClientAddress } from './client-address.ts'
import { malformedRequestError } from './malformed-request.ts'
import { checkHostHeader } from './host-header.ts'
import { lingerOnUnreadBody } from './linger.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Address of the client, which may differ from that of a trusted proxy in front of the server. */
    readonly clientAddress: string
  }
}

/** Time limits of a client in milliseconds, after which Node ends the connection. */
export interface ServerTimeouts {
  readonly handshakeTimeout: number
  /** From a new connection, or the first byte of a request, to the end of the headers. */
  readonly headersTimeout: number
  /** From the first byte of a request to the end of its body. */
  readonly requestTimeout: number
  /** Between two requests. An agent keeps its connection for a minute. */
  readonly keepAliveTimeout: number
  /** For a response that the client does not read. */
  readonly writeStallTimeout: number
  /** Interval at which Node checks for requests beyond their time limit. */
  readonly connectionsCheckingInterval: number
}

export const DEFAULT_SERVER_TIMEOUTS: ServerTimeouts = {
  handshakeTimeout: 10 * SECOND,
  headersTimeout: MINUTE,
  requestTimeout: MINUTE,
  keepAliveTimeout: 75 * SECOND,
  writeStallTimeout: 2 * MINUTE,
  connectionsCheckingInterval: 5 * SECOND,
}

const SESSION_LIFETIME_MS = 2 * HOUR
const MAX_HEADER_BYTES = 16 * 1024
const MAX_HEADERS = 100
/** Allows for a name in a path with every character percent-encoded. */
const MAX_PARAM_LENGTH = 2_000

const toErrorBody = (error: LicensingError) => ({ error: error.toJSON() })

/**
 * Creates a server that limits its connections, accepts only JSON, and answers malformed requests with a closed set of
 * errors. Closing the server drains it, so that requests in progress are answered first.
 *
 * @param options.tls PEM; null for plain HTTP
 * @param options.limiter null for a server that does not listen on a port
 * @param options.bodyLimit limit of a body in bytes, for routes that have no limit of their own
 * @param options.trustedProxies proxies whose `X-Forwarded-For` is believed; none by default
 */
export function createHardenedServer(options: {
  tls: { cert: string; key: string } | null
  limiter: ConnectionLimiter | null
  bodyLimit: number
  trustedProxies?: NetworkList | undefined
  timeouts?: Partial<ServerTimeouts>
}): FastifyInstance {
  const { tls, limiter, bodyLimit, trustedProxies = parseNetworks() } = options
  const { handshakeTimeout, writeStallTimeout, ...timeouts } = {
    ...DEFAULT_SERVER_TIMEOUTS,
    ...options.timeouts,
  }
  const httpOptions = { ...timeouts, maxHeaderSize: MAX_HEADER_BYTES, requireHostHeader: false }
  const server = Fastify<Server>({
    ...(limiter && {
      serverFactory: (handle: RequestListener) => {
        const handler: RequestListener = (request, response) => {
          // The limiter sees each request before this handler, and may have ended the connection.
          if (!request.socket.destroyed) handle(request, response)
        }
        const server: Server = tls
          ? createHttps(
              {
                ...httpOptions,
                ...tls,
                ...TLS_SETTINGS,
                // Node would end the handshake of a client that offers only HTTP/1.0.
                ALPNProtocols: ['http/1.1', 'http/1.0'],
                handshakeTimeout,
                sessionTimeout: SESSION_LIFETIME_MS / SECOND,
              },
              handler,
            )
          : createHttp(httpOptions, handler)
        server.maxHeadersCount = MAX_HEADERS
        server.setTimeout(writeStallTimeout)
        limiter.watch(server)
        return server
      },
    }),
    bodyLimit,
    return503OnClosing: false,
    pluginTimeout: 0,
    exposeHeadRoutes: false,
    // Extra slashes are ignored, because clients join paths from parts.
    routerOptions: {
      maxParamLength: MAX_PARAM_LENGTH,
      ignoreDuplicateSlashes: true,
      ignoreTrailingSlash: true,
    },
    genReqId: () => randomUUID(),
    clientErrorHandler: (error: Error & { code?: string }, socket) => {
      onClientError(error, socket, limiter)
    },
    frameworkErrors: (_error: FastifyError, _request, reply: FastifyReply) =>
      void reply.code(400).send(toErrorBody(malformedRequestError(400))),
  })
  server.decorateRequest('clientAddress', {
    getter() {
      return readClientAddress(this.raw, trustedProxies)
    },
  })
  server.addHook('onRequest', async (request, reply) => {
    const failure = checkHostHeader(request.raw)
    if (failure !== null) await reply.code(400).send(toErrorBody(failure))
  })
  acceptJsonOnly(server)
  if (limiter) {
    server.addHook('onSend', lingerOnUnreadBody)
    server.addHook('preParsing', (request, _reply, payload, done) => {
      limiter.reserveBodyBytes(request.raw, request.routeOptions.bodyLimit)
      done(null, payload)
    })
    server.addHook('preClose', () => limiter.drain())
  }
  server.setNotFoundHandler(async (_request, reply) => {
    await reply.code(404).send(toErrorBody(malformedRequestError(404)))
  })
  return server
}

/** Answers a request that is not valid HTTP or exceeds a time limit, if still possible, and ends the connection. */
function onClientError(
  error: Error & { code?: string },
  socket: Socket,
  limiter: ConnectionLimiter | null,
): void {
  // A response cannot be sent inside another one or before TLS is established.
  if (UNANSWERABLE_CODES.includes(error.code ?? '') || !socket.writable || limiter?.isResponding(socket)) {
    socket.destroy()
    return
  }
  const status = ERROR_STATUSES[error.code ?? ''] ?? 400
  const body = status === 408 ? '' : JSON.stringify(toErrorBody(malformedRequestError(status)))
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\n` +
      `Content-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy(),
  )
}

const UNANSWERABLE_CODES = ['ECONNRESET', 'ERR_TLS_HANDSHAKE_TIMEOUT']
const ERROR_STATUSES: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
}

function acceptJsonOnly(server: FastifyInstance): void {
  const parse = server.getDefaultJsonParser('error', 'error')
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (request, text: string, done) => {
    const exceeded = findExceededLimit(text, UNTRUSTED_JSON_LIMITS)
    if (exceeded !== null) {
      const error: FastifyError = Object.assign(
        new Error(`The JSON of the request exceeds the limit of ${exceeded}.`),
        {
          code: 'REQUEST_MALFORMED',
          name: 'FastifyError',
          statusCode: exceeded === 'depth' ? 400 : 413,
        },
      )
      done(error)
      return
    }
    void parse(request, text, done)
  })
}
