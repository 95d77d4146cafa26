import type { Command } from 'commander'
import type { AgentLogger } from '../../agent/logger.ts'
import type { Authority } from '../../authority/authority.ts'
import type { AuthorityObserver } from '../../authority/observer.ts'
import { LicensingError } from '../../core/errors.ts'
import { stripBrackets } from '../../core/host-name.ts'
import type { ServerLogger } from '../../core/server-logger.ts'
import { parseAddress } from '../address.ts'
import { type AuthorityCli, parseWholeNumber } from './authority-cli.ts'
import { runWorkers, reportListening, getWorkerIndex, onWorkerShutdown } from './workers.ts'
import { createCommand } from '../create-command.ts'
import { addOperationsOptions, parseMetricsAddress, type OperationsOptions } from '../operations-options.ts'
import { printListening, type ListeningInfo } from '../print-listening.ts'
import { onShutdownSignal } from '../shutdown-signal.ts'

/** More processes than this on one machine wait for the database, not for a processor. */
const MAX_WORKERS = 64

interface ServeOptions extends OperationsOptions {
  listen: string
  name?: string[]
  connections: string
  workers: string
  chaos?: string
  faultApi?: string
  connectProxy?: string
  connectHost?: string[]
}

/** `serve`: the authority at its address, until it is told to stop. */
export function createServeCommand(cli: AuthorityCli): Command {
  const command = createCommand('serve')
    .description('serve agents, the REST API, and the page Software Manager, over HTTPS')
    .option('--listen <host:port>', 'address to listen on; port 0 takes a free one', '127.0.0.1:8443')
    .option('--name <name...>', 'further names and addresses for the TLS certificate')
    .option('--connections <n>', 'connections at a time, at most; of each process', '20000')
    .option('--workers <n>', 'processes that serve at this address together', '1')
  return addOperationsOptions(command)
    .option(
      '--chaos <faults>',
      "misbehave on purpose, as in 'delay=200ms,error503=0.1' (made with init --allow-fault-injection only)",
    )
    .option(
      '--fault-api <host:port>',
      'plan faults at run time, and see what came (made with init --allow-fault-injection only)',
    )
    .option(
      '--connect-proxy <host:port>',
      'lead clients that know fixed cloud hosts alone here, by an HTTP proxy (made with init --allow-fault-injection only); loopback only',
    )
    .option(
      '--connect-host <name...>',
      'the hosts that are led here (default: swapi.cisco.com, apx.cisco.com, …)',
    )
    .action((options: ServeOptions) => {
      const workers = parseWorkers(options)
      return workers === 1 || getWorkerIndex() !== null
        ? serve(cli, options)
        : serveByWorkers(cli, options, workers)
    })
}

/** How many processes are to serve. @throws LicensingError INVALID_ARGUMENT, USAGE */
function parseWorkers({ workers, chaos, faultApi, connectProxy }: ServeOptions): number {
  const number = parseWholeNumber(workers, 'number of workers')
  if (number === 0 || number > MAX_WORKERS)
    throw new LicensingError('INVALID_ARGUMENT', `Between 1 and ${MAX_WORKERS} workers serve together.`)
  if (number > 1 && (chaos !== undefined || faultApi !== undefined))
    throw new LicensingError('USAGE', 'Faults are planned in one process: without --workers.')
  if (number > 1 && connectProxy !== undefined)
    throw new LicensingError('USAGE', 'A CONNECT proxy leads to one process: without --workers.')
  return number
}

/** Serves by several processes, and says so once for all of them. */
async function serveByWorkers({ json }: AuthorityCli, options: ServeOptions, workers: number): Promise<void> {
  const { createLogger } = await import('../log.ts')
  process.exitCode = await runWorkers({
    workers,
    log: createLogger(options),
    listening: (all: readonly ListeningInfo[]) => {
      const [first] = all
      if (!first) return
      const metrics = all.flatMap((one) => one.metrics ?? [])
      printListening(json(), { ...first, workers, ...(metrics.length > 0 && { metrics }) })
    },
  })
}

