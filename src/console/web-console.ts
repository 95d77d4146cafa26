import { stripBrackets } from '../core/host-name.ts'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import cookie from '@fastify/cookie'
import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import files from '@fastify/static'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { asLicensingError, LicensingError } from '../core/errors.ts'
import { closeOnShutdown } from '../http/connection-limiter.ts'
import { errorStatus } from '../http/error-status.ts'
import { malformedRequestError } from '../http/malformed-request.ts'
import { rateLimitOptions } from '../http/rate-limit.ts'
import { commonContract } from '../http/sign-in-contract.ts'
import { type Access, type Caller, InvalidInput, parseInput, type Served } from '../http/contract.ts'
import type { SignInDesk } from '../http/auth-service.ts'
import { describeApi } from './openapi.ts'

export const API = '/api/v1'
const TOKEN_HEADER = 'x-session-token'
const LARGEST = 256 * 1024
/** Bytes that wait for a listener who does not read them. */
const SLOWEST = 1024 * 1024
/** Of one address in a minute: more than a page with several tabs needs. */
const REQUESTS = 1_200

/** Something that is told to pages as it happens. */
export type Tell = (event: string, data: unknown) => void

export interface ConsoleOptions {
  readonly page: 'device' | 'manager'
  readonly title: string
  readonly desk: SignInDesk
  readonly calls: Readonly<Record<string, Served>>
  /** Begins to tell what happens; gives how to stop. */
  readonly follow: (tell: Tell, caller: Caller) => () => void
  /** Does what a caller asked for, so that what is recorded on the way bears the caller's name. */
  readonly onBehalfOf: <T>(caller: Caller, work: () => Promise<T>) => Promise<T>
  /** The hosts this server may be called by; a port is not looked at. */
  readonly hosts: readonly string[]
  /** Tells this server's cookie from those of others on the same host. */
  readonly id: string
  readonly logger: { error(message: string, fields?: object): void }
}

const ranks: Record<Access, number> = { open: 0, 'signed-in': 0, viewer: 1, user: 2, administrator: 3 }

/** Where the built pages are: beside the programs, or in the build of a checkout. */
function pagesDirectory(page: string): string | null {
  const places = ['../pages', '../../pages', '../../dist/pages'].map((place) =>
    fileURLToPath(new URL(`${place}/${page}/`, import.meta.url)),
  )
  return places.find((place) => existsSync(place)) ?? null
}

/** One of the two pages with its API: behind the same door, whichever it is. */
export class Console {
  readonly #options: ConsoleOptions
  readonly #hosts: ReadonlySet<string>
  readonly #callers = new WeakMap<FastifyRequest, Caller>()
  /** What a request is about, once that is known. */
  readonly #abouts = new WeakMap<FastifyRequest, string>()

  constructor(options: ConsoleOptions) {
    this.#options = options
    this.#hosts = new Set(options.hosts.map((host) => host.toLowerCase()))
  }

