import type { Command } from 'commander'
import type { ConnectionTestReport } from '../../agent/connection-test.ts'
import { LicensingError } from '../../core/errors.ts'
import type { Status } from '../../index.ts'
import type { TransportSettings } from '../../transports/transport.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import type { ProxyOptions } from '../proxy-settings.ts'

/** Creates the command `transport`. */
export function createTransportCommand(cli: AgentCli): Command {
  const transport = createCommand('transport').description('how the box reaches its authority')
  const { json, call, progress } = cli

  /** Saves a road and says what was saved; the password is never said. */
  async function setTransport(settings: TransportSettings, how = ''): Promise<void> {
    const saved = await call<Status['transport']>('transport-set', settings)
    if (json()) {
      printJson(saved)
      return
    }
    const { formatTransport } = await import('./format.ts')
    const { state } = await call<Status>('status')
    printText(
      `${formatTransport(saved)}${how}. ${state === 'reserved' ? 'It is not used while the box works from a reservation.' : 'Try it with `smart-agent transport test`.'}`,
    )
  }

  for (const kind of ['direct', 'gateway'] as const) {
    transport
      .command(kind)
      .description(
        kind === 'direct' ? 'straight to the authority' : 'through a satellite or a relaying gateway',
      )
      .argument('<url>', 'https:// URL')
      .action(async (url: string) => {
        await setTransport({ kind, url })
      })
  }
  transport
    .command('proxy')
    .description('straight to the authority, by the tunnel of an HTTP or HTTPS proxy')
    .argument('<url>', "the authority's https:// URL")
    .option('--via <proxy>', 'http:// or https:// URL of the proxy; its port is 3128 unless given')
    .option('--username <user>', 'user name for the proxy; the password is asked for')
    .option('--password-file <file>', 'read the password from a file, or with - from standard input')
    .option('--from-environment', 'take proxy, user name and password from HTTPS_PROXY, this once')
    .action(async (url: string, options: ProxyOptions) => {
      const { readProxySettings } = await import('../proxy-settings.ts')
      const { settings, how } = await readProxySettings(url, options)
      await setTransport(settings, how)
    })
  transport
    .command('show')
    .description('the settings in force, without the password')
    .action(async () => {
      const { transport: settings } = await call<Status>('status')
      if (json()) return printJson(settings)
      const { formatTransport } = await import('./format.ts')
      printText(
        settings.url === null
          ? 'No way to the authority is set.'
          : `${formatTransport(settings)}, link ${settings.link}${settings.lastFailure ? `: ${settings.lastFailure.message}` : ''}`,
      )
    })
  transport
    .command('test')
    .description('walk the road step by step, and say where it breaks; nothing is registered')
    .action(async () => {
      progress('Walking the road to the authority …')
      const report = await call<ConnectionTestReport>('transport-test')
      const { formatConnectionTest } = await import('./format.ts')
      if (json()) printJson(report)
      else printText(formatConnectionTest(report))
      if (report.failure) throw LicensingError.fromDocument(report.failure)
    })
  transport
    .command('tls-ca')
    .description("trust a further certificate for TLS alone, such as a gateway's own CA")
    .argument('<file>', 'PEM file')
    .action(async (file: string) => {
      const { readFileArgument } = await import('../secrets.ts')
      const saved = await call<Status['transport']>('tls-ca-install', { pem: readFileArgument(file) })
      if (json()) printJson(saved)
      else printText('The certificate is installed for TLS.')
    })

  return transport
}
