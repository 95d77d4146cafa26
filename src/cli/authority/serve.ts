import type { Command } from 'commander'
import type { FastifyInstance } from 'fastify'
import type { AgentLogger } from '../../agent/logger.ts'
import type { Authority } from '../../authority/authority.ts'
import type { AuthorityObserver } from '../../authority/observer.ts'
import { LicensingError } from '../../core/errors.ts'
import { parseNetworks } from '../../core/ip-address.ts'
import { stripBrackets } from '../../core/host-name.ts'
import type { ServerLogger } from '../../core/server-logger.ts'
import { SECOND } from '../../core/time.ts'
import { ConsoleCertificate } from '../../http/console-certificate.ts'
import type { serveConsole } from '../../http/serve-console.ts'
import { withTimeout } from '../../transports/deadline.ts'
import { parseAddress } from '../address.ts'
import { type AuthorityCli, parseWholeNumber } from './authority-cli.ts'
import { runWorkers, reportListening, getWorkerIndex, onWorkerShutdown } from './workers.ts'
import { createCommand } from '../create-command.ts'
import {
  addOperationsOptions,
  type MetricsAddress,
  parseMetricsAddress,
  type OperationsOptions,
} from '../operations-options.ts'
import { printListening, type ListeningInfo } from '../print-listening.ts'
import { onShutdownSignal } from '../shutdown-signal.ts'

/** Maximum number of workers. With more, the database is the bottleneck, not the processor. */
const MAX_WORKERS = 64

/** Time limit for stopping, below the half minute after which service managers and orchestrators kill. */
const STOP_TIMEOUT_MS = 28 * SECOND

/** Time limit for the delivery of webhooks that is in progress, as for requests. */
const DELIVERY_TIMEOUT_MS = 25 * SECOND

interface ServeOptions extends OperationsOptions {
  listen: string
  development?: boolean
  profile?: string
  name?: string[]
  tlsCert?: string
  tlsKey?: string
  console?: string
  trustedProxy?: string[]
  connections: string
  workers: string
  chaos?: string
  faultApi?: string
  connectProxy?: string
  connectHost?: string[]
}

/** Creates the command `serve`, which serves the authority until a shutdown signal. */
export function createServeCommand(cli: AuthorityCli): Command {
  const command = createCommand('serve')
    .description('serve agents, the REST API and the web console Software Manager over HTTPS')
    .option('--listen <host:port>', 'address to listen on; port 0 selects a free port', '127.0.0.1:8443')
    .option('--name <name...>', 'additional host names and addresses for the TLS certificate')
    .option(
      '--tls-cert <file>',
      "certificate of a company's CA for the web console and the REST API, with its chain (PEM); devices get the authority's own",
    )
    .option('--tls-key <file>', 'private key of --tls-cert (PEM)')
    .option(
      '--console <host:port>',
      'address of its own for the web console and the REST API; requires --tls-cert',
    )
    .option(
      '--trusted-proxy <cidr...>',
      'addresses or CIDR blocks of reverse proxies whose X-Forwarded-For names the client',
    )
    .option('--connections <n>', 'maximum number of concurrent connections per process', '20000')
    .option('--workers <n>', 'number of processes that serve at this address', '1')
    .option(
      '--development',
      'for the development of a product: create a test authority if there is none, with licenses of each tag and a registration token',
    )
    .option('--profile <file>', 'with --development: JSON file of the product profile')
  return addOperationsOptions(command)
    .option(
      '--chaos <faults>',
      "inject faults, as in 'delay=200ms,error503=0.1' (requires init --allow-fault-injection)",
    )
    .option(
      '--fault-api <host:port>',
      'serve the API for planning faults at run time and for inspecting requests (requires init --allow-fault-injection)',
    )
    .option(
      '--connect-proxy <host:port>',
      'serve an HTTP proxy that sends requests for the cloud hosts of --connect-host to this authority; loopback only (requires init --allow-fault-injection)',
    )
    .option(
      '--connect-host <name...>',
      'hosts that the proxy redirects (default: swapi.cisco.com, apx.cisco.com, …)',
    )
    .action((options: ServeOptions) => {
      const workers = parseWorkers(options)
      // Checked before workers start, because a worker that fails is started again.
      parseNetworks(options.trustedProxy)
      readConsoleCertificate(options)
      return workers === 1 || getWorkerIndex() !== null
        ? serve(cli, options)
        : serveByWorkers(cli, options, workers)
    })
}