  /** Its routes, in a scope of their own on a server. */
  readonly routes = async (server: FastifyInstance): Promise<void> => {
    await server.register(cookie)
    await server.register(helmet, {
      // Answers for whole hosts, ports that are not ours included: not ours to give.
      strictTransportSecurity: false,
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'none'"],
          scriptSrc: ["'self'"],
          styleSrc: ["'self'", (request) => `'nonce-${nonceOf(request)}'`],
          imgSrc: ["'self'", 'data:'],
          fontSrc: ["'self'"],
          connectSrc: ["'self'"],
          formAction: ["'self'"],
          baseUri: ["'none'"],
          frameAncestors: ["'none'"],
        },
      },
      referrerPolicy: { policy: 'no-referrer' },
    })
    await server.register(rateLimit, rateLimitOptions(REQUESTS))
    // Before anything is refused: a refusal is work too.
    server.addHook('onRequest', server.rateLimit())
    server.addHook('onRequest', (request, _reply, done) => {
      this.#requireHost(request)
      done()
    })
    server.setErrorHandler((thrown: FastifyError, request, reply) => this.#refuse(thrown, request, reply))
    this.#serveApi(server)
    await this.#servePage(server)
  }

  #serveApi(server: FastifyInstance): void {
    const { calls, desk } = this.#options
    const every: Record<string, Served> = { ...desk.calls(), ...calls }
    for (const [name, served] of Object.entries(every)) this.#serveCall(server, name, served)
    this.#serveSignIn(server)
    const api = describeApi(this.#options.title, {
      'sign-in': commonContract['sign-in'],
      ...Object.fromEntries(Object.entries(every).map(([name, { call }]) => [name, call])),
    })
    server.get(`${API}/openapi.json`, () => api)
    server.get(
      `${API}/live`,
      { onRequest: (request) => this.#admit(request, 'viewer') },
      (request, reply) => {
        this.#follow(request, reply)
      },
    )
  }

  #serveCall(server: FastifyInstance, name: string, { call, take }: Served): void {
    server.route({
      method: call.method,
      url: `${API}/${name}`,
      exposeHeadRoute: false,
      bodyLimit: call.largest ?? LARGEST,
      // Before the body is read: nobody unknown has one read for them.
      onRequest: (request) => this.#admit(request, call.access),
      handler: async (request, reply) => {
        void reply.header('cache-control', 'no-store')
        const caller = this.#caller(request)
        if (call.method === 'GET') return take(request.query).work(caller)
        const { about, work } = take(request.body ?? {})
        this.#abouts.set(request, about)
        const answer = await this.#options.onBehalfOf(caller, () => work(caller))
        await this.#recordDone(request, name, about)
        return answer
      },
    })
  }

  #serveSignIn(server: FastifyInstance): void {
    const { desk, id } = this.#options
    server.post(
      `${API}/sign-in`,
      {
        onRequest: (request) => {
          this.#requireOrigin(request)
          return Promise.resolve()
        },
      },
      async (request, reply) => {
        const { name, password } = parseInput(commonContract['sign-in'].input, request.body)
        this.#abouts.set(request, (await desk.knows(name)) ? name.trim() : 'an unknown name')
        const { user, secrets } = await desk.signIn(name, password, request.ip)
        void reply.header('cache-control', 'no-store').setCookie(cookieName(id), secrets.id, {
          path: '/',
          httpOnly: true,
          secure: true,
          sameSite: 'strict',
        })
        await this.#recordDone(request, 'sign-in', '', user.name)
        return { token: secrets.token, user: desk.document(user) }
      },
    )
  }

  /** Server-sent events (WHATWG HTML §9.2), as long as the session stands. */
  #follow(request: FastifyRequest, reply: FastifyReply): void {
    const caller = this.#caller(request)
    reply.hijack()
    const { raw } = reply
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    closeOnShutdown(raw)
    const { desk, follow } = this.#options
    // One after the other: each looks first whether the session still stands.
    let told = Promise.resolve()
    const stop = follow((event, data) => {
      told = told
        .then(async () => {
          if (raw.writableLength > SLOWEST || !(await desk.userOf(await desk.sessions.whose(caller.session))))
            raw.end()
          else raw.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
        })
        // Whatever is wrong, it is this listener's alone.
        .catch(() => {
          raw.destroy()
        })
    }, caller)
    raw.on('close', stop)
    raw.on('error', stop)
  }

  async #servePage(server: FastifyInstance): Promise<void> {
    const directory = pagesDirectory(this.#options.page)
    if (directory === null) return
    const index = readFileSync(`${directory}index.html`, 'utf8')
    await server.register(files, {
      root: `${directory}assets`,
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
        .send(index.replaceAll('__NONCE__', nonceOf(request))),
    )
  }

  /** Whoever calls by another name was led here by somebody else's (DNS rebinding). */
  #requireHost(request: FastifyRequest): void {
    const { hostname } = request
    const host = stripBrackets(hostname).toLowerCase()
    if (!this.#hosts.has(host))
      throw new LicensingError('HOST_REFUSED', `This server is not called ${JSON.stringify(hostname)}.`)
  }

  #requireOrigin(request: FastifyRequest): void {
    const { origin, 'sec-fetch-site': site } = request.headers
    const own = `https://${request.headers.host ?? ''}`
    if (origin !== undefined && origin !== own)
      throw new LicensingError('ORIGIN_REFUSED', 'The request came from a page of another site.')
    if (site !== undefined && site !== 'same-origin' && site !== 'none')
      throw new LicensingError('ORIGIN_REFUSED', 'The request came from a page of another site.')
  }

  /** Lets a request in, or says why not: its origin, its session, its token, its role. */
  async #admit(request: FastifyRequest, access: Access): Promise<void> {
    this.#requireOrigin(request)
    if (access === 'open') return
    const { desk, id } = this.#options
    const session = request.cookies[cookieName(id)]
    const token = request.headers[TOKEN_HEADER]
    const found = await desk.sessions.find(session, typeof token === 'string' ? token : undefined)
    if (found === 'no-session' || session === undefined)
      throw new LicensingError('SIGN_IN_REQUIRED', 'Nobody is signed in, or the session has ended.')
    if (found === 'forged')
      throw new LicensingError(
        'SESSION_TOKEN_INVALID',
        'The request does not carry the token of its session.',
      )
    const user = await desk.userOf(found)
    if (!user) throw new LicensingError('SIGN_IN_REQUIRED', 'Nobody is signed in, or the session has ended.')
    const { name, role, account, virtualAccount, mustChange } = user
    this.#callers.set(request, { name, role, account, virtualAccount, address: request.ip, session })
    if (mustChange && access !== 'signed-in')
      throw new LicensingError('PASSWORD_CHANGE_REQUIRED', 'The one-time password must be changed first.')
    if (ranks[role] < ranks[access])
      throw new LicensingError('PERMISSION_DENIED', `A ${role} may not do that.`)
  }

  #caller(request: FastifyRequest): Caller {
    const caller = this.#callers.get(request)
    if (caller) return caller
    throw new LicensingError('SIGN_IN_REQUIRED', 'Nobody is signed in.')
  }

  /** What was done is done, whether or not it could be written down. */
  async #recordDone(request: FastifyRequest, action: string, about: string, who?: string): Promise<void> {
    try {
      await this.#options.desk.record({
        who: who ?? this.#callers.get(request)?.name ?? null,
        address: request.ip,
        action,
        subject: about,
        outcome: 'done',
      })
    } catch (thrown) {
      this.#options.logger.error('the audit record could not be written', {
        reason: asLicensingError(thrown).message,
      })
    }
  }

  /** Every attempt to do something, and whatever a caller may not: by the name of the call, never by what was typed. */
  async #recordRefusal(request: FastifyRequest, failure: LicensingError, status: number): Promise<void> {
    const action = request.routeOptions.url?.replace(`${API}/`, '') ?? 'what is not there'
    // A page that was open asks again by itself after a restart: that is nobody's attempt.
    if (action === 'live' && failure.code === 'SIGN_IN_REQUIRED') return
    if (request.method !== 'POST' && ![401, 403, 421, 429].includes(status)) return
    await this.#options.desk.record({
      who: this.#callers.get(request)?.name ?? null,
      address: request.ip,
      action,
      subject: this.#abouts.get(request) ?? '',
      outcome: failure.code,
    })
  }

  async #refuse(thrown: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const field = thrown instanceof InvalidInput ? thrown.field : undefined
    const failure = failureOf(thrown)
    // The web framework knows best what is wrong with the form of a request.
    const status =
      failure.code === 'REQUEST_MALFORMED' && 'statusCode' in thrown
        ? (thrown.statusCode ?? 400)
        : errorStatus(failure, failure.kind === 'usage' ? 400 : 409)
    await this.#recordRefusal(request, failure, status).catch(() => undefined)
    if (status === 500)
      this.#options.logger.error('a request failed', {
        requestId: request.id,
        code: failure.code,
        reason: failure.message,
      })
    const told =
      failure.code === 'INTERNAL' ? new LicensingError('INTERNAL', 'The request could not be done.') : failure
    if (failure.retryAfterMs !== undefined)
      void reply.header('retry-after', Math.ceil(failure.retryAfterMs / 1000))
    await reply
      .code(status)
      .header('cache-control', 'no-store')
      .send({ error: { ...told.toJSON(), ...(field !== undefined && { field }) } })
  }
}

/** What went wrong, as one of this project's errors: the web framework's own are about the form of a request. */
function failureOf(thrown: FastifyError | Error): LicensingError {
  if (thrown instanceof InvalidInput) return thrown.failure
  const failure = asLicensingError(thrown)
  const status = 'statusCode' in thrown ? thrown.statusCode : undefined
  return failure.code === 'INTERNAL' && status !== undefined && status < 500
    ? malformedRequestError(status)
    : failure
}

const cookieName = (id: string): string => `__Host-sla-${id}`

const nonces = new WeakMap<object, string>()
/** One nonce for a request: for its policy and for the page it is sent with. */
function nonceOf(request: object): string {
  const raw = 'raw' in request && typeof request.raw === 'object' && request.raw ? request.raw : request
  const nonce = nonces.get(raw) ?? randomBytes(16).toString('base64')
  nonces.set(raw, nonce)
  return nonce
}
