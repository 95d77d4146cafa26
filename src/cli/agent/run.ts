import type { Command } from 'commander'
import type { ServedAddresses, ServeOptions } from '../../index.ts'
import type { AgentCli } from './agent-cli.ts'
import { parseAddress } from '../address.ts'
import { createCommand } from '../create-command.ts'
import { formatPage } from '../format-page.ts'
import { addOperationsOptions, type OperationsOptions, parseMetricsAddress } from '../operations-options.ts'
import { printJson, printText } from '../output.ts'

interface AddressOptions {
  listen?: string
  name?: string[]
  inspect?: string
  inspectTo?: string
  trustedProxy?: string[]
}

/** Creates the command `run`. */
export function createRunCommand({ json, dataDir }: AgentCli): Command {
  return addOperationsOptions(
    createCommand('run')
      .description('run the daemon, and with --listen the web console Smart Licenses')
      .option('--listen <host:port>', 'serve the web console over HTTPS; port 0 selects a free port')
      .option('--name <name...>', 'additional host names and addresses of the web console')
      .option(
        '--trusted-proxy <cidr...>',
        'addresses or CIDR blocks of reverse proxies whose X-Forwarded-For names the client',
      ),
  )
    .option('--log-file <file>', 'write the log to a file instead of standard error')
    .option('--log-max-size <bytes>', 'maximum size of a log file before rotation', '10485760')
    .option('--log-max-files <n>', 'number of log files to keep', '5')
    .option(
      '--inspect <host:port>',
      'serve the state machine inspector on this host; port 0 selects a free port',
    )
    .option('--inspect-to <url>', 'connect to an inspector, such as ws://localhost:8080')
    .action(
      async (
        options: OperationsOptions &
          AddressOptions & {
            logFile?: string
            logMaxSize: string
            logMaxFiles: string
          },
      ) => {
        const [{ runDaemon }, { createLogger }] = await Promise.all([
          import('./run-daemon.ts'),
          import('../log.ts'),
        ])
        const logger = createLogger(options)
        const { traces } = options
        const serve = parseServeOptions(options)
        const tracing =
          traces === undefined
            ? null
            : await (await import('../../telemetry/tracing.ts')).startTracing(traces, 'smart-agent', logger)
        await runDaemon(dataDir(), {
          logger,
          observer: tracing,
          serve,
          onReady: (served) => {
            if (json()) printJson({ running: true, dataDir: dataDir(), ...toAddressDocument(served) })
            else printText([`The agent is running on ${dataDir()}.`, ...formatAddresses(served)].join('\n'))
          },
        })
        await tracing?.close()
      },
    )
}

/** @throws LicensingError INVALID_ARGUMENT */
const parseServeOptions = (options: AddressOptions & OperationsOptions): ServeOptions => {
  const { listen, name: names = [], trustedProxy: trustedProxies = [], inspect, inspectTo } = options
  const metrics = parseMetricsAddress(options)
  return {
    ...(listen !== undefined && { console: { ...parseAddress(listen), names, trustedProxies } }),
    ...(inspect !== undefined && { inspect: parseAddress(inspect) }),
    ...(inspectTo !== undefined && { inspectTo }),
    ...(metrics && { metrics }),
  }
}

/** Returns the addresses of the servers, for `--json`. */
const toAddressDocument = ({
  console: page,
  fingerprint,
  firstPasswordFile,
  ...served
}: ServedAddresses) => ({
  ...(page !== null && { page, fingerprint, firstPasswordFile }),
  ...(served.inspect !== null && { inspector: served.inspect }),
  ...(served.metrics !== null && { metrics: served.metrics }),
})

/** Formats the addresses of the servers, one per line. */
const formatAddresses = ({
  console: url,
  fingerprint,
  firstPasswordFile,
  ...served
}: ServedAddresses): string[] => [
  ...(url === null
    ? []
    : [
        formatPage('Smart Licenses', {
          url,
          firstPasswordFile,
          ...(fingerprint !== null && { fingerprint }),
        }),
      ]),
  ...(served.inspect === null ? [] : [`The state machine inspector is on ${served.inspect}.`]),
  ...(served.metrics === null ? [] : [`Metrics are on ${served.metrics}/metrics.`]),
]
