import type { Command } from 'commander'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { addOperationsOptions, type OperationsOptions } from '../operations-options.ts'
import { printJson, printText } from '../output.ts'

/** Creates the command `run`. */
export function createRunCommand({ json, dataDir }: AgentCli): Command {
  return addOperationsOptions(
    createCommand('run')
      .description('run the daemon: heartbeat, control socket, and with --listen the page Smart Licenses')
      .option('--listen <host:port>', 'serve the page over HTTPS; port 0 takes a free one')
      .option('--name <name...>', 'further names and addresses that the page is opened by'),
  )
    .option('--log-file <file>', 'write the log to a file instead of standard error')
    .option('--log-max-size <bytes>', 'begin a new log file at this size', '10485760')
    .option('--log-max-files <n>', 'log files to keep', '5')
    .option(
      '--inspect <host:port>',
      'tell inspectors on this machine what the chart does; port 0 takes a free one',
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
