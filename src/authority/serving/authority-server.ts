import { randomBytes, X509Certificate } from 'node:crypto'
import { Server as TlsServer } from 'node:tls'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { FaultPlan } from '../../faults/index.ts'
import { toLicensingError, LicensingError } from '../../core/errors.ts'
import { parseHostName } from '../../core/host-name.ts'
import { type NetworkList, parseNetworks } from '../../core/ip-address.ts'
import { type Instant, MINUTE } from '../../core/time.ts'
import { ConnectionLimiter, type ConnectionLimits } from '../../http/connection-limiter.ts'
import { formatUrlHost, LOOPBACK_HOSTS } from '../../core/host-name.ts'
import type { ConsoleCertificate } from '../../http/console-certificate.ts'
import { listen } from '../../http/listen.ts'
import { TLS_SETTINGS } from '../../transports/tls-settings.ts'
import { type Credential, toTlsOptions } from '../../pki/certificate-generation.ts'
import { FaultInjector, type RequestRecord } from './fault-injector.ts'
import type { AuthorityContext } from '../context/authority-context.ts'
import type { RequestEndpoint } from '../exchange/request-endpoint.ts'
import { DatabaseCheck } from './database-check.ts'
import type { ServerLogger } from '../../core/server-logger.ts'
import type { NotReadyReason } from './routes.ts'
import { SniCertificate } from './sni-certificate.ts'
import type { TlsProvider } from './tls-certificates.ts'

/** Options of a server. */
export interface ListenOptions {
  readonly host: string
  readonly port: number
  readonly names?: readonly string[]
  /** Faults to inject into answers. Requires an authority that allows fault injection. */
  readonly chaos?: FaultPlan
  /**
   * Further routes at the same address, such as the web console.
   *
   * @internal
   */
  readonly routes?: FastifyPluginAsync
  /**
   * Company's certificate for the further routes. Clients get it for its host names.
   *
   * @internal
   */
  readonly consoleCertificate?: ConsoleCertificate
  /** Proxies in front of the server whose `X-Forwarded-For` is believed: addresses and CIDR blocks. */
  readonly trustedProxies?: readonly string[]
  /** Limits for clients. The defaults are `DEFAULT_CONNECTION_LIMITS`. */
  readonly limits?: Partial<ConnectionLimits>
}

export interface InProcessRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: string
  /** Headers in addition to the JSON content type, which they may replace. */
  readonly headers?: Readonly<Record<string, string>>
}
export interface InProcessAnswer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

/** Periodic work while an authority is served. */
export interface BackgroundTask {
  run(): Promise<void>
}

/** Parts of an authority that a server uses. */
export interface ServedAuthority {
  readonly endpoint: RequestEndpoint
  readonly tls: TlsProvider
  readonly background: BackgroundTask
}

/** HTTPS server of an authority. */
export class AuthorityServer {
  readonly #context: AuthorityContext
  readonly #served: ServedAuthority
  readonly #logger: ServerLogger
  readonly #database: DatabaseCheck
  #server: FastifyInstance | null = null
  #limiter: ConnectionLimiter | null = null
  #names: readonly string[] = []
  #tls: Credential | null = null
  #sni: SniCertificate | null = null
  #excludedNames: readonly string[] = []
  #backgroundTimer: NodeJS.Timeout | undefined
  #inProcess: Promise<FastifyInstance> | null = null
  #faultApi: FastifyInstance | null = null
  #faultInjector: FaultInjector | null = null
  /** Resolves if the files of the database were replaced, so that this process must end. */
  readonly storeReplaced: Promise<LicensingError>

  constructor(context: AuthorityContext, served: ServedAuthority, logger: ServerLogger) {
    this.#context = context
    this.#served = served
    this.#logger = logger
    this.#database = new DatabaseCheck(context.store, logger)
    this.storeReplaced = this.#database.storeReplaced
  }