/** Parses and checks the number of worker processes. @throws LicensingError INVALID_ARGUMENT, USAGE */
function parseWorkers(options: ServeOptions): number {
  const { workers, chaos, faultApi, connectProxy, development = false } = options
  const number = parseWholeNumber(workers, 'number of workers')
  if (development && number > 1)
    throw new LicensingError('USAGE', '--development requires a single process. Leave out --workers.')
  if (!development && options.profile !== undefined)
    throw new LicensingError(
      'USAGE',
      '--profile requires --development. `profile replace` changes the profile of an authority.',
    )
  if (number === 0 || number > MAX_WORKERS)
    throw new LicensingError('INVALID_ARGUMENT', `--workers must be between 1 and ${MAX_WORKERS}.`)
  if (number > 1 && (chaos !== undefined || faultApi !== undefined))
    throw new LicensingError(
      'USAGE',
      '--chaos and --fault-api require a single process. Leave out --workers.',
    )
  if (number > 1 && connectProxy !== undefined)
    throw new LicensingError('USAGE', '--connect-proxy requires a single process. Leave out --workers.')
  return number
}

/** Serves with several worker processes and prints their addresses once. */
async function serveByWorkers({ json }: AuthorityCli, options: ServeOptions, workers: number): Promise<void> {
  const { createLogger } = await import('../log.ts')
  process.exitCode = await runWorkers({
    workers,
    log: createLogger(options),
    listening: (infos: readonly ListeningInfo[]) => {
      const [first] = infos
      if (!first) return
      const metrics = infos.flatMap((info) => info.metrics ?? [])
      printListening(json(), { ...first, workers, ...(metrics.length > 0 && { metrics }) })
    },
  })
}

/** Serves until a shutdown signal. @throws LicensingError as `Authority.open` and `Authority.listen`, STORE_REPLACED */
async function serve(cli: AuthorityCli, options: ServeOptions): Promise<void> {
  const worker = getWorkerIndex()
  // As process 1 of a container, the program would ignore a signal that comes before this.
  const stopped = worker === null ? onShutdownSignal() : onWorkerShutdown()
  void stopped.then(() => {
    // Whatever hangs, the process ends before a supervisor kills it.
    setTimeout(() => process.exit(1), STOP_TIMEOUT_MS).unref()
  })
  const { dataDir, database, json } = cli
  const at = parseAddress(options.listen)
  const faultApi = options.faultApi === undefined ? undefined : parseAddress(options.faultApi)
  const connectProxy = parseConnectProxy(options)
  const chaos = options.chaos === undefined ? undefined : await parseAnswerFaults(options.chaos)
  const connections = parseWholeNumber(options.connections, 'number of connections')
  if (connections === 0) throw new LicensingError('INVALID_ARGUMENT', '--connections must be 1 or more.')
  const [{ Authority }, { createLogger }] = await Promise.all([
    import('../../authority/authority.ts'),
    import('../log.ts'),
  ])
  const development = options.development === true ? await prepare(cli, options.profile) : null
  const logger = createLogger(options)
  const { observe, ...telemetry } = await startTelemetry(options, worker ?? 0, logger)
  const authority = await unlessStopped(stopped, async () =>
    Authority.open({
      dataDir: dataDir(),
      database: database(),
      logger,
      ...(observe && { observer: observe }),
    }),
  ).catch(async (error: unknown) => {
    await telemetry.close()
    throw error
  })
  if (authority === null) {
    await telemetry.close()
    logger.info('stopped before the database was open')
    return
  }
  let proxy: ServedConnectProxy | null = null
  let consoleServer: Awaited<ReturnType<typeof serveConsole>> | null = null
  try {
    if (connectProxy && !authority.security.identity.test)
      throw new LicensingError(
        'CHAOS_NOT_ALLOWED',
        'A CONNECT proxy is for tests only. This authority was not created with --allow-fault-injection.',
      )
    const names = options.name ?? []
    const certificate = readConsoleCertificate(options)
    const consoleAddress = options.console === undefined ? null : parseAddress(options.console)
    const { createManagerConsole } = await import('../../console/authority-console.ts')
    const page = await createManagerConsole(authority, {
      dataDir: dataDir(),
      host: (consoleAddress ?? at).host,
      names: [...names, ...(certificate?.names ?? [])],
      logger,
    })
    const { RestApi } = await import('../../rest/rest.ts')
    const api = new RestApi(authority, { logger })
    telemetry.attach(authority)
    const routes = async (server: FastifyInstance): Promise<void> => {
      await server.register(page.routes)
      await server.register(api.routes)
    }
    if (certificate && consoleAddress) {
      const { serveConsole } = await import('../../http/serve-console.ts')
      const trustedProxies = parseNetworks(options.trustedProxy)
      consoleServer = await serveConsole({ ...consoleAddress, certificate, trustedProxies, logger }, routes)
    }
    const url = await authority.listen({
      ...at,
      names,
      ...(consoleServer === null && { routes, ...(certificate && { consoleCertificate: certificate }) }),
      limits: { maxConnections: connections },
      ...(options.trustedProxy && { trustedProxies: options.trustedProxy }),
      ...(chaos && { chaos }),
    })
    proxy =
      connectProxy &&
      (await serveConnectProxy(authority, { ...connectProxy, url, dataDir: dataDir(), logger }))
    const servedFaultApi = faultApi && (await serveFaultApi(authority, faultApi, dataDir()))
    const { firstPasswordFile } = page
    const listeningInfo: ListeningInfo = {
      listening: url,
      ...(consoleServer && { console: consoleServer.url }),
      firstPasswordFile,
      ...(telemetry.url !== null && { metrics: telemetry.url }),
      ...proxy?.listening,
      ...servedFaultApi,
      ...development,
    }
    if (worker === null) printListening(json(), listeningInfo)
    else reportListening(listeningInfo)
    logger.info('listening', { url })
    const failure = await Promise.race([stopped, authority.operations.server.storeReplaced])
    logger.info('stopping')
    await proxy?.close()
    const { server, webhooks } = authority.operations
    await Promise.all([
      server.drain(),
      consoleServer?.drain(),
      withTimeout(DELIVERY_TIMEOUT_MS, webhooks.close()),
    ])
    logger.info('stopped')
    if (failure) throw failure
  } finally {
    await proxy?.close()
    await consoleServer?.close()
    await authority.close()
    await telemetry.close()
  }
}

