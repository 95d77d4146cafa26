import { randomUUID } from 'node:crypto'
import rateLimit from '@fastify/rate-limit'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify'
import { runAs } from '../authority/events/actor.ts'
import type { ApiPrincipal, ApiScope } from '../authority/identity/api-clients.ts'
import type { Authority } from '../authority/authority.ts'
import type { ServerLogger } from '../core/server-logger.ts'
import type { Clock } from '../core/clock.ts'
import { toLicensingError, LicensingError } from '../core/errors.ts'
import { systemClock } from '../core/system-clock.ts'
import { sanitizeText, Deduplicator } from '../core/text.ts'
import { toErrorStatus } from '../http/error-status.ts'
import { malformedRequestError } from '../http/malformed-request.ts'
import { useZodSchemas } from '../http/zod-schemas.ts'
import { sendAnswer } from '../http/json-stream.ts'
import { createRateLimitOptions } from '../http/rate-limit.ts'
import { parseBody, UnsupportedMediaType } from './bodies.ts'
import type { Endpoint, RestCall } from './endpoint.ts'
import { endpoints } from './endpoints.ts'
import { toErrorBody, type ErrorFormat, hasEmptyBody } from './error-responses.ts'
import { RESERVED_PREFIXES } from './routes.ts'
import { unsupportedEndpoints } from './unsupported-endpoints.ts'
import { TOKEN_PATHS, toTokenBody, TokenEndpoint } from './oauth.ts'
import { describeEndpoint, describeRestApi, toFastifySchema, createTokenSchema } from './openapi.ts'
import { assertAccountAccess, assertVirtualAccountAccess } from './access-control.ts'

/** Maximum body size: enough for a call with 1,000 parts. */
const MAX_BODY_BYTES = 1024 * 1024
/** Maximum requests of one address in a minute: more than a client needs that reads each pool of a large account. */
const MAX_REQUESTS_PER_MINUTE = 6_000
/** Retry delay for clients while the database is unreachable. */
const RETRY_AFTER_MS = 30_000
export const DESCRIPTION_PATH = '/api/openapi.json'

/** Valid request ids of clients: safe for headers and logs. */
const REQUEST_ID = /^[\w.:@/+=-]{1,128}$/

/** The state of a request that error responses and audit entries need. */
interface RequestState {
  readonly errorFormat: ErrorFormat
  readonly action: string
  readonly isWrite: boolean
  caller: ApiPrincipal | null
  auditSubject: string
}

/** The REST API of Cisco Smart Software Manager: access tokens, and all endpoints in each API family. */
export class RestApi {
  readonly #authority: Authority
  readonly #clock: Clock
  readonly #logger: ServerLogger
  readonly #tokenEndpoint: TokenEndpoint
  readonly #deduplicator = new Deduplicator()
  readonly #states = new WeakMap<FastifyRequest, RequestState>()
  readonly #requests: number

  /** @param options.requests maximum requests of one address in a minute; 6,000 by default */
  constructor(authority: Authority, options: { clock?: Clock; logger: ServerLogger; requests?: number }) {
    const { clock = systemClock, logger, requests = MAX_REQUESTS_PER_MINUTE } = options
    this.#requests = requests
    this.#authority = authority
    this.#clock = clock
    this.#logger = logger
    this.#tokenEndpoint = new TokenEndpoint(authority, authority.security.signIns.attempts)
  }

