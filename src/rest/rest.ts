import { randomUUID } from 'node:crypto'
import rateLimit from '@fastify/rate-limit'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify'
import { actingAs } from '../authority/events/actor.ts'
import type { ApiCaller, ApiScope } from '../authority/identity/api-clients.ts'
import type { Authority } from '../authority/authority.ts'
import type { ServerLogger } from '../core/server-logger.ts'
import type { Clock } from '../core/clock.ts'
import { asLicensingError, LicensingError } from '../core/errors.ts'
import { systemClock } from '../core/system-clock.ts'
import { plain, Told } from '../core/text.ts'
import { errorStatus } from '../http/error-status.ts'
import { malformedRequestError } from '../http/malformed-request.ts'
import { useZodSchemas } from '../http/zod-schemas.ts'
import { rateLimitOptions } from '../http/rate-limit.ts'
import { readBody, UnreadableType } from './bodies.ts'
import type { Endpoint, RestCall } from './endpoint.ts'
import { endpoints } from './endpoints.ts'
import { toErrorBody, type ErrorFormat, hasEmptyBody } from './error-responses.ts'
import { RESERVED_PREFIXES } from './routes.ts'
import { unservedEndpoints } from './unsupported-endpoints.ts'
import { TOKEN_PATHS, tokenBody, TokenDesk } from './oauth.ts'
import { describeEndpoint, describeRestApi, toFastifySchema, tokenSchema } from './openapi.ts'
import { requireAccount, requireVirtualAccount } from './access-control.ts'

/** Bytes of a request: a thousand parts of a call have room. */
const MAX_BODY_BYTES = 1024 * 1024
/** Of one address in a minute: more than a client that asks for every pool of a large account one by one. */
const REQUESTS = 6_000
/** Milliseconds after which clients come back when the database was away. */
const RETRY_AFTER_MS = 30_000
/** Where the API says what it is. */
export const DESCRIPTION_PATH = '/api/openapi.json'

/** How a client may name a request: not what would break a header or a log. */
const REQUEST_NAME = /^[\w.:@/+=-]{1,128}$/

/** What of a request matters for its answer, whatever goes wrong. */
interface RequestState {
  readonly errorFormat: ErrorFormat
  readonly action: string
  readonly doing: boolean
  caller: ApiCaller | null
  about: string
}

/** The field's REST API: access tokens, and every call in each of its families. */
export class RestApi {
  readonly #authority: Authority
  readonly #clock: Clock
  readonly #logger: ServerLogger
  readonly #tokens: TokenDesk
  readonly #told = new Told()
  readonly #states = new WeakMap<FastifyRequest, RequestState>()
  readonly #requests: number

  /** @param options.requests - how many of one address are answered in a minute; 6,000 unless given */
  constructor(authority: Authority, options: { clock?: Clock; logger: ServerLogger; requests?: number }) {
    const { clock = systemClock, logger, requests = REQUESTS } = options
    this.#requests = requests
    this.#authority = authority
    this.#clock = clock
    this.#logger = logger
    this.#tokens = new TokenDesk(authority, authority.security.signIns.guesses)
  }

