import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import cookie from '@fastify/cookie'
import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import files from '@fastify/static'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { toLicensingError, LicensingError } from '../core/errors.ts'
import { SECOND } from '../core/time.ts'
import { closeOnShutdown } from '../http/connection-limiter.ts'
import { readHostName } from '../http/host-header.ts'
import { toErrorStatus } from '../http/error-status.ts'
import { sendAnswer } from '../http/json-stream.ts'
import { malformedRequestError } from '../http/malformed-request.ts'
import { createRateLimitOptions } from '../http/rate-limit.ts'
import type { Access, BoundProcedure, Caller, Procedures } from '../http/procedures.ts'
import { signInContract } from '../http/sign-in-contract.ts'
import { createAccessProcedures } from '../http/sign-in-procedures.ts'
import { InvalidInputError, useZodSchemas } from '../http/zod-schemas.ts'
import type { AuthService } from '../http/auth-service.ts'
import { describeConsole, liveSchema, toFastifySchema } from './openapi.ts'
import { createContentPolicy, findPagesDirectory, getNonce } from './pages.ts'

export const API_PREFIX = '/api/v1'
const TOKEN_HEADER = 'x-session-token'
const MAX_BODY_BYTES = 256 * 1024
/** Maximum bytes buffered for a slow listener. */
const MAX_BUFFERED_BYTES = 1024 * 1024
/** Interval of comments on the event stream, which proxies would otherwise close as idle after 30 to 60 seconds. */
const KEEP_ALIVE_INTERVAL_MS = 20 * SECOND
/** Maximum requests of one address in a minute: more than a page with several tabs needs. */
const MAX_REQUESTS_PER_MINUTE = 1_200

export type EmitEvent = (event: string, data: unknown) => void

export interface ConsoleOptions {
  readonly page: 'device' | 'manager'
  readonly title: string
  readonly auth: AuthService
  readonly procedures: Procedures
  /** Starts to send events, and returns a function that stops. */
  readonly follow: (emit: EmitEvent, caller: Caller) => () => void
  /** Runs work for a caller, so that the records made on the way bear the caller's name. */
  readonly runAs: <T>(caller: Caller, work: () => Promise<T>) => Promise<T>
  /** Host names that requests may use, without a port. */
  readonly hosts: readonly string[]
  /** Suffix of the cookie name, which separates the cookies of servers on the same host. */
  readonly id: string
  readonly logger: { error(message: string, fields?: object): void }
}

const ROLE_RANK: Record<Access, number> = {
  open: 0,
  'signed-in': 0,
  viewer: 1,
  user: 2,
  'account-administrator': 3,
  administrator: 4,
}

/** A web console: its page, its API, and its access control. */
export class WebConsole {
  readonly #options: ConsoleOptions
  readonly #hosts: ReadonlySet<string>
  readonly #callers = new WeakMap<FastifyRequest, Caller>()
  /** The object of a request for the audit log, once it is known. */
  readonly #auditSubjects = new WeakMap<FastifyRequest, string>()

  constructor(options: ConsoleOptions) {
    this.#options = options
    this.#hosts = new Set(options.hosts.map((host) => host.toLowerCase()))
  }

