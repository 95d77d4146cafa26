import { createServer as createHttp, type RequestListener, type Server, STATUS_CODES } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { Socket } from 'node:net'
import { randomUUID } from 'node:crypto'
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify'
import { LicensingError } from '../core/errors.ts'
import { exceededLimit, STRANGERS_JSON } from '../core/json-limits.ts'
import { HOUR, SECOND } from '../core/time.ts'
import type { ConnectionGuard } from './connection-limiter.ts'
import { LONGEST_TIMER } from './listen.ts'
import { TLS_SETTINGS } from '../transports/tls-settings.ts'
import { unreadable } from './malformed-request.ts'

/** How long a TLS session may be resumed: who was sent away comes back within the hour. */
const SESSION = 2 * HOUR
/** Headers of a request together: bytes, and how many. */
const LARGEST_HEADERS = 16 * 1024
const MOST_HEADERS = 100
/** A name that stands in a path, with every sign of it encoded. */
const LONGEST_NAME = 2_000

/** The body of an answer to what cannot be read. */
const refusal = (failure: LicensingError) => ({ error: failure.toJSON() })

/**
 * A server whose connections are watched, that takes JSON and nothing else, and answers what it cannot read with a closed
 * set of refusals. Closing it drains it: what is under way is answered first.
 *
 * @param options.tls PEM; null for plain HTTP
 * @param options.guard null where nothing is listened on
 */
export function createGuardedServer(options: {
  tls: { cert: string; key: string } | null
  guard: ConnectionGuard | null
  /** Bytes of the largest body, where a route does not say otherwise. */
  largest: number
}): FastifyInstance {
  const { tls, guard, largest } = options
  // Time is the guard's: node's own time-outs go by a clock that may run too fast.
  const limits = {
    maxHeaderSize: LARGEST_HEADERS,
    keepAliveTimeout: 0,
    requestTimeout: 0,
    headersTimeout: 0,
    requireHostHeader: false,
  }
  const server = Fastify<Server>({
    ...(guard && {
      serverFactory: (handle: RequestListener) => {
        const handler: RequestListener = (request, response) => {
          // The guard sees each request before, and may have ended its connection: nothing is done for it.
          if (!request.socket.destroyed) handle(request, response)
        }
        const made: Server = tls
          ? createHttps(
              {
                ...limits,
                ...tls,
                ...TLS_SETTINGS,
                handshakeTimeout: LONGEST_TIMER,
                sessionTimeout: SESSION / SECOND,
              },
              handler,
            )
          : createHttp(limits, handler)
        made.maxHeadersCount = MOST_HEADERS
        guard.watch(made)
        return made
      },
    }),
    bodyLimit: largest,
    return503OnClosing: false,
    pluginTimeout: 0,
    exposeHeadRoutes: false,
    // Clients put their paths together of parts: one slash too many is none.
    routerOptions: {
      maxParamLength: LONGEST_NAME,
      ignoreDuplicateSlashes: true,
      ignoreTrailingSlash: true,
    },
    genReqId: () => randomUUID(),
    clientErrorHandler: refuseUnread,
    frameworkErrors: (_thrown: FastifyError, _request, reply: FastifyReply) =>
      void reply.code(400).send(refusal(unreadable(400))),
  })
  server.addHook('onRequest', async (request, reply) => {
    if (request.headers.host === undefined)
      await reply.code(400).send(
        refusal(
          new LicensingError('REQUEST_MALFORMED', 'The request does not say which host it is for.', {
            remedy: 'Send the header Host.',
          }),
        ),
      )
  })
  takeJsonOnly(server)
  if (guard) {
    server.addHook('preParsing', (request, _reply, payload, done) => {
      guard.expect(request.raw, request.routeOptions.bodyLimit)
      done(null, payload)
    })
    server.addHook('preClose', () => guard.drain())
  }
  server.setNotFoundHandler(async (_request, reply) => {
    await reply.code(404).send(refusal(unreadable(404)))
  })
  return server
}

/** What cannot be read as HTTP at all: answered, where that is still possible, and closed. */
function refuseUnread(thrown: Error & { code?: string }, socket: Socket): void {
  if (thrown.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const status = thrown.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400
  const body = JSON.stringify(refusal(unreadable(status)))
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\n` +
      `Content-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy(),
  )
}

function takeJsonOnly(server: FastifyInstance): void {
  const parse = server.getDefaultJsonParser('error', 'error')
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (request, text: string, done) => {
    const exceeded = exceededLimit(text, STRANGERS_JSON)
    if (exceeded !== null) {
      const error: FastifyError = Object.assign(new Error(`too much: ${exceeded}`), {
        code: 'REQUEST_MALFORMED',
        name: 'FastifyError',
        statusCode: exceeded === 'depth' ? 400 : 413,
      })
      done(error)
      return
    }
    void parse(request, text, done)
  })
}