  /** Its routes, in a scope of their own on a server. */
  readonly routes = async (server: FastifyInstance): Promise<void> => {
    await server.register(rateLimit, rateLimitOptions(this.#requests))
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
          done(null, readBody(request.headers['content-type'], String(text)))
        } catch (thrown) {
          done(thrown as Error)
        }
      },
    )
    server.setErrorHandler((thrown: FastifyError | Error, request, reply) =>
      this.#refuse(thrown, request, reply),
    )
    await useZodSchemas(
      server,
      describeRestApi(endpoints),
      ({ field, reason }, part) => `${field === '' ? `The ${part}` : field} cannot be used: ${reason}.`,
    )
    for (const url of TOKEN_PATHS) this.#serveTokens(server, url)
    for (const endpoint of endpoints) this.#serve(server, endpoint, describeEndpoint(endpoint))
    for (const endpoint of unservedEndpoints) this.#serve(server, endpoint, {})
    this.#serveDescription(server)
    this.#registerNotFoundRoutes(server)
  }

  #serveTokens(server: FastifyInstance, path: string): void {
    const onRequest = (request: FastifyRequest, _reply: FastifyReply, done: () => void): void => {
      this.#states.set(request, requestState('OAuth', 'api access-token', true))
      done()
    }
    server.route({
      method: ['GET', 'PUT', 'PATCH', 'DELETE'],
      url: path,
      exposeHeadRoute: false,
      onRequest,
      handler: async (_request, reply) => {
        const failure = new LicensingError('REQUEST_MALFORMED', 'An access token is asked for by POST.', {
          remedy: '',
        })
        await reply.code(405).header('allow', 'POST').send(toErrorBody('OAuth', failure))
      },
    })
    const options = {
      bodyLimit: 16 * 1024,
      schema: tokenSchema(path),
      // The token endpoint checks by itself: its parameters also come in the query and in a header.
      validatorCompiler: () => (value: unknown) => ({ value }),
      onRequest,
    }
    server.post(path, options, async (request, reply) => {
      void reply.header('cache-control', 'no-store').header('pragma', 'no-cache')
      const { body, query, ip: address } = request
      const { authorization } = request.headers
      const answer = await this.#tokens.answer({ body, query, authorization, address })
      if (answer.kind === 'granted') {
        await this.#record(request, { who: answer.holder, outcome: 'done' })
        return tokenBody(answer)
      }
      const { status, retryAfterMs, byHeader, error } = answer
      if (retryAfterMs !== undefined) void reply.header('retry-after', Math.ceil(retryAfterMs / 1000))
      if (status === 401 && byHeader) void reply.header('www-authenticate', 'Basic realm="smart licensing"')
      await this.#record(request, { who: null, outcome: error })
      return reply.code(status).send(tokenBody(answer))
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
          this.#states.set(request, requestState(errorFormat, `api ${name}`, scope === 'write'))
          await this.#authenticate(request, scope, endpoint.anonymousIs403(url))
        },
        preValidation: (request, _reply, done) => {
          this.#requirePath(request)
          request.query = withoutBlanks(request.query)
          done()
        },
        handler: async (request, reply) => {
          void reply.header('cache-control', 'no-store')
          return this.#answer(request, endpoint)
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
    this.#states.set(request, { ...this.#state(request), about: endpoint.auditSubject(call) })
    const answer = await actingAs(caller.actor, () => endpoint.handler(call))
    if (endpoint.scope === 'write' && endpoint.method === 'POST')
      await this.#record(request, { who: caller.name, outcome: outcomeOf(answer) })
    return answer
  }

  /** Returns the caller and what the path names, which the caller may reach. @throws LicensingError PERMISSION_DENIED, SIGN_IN_REQUIRED */
  #requirePath(request: FastifyRequest) {
    const { caller } = this.#state(request)
    if (!caller) throw new LicensingError('SIGN_IN_REQUIRED', 'The access token is missing.')
    const { domain, virtualAccount } = request.params as Readonly<Record<string, string | undefined>>
    if (domain !== undefined) requireAccount(caller, domain)
    if (virtualAccount !== undefined) requireVirtualAccount(caller, virtualAccount)
    return { caller, domain, virtualAccount }
  }

  #serveDescription(server: FastifyInstance): void {
    server.get(
      DESCRIPTION_PATH,
      {
        onRequest: async (request) => {
          this.#states.set(request, requestState('E1', 'api description', false))
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
          this.#states.set(request, requestState('E1', 'api what is not there', false))
          await this.#authenticate(request, 'read', false)
        },
        handler: async (_request, reply) => {
          await reply.code(404).send()
        },
      })
  }

  #state(request: FastifyRequest): RequestState {
    return this.#states.get(request) ?? requestState('E1', 'api what is not there', false)
  }

  /** Lets a request in by its access token, or says why not. @throws LicensingError SIGN_IN_REQUIRED, PERMISSION_DENIED */
  async #authenticate(request: FastifyRequest, needs: ApiScope, forbidden: boolean): Promise<void> {
    const token = /^Bearer +([A-Za-z0-9_~+/=.-]{1,512}) *$/i.exec(request.headers.authorization ?? '')?.[1]
    const caller = token === undefined ? null : await this.#authority.security.apiClients.whose(token)
    if (!caller)
      throw forbidden && request.headers.authorization === undefined
        ? new LicensingError('PERMISSION_DENIED', 'The access token is missing.')
        : new LicensingError('SIGN_IN_REQUIRED', 'The access token is missing, over or revoked.')
    this.#states.set(request, { ...this.#state(request), caller })
    if (needs === 'write' && caller.scope === 'read')
      throw new LicensingError('PERMISSION_DENIED', `${caller.name} may read only.`)
  }

  /** Records what was done; and once a minute what is done over and over: refusals, and access tokens. */
  async #record(
    request: FastifyRequest,
    { who, outcome }: { who: string | null; outcome: string },
  ): Promise<void> {
    const { action, about } = this.#state(request)
    const often = outcome !== 'done' || action === 'api access-token'
    const told = `${who ?? ''} ${request.ip} ${action} ${outcome}`
    if (often && !this.#told.isNew(told, this.#clock.uptime())) return
    try {
      await this.#authority.security.users.record({
        at: this.#clock.wall(),
        who,
        address: request.ip,
        action,
        subject: plain(about, 300),
        outcome,
      })
    } catch (thrown) {
      // What was done is done, whether or not it could be written down.
      this.#logger.error('the audit record could not be written', {
        reason: asLicensingError(thrown).message,
      })
    }
  }

  async #refuse(thrown: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { errorFormat, doing, caller } = this.#state(request)
    const { failure, status } = failureOf(thrown)
    if (status >= 500)
      this.#logger.error('a request failed', {
        requestId: reply.getHeader('x-request-id'),
        code: failure.code,
        reason: failure.message,
      })
    else if (doing || [401, 403, 429].includes(status))
      await this.#record(request, { who: caller?.name ?? null, outcome: failure.code })
    void reply.code(status).header('cache-control', 'no-store')
    const retryAfterMs = failure.retryAfterMs ?? (status === 503 ? RETRY_AFTER_MS : undefined)
    if (retryAfterMs !== undefined) void reply.header('retry-after', Math.ceil(retryAfterMs / 1000))
    if (status === 401) void reply.header('www-authenticate', 'Bearer realm="smart licensing"')
    if (hasEmptyBody(status)) await reply.send()
    else await reply.send(toErrorBody(errorFormat, failure))
  }
}