  /** Registers the routes in a separate scope of a server. */
  readonly routes = async (server: FastifyInstance): Promise<void> => {
    await server.register(rateLimit, createRateLimitOptions(this.#requests))
    server.addHook('onRequest', (request, reply, done) => {
      assignRequestId(request, reply)
      done()
    })
    server.addHook('onRequest', server.rateLimit())
    server.removeAllContentTypeParsers()
    server.addContentTypeParser(
      '*',
      { parseAs: 'string', bodyLimit: MAX_BODY_BYTES },
      (request, text, done) => {
        try {
          done(null, parseBody(request.headers['content-type'], String(text)))
        } catch (error) {
          done(error as Error)
        }
      },
    )
    server.setErrorHandler((error: FastifyError | Error, request, reply) =>
      this.#refuse(error, request, reply),
    )
    await useZodSchemas(
      server,
      describeRestApi(endpoints),
      ({ field, reason }, part) => `${field === '' ? `The ${part}` : field} cannot be used: ${reason}.`,
    )
    for (const url of TOKEN_PATHS) this.#serveTokens(server, url)
    for (const endpoint of endpoints) this.#serve(server, endpoint, describeEndpoint(endpoint))
    for (const endpoint of unsupportedEndpoints) this.#serve(server, endpoint, {})
    this.#serveDescription(server)
    this.#registerNotFoundRoutes(server)
  }

  #serveTokens(server: FastifyInstance, path: string): void {
    const onRequest = (request: FastifyRequest, _reply: FastifyReply, done: () => void): void => {
      this.#states.set(request, createRequestState('OAuth', 'api access-token', true))
      done()
    }
    server.route({
      method: ['GET', 'PUT', 'PATCH', 'DELETE'],
      url: path,
      exposeHeadRoute: false,
      onRequest,
      handler: async (_request, reply) => {
        const failure = new LicensingError(
          'REQUEST_MALFORMED',
          'The method for an access token must be POST.',
          {
            remedy: '',
          },
        )
        await reply.code(405).header('allow', 'POST').send(toErrorBody('OAuth', failure))
      },
    })
    const options = {
      bodyLimit: 16 * 1024,
      schema: createTokenSchema(path),
      // The token endpoint validates its parameters itself, because they can also be in the query and in a header.
      validatorCompiler: () => (value: unknown) => ({ value }),
      onRequest,
    }
    server.post(path, options, async (request, reply) => {
      void reply.header('cache-control', 'no-store').header('pragma', 'no-cache')
      const { body, query, clientAddress: address } = request
      const { authorization } = request.headers
      const answer = await this.#tokenEndpoint.answer({ body, query, authorization, address })
      if (answer.kind === 'granted') {
        await this.#record(request, { who: answer.subject, outcome: 'done' })
        return toTokenBody(answer)
      }
      const { status, retryAfterMs, usedBasicAuth, error } = answer
      if (retryAfterMs !== undefined) void reply.header('retry-after', Math.ceil(retryAfterMs / 1000))
      if (status === 401 && usedBasicAuth)
        void reply.header('www-authenticate', 'Basic realm="smart licensing"')
      await this.#record(request, { who: null, outcome: error })
      return reply.code(status).send(toTokenBody(answer))
    })
  }

  #serve(server: FastifyInstance, endpoint: Endpoint, description: FastifySchema): void {
    const { name, method, urls, scope, errorFormat } = endpoint
    urls.forEach((url, i) => {
      server.route({
        method,
        url,
        schema: { ...toFastifySchema(endpoint, url), ...(i === 0 && description) },
        exposeHeadRoute: false,
        bodyLimit: MAX_BODY_BYTES,
        // Authentication comes before the body is read.
        onRequest: async (request) => {
          this.#states.set(request, createRequestState(errorFormat, `api ${name}`, scope === 'write'))
          await this.#authenticate(request, scope, endpoint.anonymousIs403(url))
        },
        preValidation: (request, _reply, done) => {
          this.#requirePath(request)
          request.query = dropBlanks(request.query)
          done()
        },
        handler: async (request, reply) => {
          void reply.header('cache-control', 'no-store')
          return sendAnswer(reply, await this.#answer(request, endpoint))
        },
      })
    })
  }

  async #answer(request: FastifyRequest, endpoint: Endpoint): Promise<unknown> {
    const { caller, domain, virtualAccount } = this.#requirePath(request)
    const call: RestCall = {
      authority: this.#authority,
      caller,
      account: caller.account ?? domain,
      virtualAccount,
      body: request.body ?? {},
      query: request.query,
      header: (name) => {
        const value = request.headers[name.toLowerCase()]
        return typeof value === 'string' ? value : undefined
      },
      at: Math.floor(this.#clock.wall()),
    }
    this.#states.set(request, { ...this.#getState(request), auditSubject: endpoint.auditSubject(call) })
    const answer = await runAs(caller.actor, () => endpoint.handler(call))
    if (endpoint.scope === 'write' && endpoint.method === 'POST')
      await this.#record(request, { who: caller.name, outcome: toAuditOutcome(answer) })
    return answer
  }

  /**
   * Returns the caller and the accounts of the path, after an access check.
   *
   * @throws LicensingError PERMISSION_DENIED, SIGN_IN_REQUIRED
   */
  #requirePath(request: FastifyRequest) {
    const { caller } = this.#getState(request)
    if (!caller) throw new LicensingError('SIGN_IN_REQUIRED', 'The access token is missing.')
    const { domain, virtualAccount } = request.params as Readonly<Record<string, string | undefined>>
    if (domain !== undefined) assertAccountAccess(caller, domain)
    if (virtualAccount !== undefined) assertVirtualAccountAccess(caller, virtualAccount)
    return { caller, domain, virtualAccount }
  }