  /** Registers the routes in a separate scope of a server. */
  readonly routes = async (server: FastifyInstance): Promise<void> => {
    await server.register(cookie)
    await server.register(helmet, {
      // HSTS applies to every port of the host, including ports of other servers.
      strictTransportSecurity: false,
      ...createContentPolicy(),
    })
    await server.register(rateLimit, createRateLimitOptions(MAX_REQUESTS_PER_MINUTE))
    // The rate limit comes first, because refusals cost time too.
    server.addHook('onRequest', server.rateLimit())
    server.addHook('onRequest', (request, _reply, done) => {
      this.#requireHost(request)
      done()
    })
    server.setErrorHandler((error: FastifyError, request, reply) => this.#refuse(error, request, reply))
    await this.#serveApi(server)
    await this.#servePage(server)
  }

  async #serveApi(server: FastifyInstance): Promise<void> {
    const { procedures, auth, title } = this.#options
    await useZodSchemas(
      server,
      describeConsole(title),
      ({ field, reason }) => `${field || 'The request'}: ${reason}.`,
    )
    for (const [name, procedure] of Object.entries({ ...createAccessProcedures(auth), ...procedures }))
      this.#serveProcedure(server, name, procedure)
    this.#serveSignIn(server)
    server.get(`${API_PREFIX}/openapi.json`, () => server.swagger())
    server.get(
      `${API_PREFIX}/live`,
      { schema: liveSchema, onRequest: (request) => this.#admit(request, 'viewer') },
      (request, reply) => {
        this.#follow(request, reply)
      },
    )
  }

  #serveProcedure(server: FastifyInstance, name: string, procedure: BoundProcedure): void {
    const { method, access } = procedure
    server.route({
      method,
      url: `${API_PREFIX}/${name}`,
      schema: toFastifySchema(name, procedure),
      exposeHeadRoute: false,
      bodyLimit: ('bodyLimit' in procedure ? procedure.bodyLimit : undefined) ?? MAX_BODY_BYTES,
      // Admission comes before the body is read.
      onRequest: (request) => this.#admit(request, access),
      handler: async (request, reply) => {
        void reply.header('cache-control', 'no-store')
        const caller = this.#getCaller(request)
        if (method === 'GET') return sendAnswer(reply, await procedure.handler(request.query, caller))
        const subject = procedure.auditSubject?.(request.body) ?? ''
        this.#auditSubjects.set(request, subject)
        const response = await this.#options.runAs(
          caller,
          async () => await procedure.handler(request.body, caller),
        )
        await this.#recordDone(request, name, subject)
        return response
      },
    })
  }

  #serveSignIn(server: FastifyInstance): void {
    const { auth, id } = this.#options
    const signIn = signInContract['sign-in']
    server.withTypeProvider<ZodTypeProvider>().route({
      method: signIn.method,
      url: `${API_PREFIX}/sign-in`,
      schema: { ...toFastifySchema('sign-in', signIn), body: signIn.schema.body },
      onRequest: (request, _reply, done) => {
        this.#requireOrigin(request)
        done()
      },
      handler: async (request, reply) => {
        const { name, password } = request.body
        this.#auditSubjects.set(request, (await auth.hasUser(name)) ? name.trim() : 'an unknown name')
        const { user, secrets } = await auth.signIn(name, password, request.clientAddress)
        void reply.header('cache-control', 'no-store').setCookie(getCookieName(id), secrets.id, {
          path: '/',
          httpOnly: true,
          secure: true,
          sameSite: 'strict',
        })
        await this.#recordDone(request, 'sign-in', '', user.name)
        return { token: secrets.token, user: auth.toDocument(user) }
      },
    })
  }

  /** Sends server-sent events (WHATWG HTML §9.2) until the session ends. */
  #follow(request: FastifyRequest, reply: FastifyReply): void {
    const caller = this.#getCaller(request)
    reply.hijack()
    const { raw } = reply
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      // Proxies such as nginx would otherwise hold events back until their buffer is full.
      'x-accel-buffering': 'no',
    })
    // The headers are sent at once, so that the page knows that it is connected.
    raw.flushHeaders()
    closeOnShutdown(raw)
    const { auth, follow } = this.#options
    // Events are sent in sequence, each after a check of the session.
    let queue = Promise.resolve()
    const send = (text: string): void => {
      queue = queue
        .then(async () => {
          if (
            raw.writableLength > MAX_BUFFERED_BYTES ||
            !(await auth.getUser(await auth.sessions.find(caller.session)))
          )
            raw.end()
          else raw.write(text)
        })
        // A failure ends only this listener's connection.
        .catch(() => {
          raw.destroy()
        })
    }
    const unfollow = follow((event, data) => {
      send(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
    }, caller)
    const keepAlive = setInterval(() => {
      send(': keep-alive\n\n')
    }, KEEP_ALIVE_INTERVAL_MS)
    const stop = (): void => {
      clearInterval(keepAlive)
      unfollow()
    }
    raw.on('close', stop)
    raw.on('error', stop)
  }

  async #servePage(server: FastifyInstance): Promise<void> {
    const directory = findPagesDirectory(this.#options.page)
    if (directory === null) return
    const index = readFileSync(`${directory}index.html`, 'utf8')
    await server.register(files, {
      // The consoles share their assets.
      root: join(directory, '../assets'),
      prefix: '/assets/',
      preCompressed: true,
      index: false,
      immutable: true,
      maxAge: '365d',
    })
    server.get('/', (request, reply) =>
      reply
        .type('text/html; charset=utf-8')
        .header('cache-control', 'no-store')
        .send(index.replaceAll('__NONCE__', getNonce(request))),
    )
  }

  /** Refuses a request for another host name (DNS rebinding). */
  #requireHost(request: FastifyRequest): void {
    const name = readHostName(request.headers.host ?? '')
    if (!this.#hosts.has(name))
      throw new LicensingError('HOST_REFUSED', `This server has no host name ${JSON.stringify(name)}.`)
  }

  /**
   * Refuses a request of another site's page. Browsers compare the origins themselves and send the result in
   * `Sec-Fetch-Site`, which holds behind a proxy that rewrites the Host header, too.
   */
  #requireOrigin(request: FastifyRequest): void {
    const { origin, host = '', 'sec-fetch-site': site } = request.headers
    const isOwn =
      site === undefined
        ? origin === undefined || origin === `https://${host}`
        : site === 'same-origin' || site === 'none'
    if (!isOwn) throw new LicensingError('ORIGIN_REFUSED', 'The request came from a page of another site.')
  }

  /** Checks the origin, session, token and role of a request. */
  async #admit(request: FastifyRequest, access: Access): Promise<void> {
    this.#requireOrigin(request)
    if (access === 'open') return
    const { auth, id } = this.#options
    const session = request.cookies[getCookieName(id)]
    const token = request.headers[TOKEN_HEADER]
    const found = await auth.sessions.authenticate(session, typeof token === 'string' ? token : undefined)
    if (found === 'no-session' || session === undefined)
      throw new LicensingError('SIGN_IN_REQUIRED', 'No user is signed in, or the session has ended.')
    if (found === 'csrf-mismatch')
      throw new LicensingError(
        'SESSION_TOKEN_INVALID',
        'The request does not carry the token of its session.',
      )
    const user = await auth.getUser(found)
    if (!user) throw new LicensingError('SIGN_IN_REQUIRED', 'No user is signed in, or the session has ended.')
    const { name, role, account, virtualAccount, mustChange } = user
    this.#callers.set(request, {
      name,
      role,
      account,
      virtualAccount,
      address: request.clientAddress,
      session,
    })
    if (mustChange && access !== 'signed-in')
      throw new LicensingError('PASSWORD_CHANGE_REQUIRED', 'The one-time password must be changed first.')
    if (ROLE_RANK[role] < ROLE_RANK[access])
      throw new LicensingError('PERMISSION_DENIED', `The role ${role} does not permit this operation.`)
  }

  #getCaller(request: FastifyRequest): Caller {
    const caller = this.#callers.get(request)
    if (caller) return caller
    throw new LicensingError('SIGN_IN_REQUIRED', 'No user is signed in.')
  }

  /** Records a successful request. A failure to record does not fail the request. */
  async #recordDone(request: FastifyRequest, action: string, about: string, who?: string): Promise<void> {
    try {
      await this.#options.auth.record({
        who: who ?? this.#callers.get(request)?.name ?? null,
        address: request.clientAddress,
        action,
        subject: about,
        outcome: 'done',
      })
    } catch (error) {
      this.#options.logger.error('the audit entry could not be written', {
        reason: toLicensingError(error).message,
      })
    }
  }

  /** Records refused changes and denied requests by the name of the call, without the input. */
  async #recordRefusal(request: FastifyRequest, failure: LicensingError, status: number): Promise<void> {
    const action = request.routeOptions.url?.replace(`${API_PREFIX}/`, '') ?? 'unknown path'
    // An open page reconnects automatically after a restart, which is not an attempt of a user.
    if (action === 'live' && failure.code === 'SIGN_IN_REQUIRED') return
    if (request.method !== 'POST' && ![401, 403, 421, 429].includes(status)) return
    await this.#options.auth.record({
      who: this.#callers.get(request)?.name ?? null,
      address: request.clientAddress,
      action,
      subject: this.#auditSubjects.get(request) ?? '',
      outcome: failure.code,
    })
  }

  async #refuse(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const field = error instanceof InvalidInputError ? error.field : undefined
    const failure = toFailure(error)
    // Fastify's status is more precise for malformed requests.
    const status =
      failure.code === 'REQUEST_MALFORMED' && 'statusCode' in error
        ? (error.statusCode ?? 400)
        : toErrorStatus(failure, failure.kind === 'usage' ? 400 : 409)
    await this.#recordRefusal(request, failure, status).catch(() => undefined)
    if (status === 500)
      this.#options.logger.error('a request failed', {
        requestId: request.id,
        code: failure.code,
        reason: failure.message,
      })
    const publicFailure =
      failure.code === 'INTERNAL' ? new LicensingError('INTERNAL', 'The request failed.') : failure
    if (failure.retryAfterMs !== undefined)
      void reply.header('retry-after', Math.ceil(failure.retryAfterMs / 1000))
    await reply
      .code(status)
      .header('cache-control', 'no-store')
      .send({ error: { ...publicFailure.toJSON(), ...(field !== undefined && { field }) } })
  }
}

/** Converts an error to a licensing error. Fastify's own errors are about malformed requests. */
function toFailure(error: FastifyError | Error): LicensingError {
  const failure = toLicensingError(error)
  const status = 'statusCode' in error ? error.statusCode : undefined
  return failure.code === 'INTERNAL' && status !== undefined && status < 500
    ? malformedRequestError(status)
    : failure
}

const getCookieName = (id: string): string => `__Host-sla-${id}`
