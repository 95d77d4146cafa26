import { randomBytes, X509Certificate } from 'node:crypto'
import { Server as TlsServer } from 'node:tls'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { FaultPlan } from '../../faults/index.ts'
import { toLicensingError, LicensingError } from '../../core/errors.ts'
import { parseHostName } from '../../core/host-name.ts'
import { type Instant, MINUTE } from '../../core/time.ts'
import { ConnectionLimiter, type ConnectionLimits } from '../../http/connection-limiter.ts'
import { formatUrlHost, LOOPBACK_HOSTS } from '../../core/host-name.ts'
import { listen } from '../../http/listen.ts'
import { TLS_SETTINGS } from '../../transports/tls-settings.ts'
import { type Credential, toTlsOptions } from '../../pki/certificate-generation.ts'
import { FaultInjector, type RequestRecord } from './fault-injector.ts'
import type { AuthorityContext } from '../context/authority-context.ts'
import type { RequestEndpoint } from '../exchange/request-endpoint.ts'
import { DatabaseCheck } from './database-check.ts'
import type { ServerLogger } from '../../core/server-logger.ts'
import type { NotReadyReason } from './routes.ts'
import type { TlsProvider } from './tls-certificates.ts'

/** Where an authority is served. */
export interface ListenOptions {
  readonly host: string
  readonly port: number
  readonly names?: readonly string[]
  /** Faults that are done to answers on purpose: of an authority made for tests only. */
  readonly chaos?: FaultPlan
  /** What else is served at the same address, such as pages for people. */
  readonly routes?: FastifyPluginAsync
  /** What clients may hold together; `DEFAULT_CONNECTION_LIMITS` where not given. */
  readonly limits?: Partial<ConnectionLimits>
}

export interface InProcessRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: string
  /** Beside the content type of JSON, or in its place. */
  readonly headers?: Readonly<Record<string, string>>
}
export interface InProcessAnswer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

/** Work that time makes due while an authority is served. */
export interface BackgroundTask {
  run(): Promise<void>
}

/** An authority as it is served: its answers, its TLS certificate, and its work meanwhile. */
export interface ServedAuthority {
  readonly endpoint: RequestEndpoint
  readonly tls: TlsProvider
  readonly background: BackgroundTask
}

/** An authority at its addresses, until it is closed. */
export class AuthorityServer {
  readonly #context: AuthorityContext
  readonly #served: ServedAuthority
  readonly #logger: ServerLogger
  readonly #database: DatabaseCheck
  #server: FastifyInstance | null = null
  #limiter: ConnectionLimiter | null = null
  #names: readonly string[] = []
  #tls: Credential | null = null
  #excludedNames: readonly string[] = []
  #backgroundTimer: NodeJS.Timeout | undefined
  #inProcess: Promise<FastifyInstance> | null = null
  #faultApi: FastifyInstance | null = null
  #faultInjector: FaultInjector | null = null

  constructor(context: AuthorityContext, served: ServedAuthority, logger: ServerLogger) {
    this.#context = context
    this.#served = served
    this.#logger = logger
    this.#database = new DatabaseCheck(context.store)
  }

