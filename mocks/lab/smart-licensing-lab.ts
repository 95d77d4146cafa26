#!/usr/bin/env node
import { randomBytes } from 'node:crypto'
import type { Command } from 'commander'
import { createCommand } from '../../src/cli/create-command.ts'
import { printText } from '../../src/cli/output.ts'
import { readProfileArgument } from '../../src/cli/read-profile.ts'
import { runCli } from '../../src/cli/run-cli.ts'
import { onShutdownSignal } from '../../src/cli/shutdown-signal.ts'
import { LicensingError } from '../../src/core/errors.ts'
import { VERSION } from '../../src/core/version.ts'
import { toAddressInUseError } from '../../src/http/listen.ts'
import type { LabInfo, LabOptions } from './lab.ts'

process.umask(0o077)
process.title = 'smart-licensing-lab'

interface Options {
  readonly listen: string
  readonly name: string[]
  readonly port: string
  readonly gatewayPort: string
  readonly proxyPort: string
  readonly lockedProxyPort: string
  readonly apiPort: string
  readonly proxyUser: string
  readonly profile?: string
  readonly license: string[]
  readonly satellite?: boolean
  readonly json?: boolean
}

const collect = (value: string, all: string[]): string[] => [...all, value]

const program: Command = createCommand('smart-licensing-lab')
  .description(
    'A license server with proxies and faults, to test how a product in any language takes failures.',
  )
  .option('--listen <address>', 'address of all ports; 0.0.0.0 for a container', '127.0.0.1')
  .option(
    '--name <host>',
    'further host name of the certificates; the printed URLs have the first',
    collect,
    [],
  )
  .option('--port <n>', 'port of the license server; 0 for a free one', '9443')
  .option('--gateway-port <n>', 'port of the gateway', '9444')
  .option('--proxy-port <n>', 'port of the proxy without a password', '3128')
  .option('--locked-proxy-port <n>', 'port of the proxy with a password', '3129')
  .option('--api-port <n>', 'port of the fault API and its page', '9000')
  .option('--proxy-user <name>', 'user of the proxy with a password', 'device')
  .option('--profile <file>', 'profile of the product; default: that of the conferencing server')
  .option('--license <tag=n>', 'purchased licenses, such as HOST=10; repeat for more', collect, [])
  .option('--satellite', 'answer as a satellite')
  .option('--json', 'print one JSON document on standard output')
  .version(VERSION)
  .action(async (options: Options) => {
    const labOptions = toLabOptions(options)
    // A signal during the start also ends the lab in order, so that no file remains.
    const isSignaled = onShutdownSignal()
    const { Lab } = await import('./lab.ts')
    const lab = await Lab.start(labOptions).catch((error: unknown) => {
      throw toPortError(error, labOptions)
    })
    if (options.json) process.stdout.write(`${JSON.stringify(lab.info)}\n`)
    else printText(formatLab(lab.info))
    await isSignaled
    await lab.close()
  })

const PORT_OPTIONS: Readonly<Record<keyof LabOptions['ports'], string>> = {
  authority: '--port',
  gateway: '--gateway-port',
  proxy: '--proxy-port',
  lockedProxy: '--locked-proxy-port',
  api: '--api-port',
}

/** Converts an error of the system about a port, and names the option that sets the port. */
function toPortError(error: unknown, { host, ports }: LabOptions): unknown {
  const { syscall, port = ports.authority } = error as { syscall?: unknown; port?: number }
  if (syscall === 'getaddrinfo')
    return toAddressInUseError({ host, port }, error, 'Choose another address with --listen.')
  if (syscall !== 'listen') return error
  const [, option = '--port'] =
    Object.entries(PORT_OPTIONS).find(([name]) => ports[name as keyof typeof ports] === port) ?? []
  return toAddressInUseError(
    { host, port },
    error,
    `Choose another port with ${option}, or 0 for a free one.`,
  )
}

function toLabOptions(options: Options): LabOptions {
  return {
    host: options.listen,
    names: options.name,
    ports: {
      authority: parsePort(options.port),
      gateway: parsePort(options.gatewayPort),
      proxy: parsePort(options.proxyPort),
      lockedProxy: parsePort(options.lockedProxyPort),
      api: parsePort(options.apiPort),
    },
    profile: options.profile === undefined ? null : readProfileArgument(options.profile),
    licenses: new Map(options.license.map(parseLicense)),
    satellite: options.satellite ?? false,
    proxyUser: { username: options.proxyUser, password: randomBytes(12).toString('base64url') },
  }
}

/** @throws LicensingError INVALID_ARGUMENT */
function parsePort(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text)
  throw new LicensingError('INVALID_ARGUMENT', `${JSON.stringify(text)} is not a port from 0 to 65535.`)
}

/** @throws LicensingError INVALID_ARGUMENT */
function parseLicense(text: string): readonly [string, number] {
  const [, tag, quantity] = /^([^=]+)=([1-9]\d{0,6})$/.exec(text) ?? []
  if (tag !== undefined) return [tag, Number(quantity)]
  throw new LicensingError('INVALID_ARGUMENT', `${JSON.stringify(text)} is not of the form TAG=NUMBER.`)
}

const formatLab = (info: LabInfo): string =>
  [
    ['License server', info.url],
    ['Gateway', info.gateway],
    ['Proxy', info.proxy],
    [
      'Proxy with a password',
      `${info.lockedProxy}, user ${info.proxyUsername}, password in ${info.proxyPasswordFile}`,
    ],
    ['Root certificate', info.trustFile],
    ['CA of the middlebox', info.middleboxCaFile],
    ['Registration token', `in ${info.tokenFile}`],
    ['Fault API', `${info.api}, bearer token in ${info.bearerFile}`],
    ['Page', info.page],
  ]
    .map(([name = '', text = '']) => `${name.padEnd(22)} ${text}`)
    .join('\n')

await runCli(program)