  #serveDescription(server: FastifyInstance): void {
    server.get(
      DESCRIPTION_PATH,
      {
        onRequest: async (request) => {
          this.#states.set(request, createRequestState('statusMessage', 'api description', false))
          await this.#authenticate(request, 'read', false)
        },
      },
      () => server.swagger(),
    )
  }

  /** Requires authentication before it answers 404, so that unauthenticated clients cannot probe for paths. */
  #registerNotFoundRoutes(server: FastifyInstance): void {
    for (const prefix of RESERVED_PREFIXES)
      server.route({
        method: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
        url: `${prefix}/*`,
        exposeHeadRoute: false,
        onRequest: async (request) => {
          this.#states.set(request, createRequestState('statusMessage', 'api unknown path', false))
          await this.#authenticate(request, 'read', false)
        },
        handler: async (_request, reply) => {
          await reply.code(404).send()
        },
      })
  }

  #getState(request: FastifyRequest): RequestState {
    return this.#states.get(request) ?? createRequestState('statusMessage', 'api unknown path', false)
  }

  /** Authenticates a request by its access token. @throws LicensingError SIGN_IN_REQUIRED, PERMISSION_DENIED */
  async #authenticate(
    request: FastifyRequest,
    requiredScope: ApiScope,
    anonymousIs403: boolean,
  ): Promise<void> {
    const token = /^Bearer +([A-Za-z0-9_~+/=.-]{1,512}) *$/i.exec(request.headers.authorization ?? '')?.[1]
    const caller = token === undefined ? null : await this.#authority.security.apiClients.authenticate(token)
    if (!caller)
      throw anonymousIs403 && request.headers.authorization === undefined
        ? new LicensingError('PERMISSION_DENIED', 'The access token is missing.')
        : new LicensingError('SIGN_IN_REQUIRED', 'The access token is missing, expired or revoked.')
    this.#states.set(request, { ...this.#getState(request), caller })
    if (requiredScope === 'write' && caller.scope === 'read')
      throw new LicensingError('PERMISSION_DENIED', `${caller.name} has read access only.`)
  }

  /** Records a call in the audit log. Repeated refusals and token requests are recorded once a minute. */
  async #record(
    request: FastifyRequest,
    { who, outcome }: { who: string | null; outcome: string },
  ): Promise<void> {
    const { action, auditSubject } = this.#getState(request)
    const isRepetitive = outcome !== 'done' || action === 'api access-token'
    const dedupeKey = `${who ?? ''} ${request.clientAddress} ${action} ${outcome}`
    if (isRepetitive && !this.#deduplicator.firstSeen(dedupeKey, this.#clock.uptime())) return
    try {
      await this.#authority.security.users.record({
        at: this.#clock.wall(),
        who,
        address: request.clientAddress,
        action,
        subject: sanitizeText(auditSubject, 300),
        outcome,
      })
    } catch (error) {
      // The call has succeeded, so its response does not depend on the audit log.
      this.#logger.error('the audit entry could not be written', {
        reason: toLicensingError(error).message,
      })
    }
  }

  async #refuse(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { errorFormat, isWrite, caller } = this.#getState(request)
    const { failure, status } = toFailure(error)
    if (status >= 500)
      this.#logger.error('a request failed', {
        requestId: reply.getHeader('x-request-id'),
        code: failure.code,
        reason: failure.message,
      })
    else if (isWrite || [401, 403, 429].includes(status))
      await this.#record(request, { who: caller?.name ?? null, outcome: failure.code })
    void reply.code(status).header('cache-control', 'no-store')
    const retryAfterMs = failure.retryAfterMs ?? (status === 503 ? RETRY_AFTER_MS : undefined)
    if (retryAfterMs !== undefined) void reply.header('retry-after', Math.ceil(retryAfterMs / 1000))
    if (status === 401) void reply.header('www-authenticate', 'Bearer realm="smart licensing"')
    if (hasEmptyBody(status)) await reply.send()
    else await reply.send(toErrorBody(errorFormat, failure))
  }
}

const createRequestState = (errorFormat: ErrorFormat, action: string, isWrite: boolean): RequestState => ({
  errorFormat,
  action,
  isWrite,
  caller: null,
  auditSubject: '',
})

/** Converts an error to a licensing error and a status. Fastify's status is used for malformed requests. */
function toFailure(error: FastifyError | Error): { failure: LicensingError; status: number } {
  if (error instanceof UnsupportedMediaType) return { failure: error, status: 415 }
  const failure = toLicensingError(error)
  const status = 'statusCode' in error ? error.statusCode : undefined
  if (failure.code === 'INTERNAL' && status !== undefined && status < 500)
    return {
      failure: malformedRequestError(status),
      status,
    }
  return { failure, status: toErrorStatus(failure, 422) }
}

/** Drops empty parameters, because clients send unused parameters without a value. */
const dropBlanks = (query: unknown): unknown =>
  typeof query === 'object' && query !== null
    ? Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ''))
    : query

/** Returns the audit outcome of a response. A batch can succeed in part or not at all with a status of 200. */
function toAuditOutcome(answer: unknown): string {
  const status =
    typeof answer === 'object' && answer !== null && 'status' in answer ? answer.status : undefined
  return status === 'ERROR' ? 'refused' : status === 'WARNING' ? 'done in part' : 'done'
}

/** Sets the request id of the response: the client's id, or a generated one. */
function assignRequestId(request: FastifyRequest, reply: FastifyReply): void {
  const readHeader = (name: string): string | undefined => {
    const value = request.headers[name]
    return typeof value === 'string' && REQUEST_ID.test(value) ? value : undefined
  }
  const id = readHeader('x-request-id') ?? readHeader('x-correlation-id') ?? randomUUID()
  void reply.header('x-request-id', id).header('x-correlation-id', readHeader('x-correlation-id') ?? id)
}