  /** Serves agents over HTTPS until it is closed. @throws LicensingError ADDRESS_IN_USE, CHAOS_NOT_ALLOWED, INVALID_ARGUMENT */
  async listen(options: ListenOptions): Promise<string> {
    if (options.chaos) this.#injectFaults(options.chaos)
    const { host, names = [] } = options
    const wrong = names.find((name) => parseHostName(name) === null)
    if (wrong !== undefined)
      throw new LicensingError(
        'INVALID_ARGUMENT',
        `${JSON.stringify(wrong.slice(0, 100))} is no name of a server: it is a host name or an IP address.`,
      )
    this.#names = [...(host === '0.0.0.0' || parseHostName(host) === null ? [] : [host]), ...names].filter(
      (name) => name !== '::',
    )
    const { credential, excludedNames, tickets } = await this.#served.tls.provide(this.#names)
    this.#tls = credential
    this.#logExcludedNames(excludedNames)
    this.#limiter = new ConnectionLimiter(options.limits)
    this.#server = await this.#createServer(credential, this.#limiter, options.routes)
    const { server } = this.#server
    if (server instanceof TlsServer) server.setTicketKeys(tickets)
    const port = await listen(this.#server, options)
    this.#backgroundTimer = setInterval(() => {
      void this.#runBackgroundWork()
    }, MINUTE)
    return `https://${formatUrlHost(options.host)}:${port}`
  }

  async #runBackgroundWork(): Promise<void> {
    try {
      await this.#renewTls()
      await this.#served.background.run()
    } catch (error) {
      const failure = toLicensingError(error)
      // Without settings there is nowhere to send mails to: `mail show` says how many wait.
      if (failure.code !== 'MAIL_NOT_CONFIGURED')
        this.#logger.error('a beat failed', { reason: failure.message })
    }
  }

  /** A TLS certificate, or the CA above it, that has been renewed is presented from then on. */
  async #renewTls(): Promise<void> {
    const { server } = this.#server ?? {}
    if (!(server instanceof TlsServer)) return
    const { credential, excludedNames, tickets } = await this.#served.tls.provide(this.#names)
    this.#logExcludedNames(excludedNames)
    if (credential.certificates.join() !== this.#tls?.certificates.join()) {
      // Settings that are not given again fall back to those of the process.
      server.setSecureContext({ ...toTlsOptions(credential), ...TLS_SETTINGS })
      this.#tls = credential
    }
    if (!server.getTicketKeys().equals(tickets)) server.setTicketKeys(tickets)
  }

  /** Logs which names the certificate is not for, each time they are others. */
  #logExcludedNames(names: readonly string[]): void {
    if (names.join() === this.#excludedNames.join()) return
    this.#excludedNames = names
    if (names.length > 0)
      this.#logger.error(
        'names were left out of the TLS certificate: the manager gives a satellite its names with `satellite configure NAME --tls-name`',
        { names },
      )
  }

  /** @throws LicensingError CHAOS_NOT_ALLOWED */
  #requireTest(): void {
    if (!this.#context.credentials.keyRing.identity.test)
      throw new LicensingError('CHAOS_NOT_ALLOWED', 'This authority was not made for tests.')
  }

  /** From here on, what is planned is done to the answers. @throws LicensingError CHAOS_NOT_ALLOWED */
  #injectFaults(plan: FaultPlan): FaultInjector {
    this.#requireTest()
    this.#faultInjector = new FaultInjector(plan, () => this.#context.clock.now())
    this.#logger.error('THIS AUTHORITY MISBEHAVES ON PURPOSE: not for production', { faults: plan.faults })
    return this.#faultInjector
  }

  /** What came to an authority that misbehaves, on its own sockets; nothing otherwise. */
  faultRequestLog(): readonly RequestRecord[] {
    return this.#faultInjector?.history ?? []
  }

  /**
   * Makes a TLS credential with dates or names that are wrong, for what must be refused.
   *
   * @throws LicensingError CHAOS_NOT_ALLOWED
   */
  async createTestTls(facts: {
    notBefore: Instant
    notAfter: Instant
    hosts: readonly string[]
  }): Promise<Credential> {
    this.#requireTest()
    return this.#context.credentials.servers.forTests(facts)
  }

  /**
   * Serves the address where faults are planned at run time, and where what came is read.
   *
   * @returns its URL, and the bearer it asks for
   * @throws LicensingError ADDRESS_IN_USE, CHAOS_NOT_ALLOWED, INVALID_ARGUMENT: loopback only
   */
  async listenFaultApi(options: { host: string; port: number }): Promise<{ url: string; bearer: string }> {
    if (!LOOPBACK_HOSTS.includes(options.host))
      throw new LicensingError(
        'INVALID_ARGUMENT',
        `The address of the fault API is one of ${LOOPBACK_HOSTS.join(', ')}.`,
      )
    const faultInjector = this.#faultInjector ?? this.#injectFaults(new FaultPlan())
    const bearer = randomBytes(24).toString('base64url')
    const { createFaultApi } = await import('./fault-api.ts')
    this.#faultApi = createFaultApi(faultInjector, bearer)
    const port = await listen(this.#faultApi, options)
    return { url: `http://${formatUrlHost(options.host)}:${port}`, bearer }
  }

  /**
   * Answers what the server would answer, without a network between: for tests of what talks to it. A road of the tests'
   * own may stand where TLS stands in the real thing.
   */
  async inject(request: InProcessRequest): Promise<InProcessAnswer> {
    this.#inProcess ??= this.#createServer(null, null)
    const server = await this.#inProcess
    const { statusCode, headers, body } = await server.inject({
      method: request.method,
      url: request.path,
      headers: { 'content-type': 'application/json', ...request.headers },
      ...(request.body !== undefined && { payload: request.body }),
    })
    const texts = Object.entries(headers).map(([name, value]) => [name, String(value)] as const)
    return { status: statusCode, headers: Object.fromEntries(texts), body }
  }

  async #createServer(
    tls: Credential | null,
    limiter: ConnectionLimiter | null,
    routes?: FastifyPluginAsync,
  ): Promise<FastifyInstance> {
    // Most commands serve nothing, and need not wait for what serves.
    const { createServer } = await import('./routes.ts')
    return createServer({
      tls,
      limiter,
      endpoint: this.#served.endpoint,
      health: this,
      faultInjector: () => this.#faultInjector,
      routes,
      logger: this.#logger,
    })
  }

  /** The connections of the address it is served at; null while it is not. */
  get connections(): ConnectionLimiter | null {
    return this.#limiter
  }

  /** When the TLS certificate that is presented ends; null while nothing is served. */
  tlsEndsAt(): Instant | null {
    const [leaf] = this.#tls?.certificates ?? []
    return leaf === undefined ? null : Date.parse(new X509Certificate(leaf).validTo)
  }

  /** Returns why the authority cannot do its work now; nothing where it can. */
  async notReadyReasons(): Promise<readonly NotReadyReason[]> {
    if (this.#limiter?.isDraining) return ['draining']
    const ends = this.tlsEndsAt()
    return [
      ...((await this.#database.isReachable()) ? [] : (['database'] as const)),
      ...(ends !== null && ends <= this.#context.clock.now() ? (['certificate'] as const) : []),
    ]
  }

  /** Takes nothing new, and answers what is under way, for at most half a minute. */
  async drain(): Promise<void> {
    clearInterval(this.#backgroundTimer)
    await this.#server?.close()
  }

  /** Closes at once, whatever is under way. */
  async close(): Promise<void> {
    clearInterval(this.#backgroundTimer)
    this.#limiter?.abort()
    await this.#server?.close()
    const inProcess = await this.#inProcess
    await inProcess?.close()
    await this.#faultApi?.close()
  }
}