  /**
   * Serves agents over HTTPS until the server is closed. @throws LicensingError ADDRESS_IN_USE, CHAOS_NOT_ALLOWED,
   * INVALID_ARGUMENT
   */
  async listen(options: ListenOptions): Promise<string> {
    if (options.chaos) this.#injectFaults(options.chaos)
    const { host, names = [] } = options
    const trustedProxies = parseNetworks(options.trustedProxies)
    const wrong = names.find((name) => parseHostName(name) === null)
    if (wrong !== undefined)
      throw new LicensingError(
        'INVALID_ARGUMENT',
        `${JSON.stringify(wrong.slice(0, 100))} is not a server name. Use a host name or an IP address.`,
      )
    this.#names = [...(host === '0.0.0.0' || parseHostName(host) === null ? [] : [host]), ...names].filter(
      (name) => name !== '::',
    )
    const { credential, excludedNames, tickets } = await this.#served.tls.provide(this.#names)
    this.#tls = credential
    this.#logExcludedNames(excludedNames)
    this.#limiter = new ConnectionLimiter(options.limits)
    this.#server = await this.#createServer(credential, this.#limiter, { ...options, trustedProxies })
    const { server } = this.#server
    if (server instanceof TlsServer) {
      server.setTicketKeys(tickets)
      if (options.consoleCertificate) {
        this.#sni = new SniCertificate(options.consoleCertificate, this.#logger)
        this.#sni.present(server, credential)
      }
    }
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
      // Without mail settings the e-mails wait, and `mail show` reports their number.
      if (failure.code !== 'MAIL_NOT_CONFIGURED')
        this.#logger.error('a background run failed', { reason: failure.message })
    }
  }

  /** Presents a TLS certificate or CA that has been renewed. */
  async #renewTls(): Promise<void> {
    const { server } = this.#server ?? {}
    if (!(server instanceof TlsServer)) return
    const { credential, excludedNames, tickets } = await this.#served.tls.provide(this.#names)
    this.#logExcludedNames(excludedNames)
    if (credential.certificates.join() !== this.#tls?.certificates.join()) {
      // Settings that are not repeated would fall back to the defaults of the process.
      server.setSecureContext({ ...toTlsOptions(credential), ...TLS_SETTINGS })
      this.#tls = credential
    }
    if (!server.getTicketKeys().equals(tickets)) server.setTicketKeys(tickets)
    this.#sni?.renew(server)
  }

  /** Logs the excluded names of the certificate when they change. */
  #logExcludedNames(names: readonly string[]): void {
    if (names.join() === this.#excludedNames.join()) return
    this.#excludedNames = names
    if (names.length > 0)
      this.#logger.error(
        'names were excluded from the TLS certificate, which has at most 100; set the names of a satellite at its manager with `satellite configure NAME --tls-name`',
        { names },
      )
  }

  /** @throws LicensingError CHAOS_NOT_ALLOWED */
  #requireTest(): void {
    if (!this.#context.credentials.keyRing.identity.test)
      throw new LicensingError('CHAOS_NOT_ALLOWED', 'This authority does not allow fault injection.')
  }

  /** Injects the planned faults into answers from now on. @throws LicensingError CHAOS_NOT_ALLOWED */
  #injectFaults(plan: FaultPlan): FaultInjector {
    this.#requireTest()
    this.#faultInjector = new FaultInjector(plan, () => this.#context.clock.now())
    this.#logger.error('FAULT INJECTION IS ENABLED: not for production', { faults: plan.faults })
    return this.#faultInjector
  }

  /** Returns the requests to an authority with fault injection, or an empty list. */
  faultRequestLog(): readonly RequestRecord[] {
    return this.#faultInjector?.history ?? []
  }

  /**
   * Creates a TLS credential with faulty dates or names, for tests of TLS clients.
   *
   * @throws LicensingError CHAOS_NOT_ALLOWED
   */
  async createTestTls(facts: {
    notBefore: Instant
    notAfter: Instant
    hosts: readonly string[]
  }): Promise<Credential> {
    this.#requireTest()
    return this.#context.credentials.servers.createForTests(facts)
  }

  /**
   * Serves the API that plans faults at run time and lists the received requests. It listens on a loopback address
   * only.
   *
   * @returns its URL, and the bearer token that it requires
   * @throws LicensingError ADDRESS_IN_USE, CHAOS_NOT_ALLOWED, INVALID_ARGUMENT
   */
  async listenFaultApi(options: { host: string; port: number }): Promise<{ url: string; bearer: string }> {
    if (!LOOPBACK_HOSTS.includes(options.host))
      throw new LicensingError(
        'INVALID_ARGUMENT',
        `The address of the fault API must be one of ${LOOPBACK_HOSTS.join(', ')}.`,
      )
    const faultInjector = this.#faultInjector ?? this.#injectFaults(new FaultPlan())
    const bearer = randomBytes(24).toString('base64url')
    const { createFaultApi } = await import('./fault-api.ts')
    this.#faultApi = createFaultApi(faultInjector, bearer)
    const port = await listen(this.#faultApi, options)
    return { url: `http://${formatUrlHost(options.host)}:${port}`, bearer }
  }

  /**
   * Returns the answer of the server to a request without a network, for tests of clients. A test may simulate the
   * transport.
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
    { routes, trustedProxies }: { routes?: FastifyPluginAsync; trustedProxies?: NetworkList } = {},
  ): Promise<FastifyInstance> {
    // Most commands serve nothing, so the server modules are loaded on demand.
    const { createServer } = await import('./routes.ts')
    return createServer({
      tls,
      limiter,
      endpoint: this.#served.endpoint,
      health: this,
      faultInjector: () => this.#faultInjector,
      routes,
      trustedProxies,
      logger: this.#logger,
    })
  }

  /** The connections of the server, or null while it does not listen. */
  get connections(): ConnectionLimiter | null {
    return this.#limiter
  }

  /** Returns the end of the presented TLS certificate, or null while the server does not listen. */
  tlsEndsAt(): Instant | null {
    const [leaf] = this.#tls?.certificates ?? []
    return leaf === undefined ? null : Date.parse(new X509Certificate(leaf).validTo)
  }

  /** Returns the reasons why the authority is not ready, or an empty list. */
  async notReadyReasons(): Promise<readonly NotReadyReason[]> {
    if (this.#limiter?.isDraining) return ['draining']
    const ends = this.tlsEndsAt()
    return [
      ...((await this.#database.isWritable()) ? [] : (['database'] as const)),
      ...(ends !== null && ends <= this.#context.clock.now() ? (['certificate'] as const) : []),
    ]
  }

  /** Stops accepting requests, and completes the running ones within 25 seconds. */
  async drain(): Promise<void> {
    clearInterval(this.#backgroundTimer)
    await this.#server?.close()
  }

  /** Closes the server at once, with all connections. */
  async close(): Promise<void> {
    clearInterval(this.#backgroundTimer)
    this.#limiter?.abort()
    await this.#server?.close()
    const inProcess = await this.#inProcess
    await inProcess?.close()
    await this.#faultApi?.close()
  }
}