async function serve({ dataDir, database, json }: AuthorityCli, options: ServeOptions): Promise<void> {
  const at = parseAddress(options.listen)
  const faultApi = options.faultApi === undefined ? undefined : parseAddress(options.faultApi)
  const worker = getWorkerIndex()
  const connectProxy = parseConnectProxy(options)
  const chaos = options.chaos === undefined ? undefined : await parseAnswerFaults(options.chaos)
  const connections = parseWholeNumber(options.connections, 'number of connections')
  if (connections === 0) throw new LicensingError('INVALID_ARGUMENT', 'One connection at least is served.')
  const [{ Authority }, { createLogger }] = await Promise.all([
    import('../../authority/authority.ts'),
    import('../log.ts'),
  ])
  const logger = createLogger(options)
  const { observe, ...telemetry } = await startTelemetry(options, worker ?? 0, logger)
  const authority = await Authority.open({
    dataDir: dataDir(),
    database: database(),
    logger,
    ...(observe && { observer: observe }),
  })
  const stopped = worker === null ? onShutdownSignal() : onWorkerShutdown()
  let proxy: ServedConnectProxy | null = null
  try {
    if (connectProxy && !authority.security.identity.test)
      throw new LicensingError(
        'CHAOS_NOT_ALLOWED',
        'A CONNECT proxy is a test aid. This authority was not made for tests.',
      )
    const names = options.name ?? []
    const { createManagerConsole } = await import('../../console/authority-console.ts')
    const page = await createManagerConsole(authority, { dataDir: dataDir(), host: at.host, names, logger })
    const { RestApi } = await import('../../rest/rest.ts')
    const api = new RestApi(authority, { logger })
    const metrics = await telemetry.serve(authority)
    const url = await authority.listen({
      ...at,
      names,
      routes: async (server) => {
        await server.register(page.routes)
        await server.register(api.routes)
      },
      limits: { maxConnections: connections },
      ...(chaos && { chaos }),
    })
    proxy =
      connectProxy &&
      (await serveConnectProxy(authority, { ...connectProxy, url, dataDir: dataDir(), logger }))
    const managed = faultApi && (await serveFaultApi(authority, faultApi, dataDir()))
    const { firstPasswordFile } = page
    const listeningInfo: ListeningInfo = {
      listening: url,
      firstPasswordFile,
      ...(metrics !== null && { metrics }),
      ...proxy?.listening,
      ...managed,
    }
    if (worker === null) printListening(json(), listeningInfo)
    else reportListening(listeningInfo)
    logger.info('listening', { url })
    await stopped
    logger.info('stopping')
    await proxy?.close()
    await authority.operations.server.drain()
    logger.info('stopped')
  } finally {
    await proxy?.close()
    await authority.close()
    await telemetry.close()
  }
}

/** What looks at the authority, as far as it is asked for; nothing of it is loaded otherwise. */
async function startTelemetry(
  { metrics, traces }: OperationsOptions,
  worker: number,
  logger: AgentLogger,
): Promise<{
  observe: AuthorityObserver | null
  /** @returns where metrics are served; null where they are not */
  serve: (authority: Authority) => Promise<string | null>
  close: () => Promise<void>
}> {
  const at = metrics === undefined ? null : getMetricsAddress(parseMetricsAddress(metrics), worker)
  if (at === null && traces === undefined)
    return { observe: null, serve: () => Promise.resolve(null), close: () => Promise.resolve() }
  const tracing =
    traces === undefined
      ? null
      : await (await import('../../telemetry/tracing.ts')).startTracing(traces, 'smart-authority', logger)
  const { AuthorityMetrics } = await import('../../telemetry/authority-metrics.ts')
  const measured = at && new AuthorityMetrics()
  const { combineObservers } = await import('../../telemetry/observers.ts')
  let server: { url: string; close: () => Promise<void> } | null = null
  return {
    observe: combineObservers([tracing, measured].filter((one) => one !== null)),
    serve: async (authority) => {
      if (!at || !measured) return null
      measured.attach(authority.operations)
      const { serveOperations } = await import('../../telemetry/operations-server.ts')
      server = await serveOperations({
        ...at,
        render: () => measured.render(),
        notReadyReasons: () => authority.operations.server.notReadyReasons(),
      })
      return server.url
    },
    close: async () => {
      await server?.close()
      await tracing?.close()
    },
  }
}

/** Each worker tells of itself, at a port of its own: the next ones. */
const getMetricsAddress = ({ host, port }: { host: string; port: number }, worker: number) => ({
  host,
  port: port === 0 ? 0 : port + worker,
})

/** The faults of `--chaos`; those of the road are not a server's to do. @throws LicensingError CHAOS_INVALID */
async function parseAnswerFaults(spec: string) {
  const { FaultPlan, isAnswerFault, parseChaos } = await import('../../faults/index.ts')
  const faults = parseChaos(spec)
  const [connectionFault] = faults.filter(({ fault }) => !isAnswerFault(fault))
  if (connectionFault)
    throw new LicensingError(
      'CHAOS_INVALID',
      `${connectionFault.fault} is a fault of the road, which an authority cannot do to itself.`,
      { remedy: 'Use `mockAuthority` and its road in tests.' },
    )
  return new FaultPlan(faults)
}

/** @returns null without a CONNECT proxy @throws LicensingError USAGE, INVALID_ARGUMENT */
function parseConnectProxy({ connectProxy, connectHost }: ServeOptions) {
  if (connectProxy !== undefined) return { ...parseAddress(connectProxy), hosts: connectHost }
  if (connectHost === undefined) return null
  throw new LicensingError('USAGE', '--connect-host is for a CONNECT proxy: --connect-proxy HOST:PORT.')
}

interface ServedConnectProxy {
  readonly listening: { readonly connectProxy: string; readonly connectCa: string }
  readonly close: () => Promise<void>
}

/** Starts the CONNECT proxy, and writes the certificate that its clients are to trust into a file. */
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

/** Opens the fault API; its bearer goes into a file of this user alone, not onto the screen. */
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