const requestState = (errorFormat: ErrorFormat, action: string, doing: boolean): RequestState => ({
  errorFormat,
  action,
  doing,
  caller: null,
  about: '',
})

/** What went wrong and its status; the web framework knows best what is wrong with the form of a request. */
function failureOf(thrown: FastifyError | Error): { failure: LicensingError; status: number } {
  if (thrown instanceof UnreadableType) return { failure: thrown, status: 415 }
  const failure = asLicensingError(thrown)
  const status = 'statusCode' in thrown ? thrown.statusCode : undefined
  if (failure.code === 'INTERNAL' && status !== undefined && status < 500)
    return {
      failure: malformedRequestError(status),
      status,
    }
  return { failure, status: errorStatus(failure, 422) }
}

/** Drops empty parameters: clients send every parameter, with nothing behind those they do not mean. */
const withoutBlanks = (query: unknown): unknown =>
  typeof query === 'object' && query !== null
    ? Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ''))
    : query

/** A call of several parts may be done in part, or not at all, and is answered all the same. */
function outcomeOf(answer: unknown): string {
  const status =
    typeof answer === 'object' && answer !== null && 'status' in answer ? answer.status : undefined
  return status === 'ERROR' ? 'refused' : status === 'WARNING' ? 'done in part' : 'done'
}

/** Every answer says which request it is to: by the name that the client gave it, or by one of ours. */
function assignRequestId(request: FastifyRequest, reply: FastifyReply): void {
  const given = (name: string): string | undefined => {
    const value = request.headers[name]
    return typeof value === 'string' && REQUEST_NAME.test(value) ? value : undefined
  }
  const id = given('x-request-id') ?? given('x-correlation-id') ?? randomUUID()
  void reply.header('x-request-id', id).header('x-correlation-id', given('x-correlation-id') ?? id)
}