/** Reads the company's certificate. @returns null without one @throws LicensingError USAGE, FILE_UNREADABLE, INVALID_ARGUMENT */
function readConsoleCertificate(options: ServeOptions): ConsoleCertificate | null {
  const { tlsCert, tlsKey, console: address } = options
  if (tlsCert !== undefined && tlsKey !== undefined)
    return new ConsoleCertificate({ certificate: tlsCert, key: tlsKey })
  if (tlsCert === undefined && tlsKey === undefined && address === undefined) return null
  throw new LicensingError(
    'USAGE',
    tlsCert === undefined && tlsKey === undefined
      ? '--console requires --tls-cert FILE and --tls-key FILE.'
      : '--tls-cert FILE and --tls-key FILE are used together.',
  )
}

/** Prepares an authority for development. @throws LicensingError as `prepareDevelopment`, FILE_UNREADABLE, INVALID_ARGUMENT */
async function prepare(cli: AuthorityCli, profileFile: string | undefined) {
  const [{ prepareDevelopment }, { readProfileArgument }] = await Promise.all([
    import('./development.ts'),
    import('../read-profile.ts'),
  ])
  return prepareDevelopment(cli, profileFile === undefined ? null : readProfileArgument(profileFile))
}

/** Opens an authority. @returns null if the shutdown signal came first */
async function unlessStopped(
  stopped: Promise<void>,
  open: () => Promise<Authority>,
): Promise<Authority | null> {
  const opening = open()
  const opened = await Promise.race([opening, stopped.then(() => null)])
  if (opened === null)
    opening.then(
      (authority) => authority.close(),
      () => undefined,
    )
  return opened
}

