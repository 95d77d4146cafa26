import type { Command } from 'commander'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { addOperationsOptions, type OperationsOptions } from '../operations-options.ts'
import { printJson, printText } from '../output.ts'

/** Creates the command `run`. */
export function createRunCommand({ json, dataDir }: AgentCli): Command {
  return addOperationsOptions(
    createCommand('run')
      .description('run the daemon, and with --listen the web console Smart Licenses')
      .option('--listen <host:port>', 'serve the web console over HTTPS; port 0 selects a free port')
      .option('--name <name...>', 'additional host names and addresses of the web console'),
  )
    .option('--log-file <file>', 'write the log to a file instead of standard error')
    .option('--log-max-size <bytes>', 'maximum size of a log file before rotation', '10485760')
    .option('--log-max-files <n>', 'number of log files to keep', '5')
    .option(
      '--inspect <host:port>',
      'serve the state machine inspector on this host; port 0 selects a free port',
    )
    .action(
      async (
        options: OperationsOptions & {
          listen?: string
          name?: string[]
          inspect?: string
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
        const { listen, name: names = [], inspect, metrics, traces } = options
        const tracing =
          traces === undefined
            ? null
            : await (await import('../../telemetry/tracing.ts')).startTracing(traces, 'smart-agent', logger)
        await runDaemon(dataDir(), {
          logger,
          ...(tracing && { observe: tracing }),
          serve: async (agent) => {
            const { DaemonServers } = await import('./daemon-servers.ts')
            return DaemonServers.start(agent, { dataDir: dataDir(), listen, names, inspect, metrics, logger })
          },
          ready: (served) => {
            if (json()) printJson({ running: true, dataDir: dataDir(), ...served.toDocument() })
            else printText([`The agent is running on ${dataDir()}.`, ...served.formatLines()].join('\n'))
          },
        })
        await tracing?.close()
      },
    )
}
