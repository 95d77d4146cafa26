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
  const transport = createCommand('transport').description(
    'set, show and test the connection to the authority',
  )
  const { json, call, progress } = cli

  /** Saves the transport and prints it without the password. */
  async function setTransport(settings: TransportSettings, how = ''): Promise<void> {
    const saved = await call<Status['transport']>('transport-set', settings)
    if (json()) {
      printJson(saved)
      return
    }
    const { formatTransport } = await import('./format.ts')
    const { state } = await call<Status>('status')
    printText(
      `${formatTransport(saved)}${how}. ${state === 'reserved' ? 'It is not used while the device works from a reservation.' : 'Test it with `smart-agent transport test`.'}`,
    )
  }

  for (const kind of ['direct', 'gateway'] as const) {
    transport
      .command(kind)
      .description(
        kind === 'direct' ? 'connect directly to the authority' : 'connect through a satellite or a gateway',
      )
      .argument('<url>', 'https:// URL')
      .action(async (url: string) => {
        await setTransport({ kind, url })
      })
  }
  transport
    .command('proxy')
    .description('connect to the authority through an HTTP or HTTPS proxy (CONNECT tunnel)')
    .argument('<url>', "the authority's https:// URL")
    .option('--via <proxy>', 'http:// or https:// URL of the proxy (default port: 3128)')
    .option('--username <user>', 'user name for the proxy; the password is prompted for')
    .option('--password-file <file>', 'read the password from a file; - for standard input')
    .option(
      '--from-environment',
      'read proxy, user name and password once from the environment variable HTTPS_PROXY',
    )
    .action(async (url: string, options: ProxyOptions) => {
      const { readProxySettings } = await import('../proxy-settings.ts')
      const { settings, how } = await readProxySettings(url, options)
      await setTransport(settings, how)
    })
  transport
    .command('show')
    .description('show the transport settings without the password')
    .action(async () => {
      const { transport: settings } = await call<Status>('status')
      if (json()) return printJson(settings)
      const { formatTransport } = await import('./format.ts')
      printText(
        settings.url === null
          ? 'No transport is configured. Set one with `smart-agent transport direct URL`.'
          : `${formatTransport(settings)}, link ${settings.link}${settings.lastFailure ? `: ${settings.lastFailure.message}` : ''}`,
      )
    })
  transport
    .command('test')
    .description('check the connection step by step, without registering')
    .action(async () => {
      progress('Checking the connection to the authority …')
      const report = await call<ConnectionTestReport>('transport-test')
      const { formatConnectionTest } = await import('./format.ts')
      if (json()) printJson(report)
      else printText(formatConnectionTest(report))
      if (report.failure) throw LicensingError.fromDocument(report.failure)
    })
  transport
    .command('tls-ca')
    .description("install an additional CA certificate for TLS only, such as a gateway's CA")
    .argument('<file>', 'PEM file')
    .action(async (file: string) => {
      const { readFileArgument } = await import('../secrets.ts')
      const saved = await call<Status['transport']>('tls-ca-install', { pem: readFileArgument(file) })
      if (json()) printJson(saved)
      else printText('The certificate is installed for TLS.')
    })

  return transport
}