/** Starts metrics and tracing if requested. Otherwise none of their modules is loaded. */
async function startTelemetry(
  options: OperationsOptions,
  worker: number,
  logger: AgentLogger,
): Promise<{
  observe: AuthorityObserver | null
  /** URL of the metrics, or null without `--metrics`. It answers before the database is open. */
  url: string | null
  attach: (authority: Authority) => void
  close: () => Promise<void>
}> {
  const { traces } = options
  const at = getWorkerAddress(parseMetricsAddress(options), worker)
  if (at === null && traces === undefined)
    return { observe: null, url: null, attach: () => undefined, close: () => Promise.resolve() }
  const tracing =
    traces === undefined
      ? null
      : await (await import('../../telemetry/tracing.ts')).startTracing(traces, 'smart-authority', logger)
  const { AuthorityMetrics } = await import('../../telemetry/authority-metrics.ts')
  const authorityMetrics = at && new AuthorityMetrics()
  const { combineObservers } = await import('../../telemetry/observers.ts')
  const { serveOperations } = await import('../../telemetry/operations-server.ts')
  const server =
    at &&
    authorityMetrics &&
    (await serveOperations({
      ...at,
      render: () => authorityMetrics.render(),
      notReadyReasons: () => authorityMetrics.notReadyReasons(),
    }))
  if (server) logger.info('starting', { metrics: server.url })
  return {
    observe: combineObservers([tracing, authorityMetrics].filter((observer) => observer !== null)),
    url: server?.url ?? null,
    attach: (authority) => authorityMetrics?.attach(authority.operations),
    close: async () => {
      await server?.close()
      authorityMetrics?.close()
      await tracing?.close()
    },
  }
}

/** Returns the metrics address of a worker. Each worker has its own port, counted up from the given one. */
const getWorkerAddress = (address: MetricsAddress | null, worker: number): MetricsAddress | null =>
  address && { ...address, port: address.port === 0 ? 0 : address.port + worker }

/** Parses the faults of `--chaos`. Connection faults are refused, because a server cannot inject them. @throws LicensingError CHAOS_INVALID */
async function parseAnswerFaults(spec: string) {
  const { FaultPlan, isAnswerFault, parseChaos } = await import('../../faults/index.ts')
  const faults = parseChaos(spec)
  const [connectionFault] = faults.filter(({ fault }) => !isAnswerFault(fault))
  if (connectionFault)
    throw new LicensingError(
      'CHAOS_INVALID',
      `${connectionFault.fault} is a connection fault, which an authority cannot inject itself.`,
      { remedy: 'Use `createMockAuthority` and its fault network in tests.' },
    )
  return new FaultPlan(faults)
}

/** @returns null without a CONNECT proxy @throws LicensingError USAGE, INVALID_ARGUMENT */
function parseConnectProxy({ connectProxy, connectHost }: ServeOptions) {
  if (connectProxy !== undefined) return { ...parseAddress(connectProxy), hosts: connectHost }
  if (connectHost === undefined) return null
  throw new LicensingError('USAGE', '--connect-host requires --connect-proxy HOST:PORT.')
}

interface ServedConnectProxy {
  readonly listening: { readonly connectProxy: string; readonly connectCa: string }
  readonly close: () => Promise<void>
}

/** Starts the CONNECT proxy and writes its CA certificate, which its clients must trust, to a file. */
async function serveConnectProxy(
  authority: Authority,
  options: {
    host: string
    port: number
    hosts: string[] | undefined
    url: string
    dataDir: string
    logger: ServerLogger
  },
): Promise<ServedConnectProxy> {
  const { host, port, hosts, logger } = options
  const { startConnectProxy } = await import('../../faults/connect-proxy.ts')
  const { SecretFileStore } = await import('../../storage/private-files.ts')
  const served = new URL(options.url)
  const isEveryAddress = ['0.0.0.0', '[::]'].includes(served.hostname)
  const { proxy, url } = await startConnectProxy({
    host,
    port,
    hosts,
    authority: {
      host: isEveryAddress ? '127.0.0.1' : stripBrackets(served.hostname),
      port: Number(served.port || 443),
      trust: authority.trustAnchor(),
    },
    at: Date.now(),
    logger,
  })
  const directory = `${options.dataDir}/connect`
  new SecretFileStore(directory).put('ca.pem', proxy.caCertificate)
  return {
    listening: { connectProxy: url, connectCa: `${directory}/ca.pem` },
    close: () => proxy.close(),
  }
}

/** Starts the fault API and writes its bearer token to a private file, so that the terminal does not show it. */
async function serveFaultApi(
  authority: Authority,
  at: { host: string; port: number },
  dataDir: string,
): Promise<{ faultApi: string; bearerFile: string }> {
  const { SecretFileStore } = await import('../../storage/private-files.ts')
  const { url, bearer } = await authority.operations.server.listenFaultApi(at)
  const directory = `${dataDir}/fault-api`
  new SecretFileStore(directory).put('bearer', bearer)
  return { faultApi: url, bearerFile: `${directory}/bearer` }
}
