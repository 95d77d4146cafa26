#!/usr/bin/env node
import { Command, Option } from 'commander'
import type { Explanation } from '../agent/explain.ts'
import type { Size } from '../conferencing/index.ts'
import type { Status } from '../index.ts'
import type { HistoryRow } from '../agent/store.ts'
import type { RoadReport } from '../agent/connection-test.ts'
import type { TransportSettings } from '../transports/transport.ts'
import type { ProxyOptions } from './proxy-settings.ts'
import type { CommandName } from './agent-client.ts'
import type { QrOptions } from './codes.ts'
import { LicensingError } from '../core/errors.ts'
import { VERSION } from '../core/version.ts'
import { addOperationsOptions, type OperationsOptions } from './operations-options.ts'
import { printJson, printText } from './output.ts'
import { addProductCommands } from './product-commands.ts'
import { addUserCommands } from './user-commands.ts'

process.umask(0o077)
// An argument may be a token: the process list is not the place for it.
process.title = 'smart-agent'

const json = (): boolean => program.opts<{ json?: boolean }>().json ?? false
const dataDir = (): string => {
  const dir =
    program.opts<{ dataDir?: string }>().dataDir ?? process.env.SMART_AGENT_DATA_DIR ?? '/var/lib/smart-agent'
  if (dir === '') throw new LicensingError('INVALID_ARGUMENT', 'The data directory has no name.')
  return dir
}

async function call<T>(verb: CommandName, params: object = {}): Promise<T> {
  const { callAgent } = await import('./agent-client.ts')
  return (await callAgent(dataDir(), verb, params)) as T
}

/** Prints the Status document, or its short form for people. */
async function printStatus(status: Status): Promise<void> {
  if (json()) {
    printJson(status)
    return
  }
  const { briefStatus } = await import('./format.ts')
  printText(briefStatus(status))
}

/** Says that something takes its time, to people only. */
function progress(text: string): void {
  if (!json() && process.stderr.isTTY) process.stderr.write(`${text}\n`)
}

const program = new Command('smart-agent')
  .description('The licensing agent of this box.')
  .option(
    '--data-dir <dir>',
    'where the agent keeps its state (default: $SMART_AGENT_DATA_DIR or /var/lib/smart-agent)',
  )
  .option('--json', 'one JSON document on standard output')
  .version(VERSION)
  .enablePositionalOptions()
  .exitOverride()
  .showHelpAfterError(false)
  .configureOutput({ writeErr: () => undefined })

program
  .command('init')
  .description('make the data directory of a new box')
  .requiredOption('--pid <pid>', 'product id')
  .requiredOption('--serial <sn>', 'serial number')
  .option('--version <version>', 'version of the product', '1.0')
  .addOption(
    new Option('--size <size>', 'deployment size')
      .choices(['micro', 'small', 'medium', 'large'])
      .default('small'),
  )
  .option('--trust <file>', 'root certificate of the authority, as `smart-authority trust export` prints it')
  .option('--tls-ca <file>', 'a further certificate to check TLS by')
  .action(
    async (options: {
      pid: string
      serial: string
      version: string
      size: Size
      trust?: string
      tlsCa?: string
    }) => {
      const [{ SmartAgent }, { conferencing }, { readNamedFile }] = await Promise.all([
        import('../index.ts'),
        import('../conferencing/index.ts'),
        import('./secrets.ts'),
      ])
      await SmartAgent.init({
        dataDir: dataDir(),
        product: {
          pid: options.pid,
          serial: options.serial,
          version: options.version,
        },
        module: conferencing({ size: options.size }),
        ...(options.trust !== undefined && { trust: readNamedFile(options.trust) }),
        ...(options.tlsCa !== undefined && { tlsCa: readNamedFile(options.tlsCa) }),
      })
      if (json()) printJson({ dataDir: dataDir() })
      else
        printText(
          `An agent for ${options.pid}, serial ${options.serial}, is in ${dataDir()}. Its evaluation has begun.`,
        )
    },
  )

addOperationsOptions(
  program
    .command('run')
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
        import('./agent-client.ts'),
        import('./log.ts'),
      ])
      const logger = createLogger(options)
      const { listen, name: names = [], inspect, metrics, traces } = options
      const tracing =
        traces === undefined
          ? null
          : await (await import('../telemetry/tracing.ts')).startTracing(traces, 'smart-agent', logger)
      await runDaemon(dataDir(), {
        logger,
        ...(tracing && { observe: tracing }),
        serve: async (agent) => {
          const { ServedBeside } = await import('./daemon-servers.ts')
          return ServedBeside.begin(agent, { dataDir: dataDir(), listen, names, inspect, metrics, logger })
        },
        ready: (served) => {
          if (json()) printJson({ running: true, dataDir: dataDir(), ...served.document() })
          else printText([`The agent is running on ${dataDir()}.`, ...served.lines()].join('\n'))
        },
      })
      await tracing?.close()
    },
  )

program
  .command('status')
  .description('the state of the box')
  .action(async () => {
    await printStatus(await call<Status>('status'))
  })

program
  .command('show')
  .description("the state in the field's familiar layout")
  .argument('[topic]', 'all, status, summary, usage, udi or tech', 'all')
  .action(async (topic: string) => {
    const { show, SHOW_TOPICS } = await import('./show.ts')
    const known = SHOW_TOPICS.find((one) => one === topic)
    if (!known)
      throw new LicensingError(
        'INVALID_ARGUMENT',
        `There is no topic ${JSON.stringify(topic)}; there are ${SHOW_TOPICS.join(', ')}.`,
      )
    const status = await call<Status>('status')
    if (json()) printJson(status)
    else printText(show(known, status))
  })

const transport = program.command('transport').description('how the box reaches its authority')

/** Saves a road and says what was saved; the password is never said. */
async function setTransport(settings: TransportSettings, how = ''): Promise<void> {
  const saved = await call<Status['transport']>('transport-set', settings)
  if (json()) {
    printJson(saved)
    return
  }
  const { roadLine } = await import('./format.ts')
  const { state } = await call<Status>('status')
  printText(
    `${roadLine(saved)}${how}. ${state === 'reserved' ? 'It is not used while the box works from a reservation.' : 'Try it with `smart-agent transport test`.'}`,
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
    const { proxySettings } = await import('./proxy-settings.ts')
    const { settings, how } = await proxySettings(url, options)
    await setTransport(settings, how)
  })
transport
  .command('show')
  .description('the settings in force, without the password')
  .action(async () => {
    const { transport: settings } = await call<Status>('status')
    if (json()) return printJson(settings)
    const { roadLine } = await import('./format.ts')
    printText(
      settings.url === null
        ? 'No way to the authority is set.'
        : `${roadLine(settings)}, link ${settings.link}${settings.lastFailure ? `: ${settings.lastFailure.message}` : ''}`,
    )
  })
transport
  .command('test')
  .description('walk the road step by step, and say where it breaks; nothing is registered')
  .action(async () => {
    progress('Walking the road to the authority …')
    const report = await call<RoadReport>('transport-test')
    const { roadText } = await import('./format.ts')
    if (json()) printJson(report)
    else printText(roadText(report))
    if (report.failure) throw LicensingError.fromDocument(report.failure)
  })
transport
  .command('tls-ca')
  .description("trust a further certificate for TLS alone, such as a gateway's own CA")
  .argument('<file>', 'PEM file')
  .action(async (file: string) => {
    const { readNamedFile } = await import('./secrets.ts')
    const saved = await call<Status['transport']>('tls-ca-install', { pem: readNamedFile(file) })
    if (json()) printJson(saved)
    else printText('The certificate is installed for TLS.')
  })

const trust = program.command('trust').description('the root certificate the authority is checked by')
trust
  .command('show')
  .description('print the root certificates that are believed')
  .action(async () => {
    const { trust: pem, bundle } = await call<{ trust: string | null; bundle: number }>('trust-show')
    if (json()) printJson({ trust: pem, bundle })
    else printText(pem ?? 'No root certificate is installed.')
  })
trust
  .command('install')
  .description('install the root certificate of the authority, or the bundles that replace it')
  .argument('<file>', 'PEM file, or one of `smart-authority trust bundle export`')
  .action(async (file: string) => {
    const { readNamedFile } = await import('./secrets.ts')
    const { trust: pem, bundle } = await call<{ trust: string | null; bundle: number }>('trust-install', {
      pem: readNamedFile(file),
    })
    if (json()) printJson({ trust: pem, bundle })
    else if (bundle === 0) printText('The root certificate is installed.')
    else printText(`Bundle ${bundle} of root certificates is installed.`)
  })

interface RegisterOptions {
  tokenFile?: string
  force?: boolean
  wait: boolean
}
for (const name of ['register', 'reregister'] as const) {
  program
    .command(name)
    .description(
      name === 'register'
        ? 'register the box with a token'
        : 'register again with a new token, keeping the old registration until then',
    )
    .argument(
      '[token]',
      'registration token; better - for standard input, or --token-file: other users may see arguments',
    )
    .option('--token-file <file>', 'read the token from a file')
    .option('--force', 'overwrite the product instance at the authority')
    .option('--no-wait', 'do not wait for the outcome')
    .action(async (argument: string | undefined, options: RegisterOptions) => {
      const { readSecret } = await import('./secrets.ts')
      const token = await readSecret({ argument, file: options.tokenFile, what: 'registration token' })
      progress('Registration is under way …')
      await printStatus(
        await call<Status>(name, { token, force: options.force ?? false, wait: options.wait }),
      )
    })
}

program
  .command('deregister')
  .description('give every licence back and end the registration')
  .option('--yes', 'do not ask for confirmation')
  .option('--no-wait', 'do not wait for the outcome')
  .action(async (options: { yes?: boolean; wait: boolean }) => {
    const { confirmOrRefuse } = await import('./secrets.ts')
    await confirmOrRefuse('Deregister this box and release all of its licences?', options.yes ?? false)
    progress('Deregistration is under way …')
    await printStatus(await call<Status>('deregister', { wait: options.wait }))
  })

const renew = program.command('renew').description('renew now what renews itself')
for (const what of ['registration', 'authorization'] as const) {
  renew
    .command(what)
    .description(`renew the ${what}`)
    .option('--no-wait', 'do not wait for the outcome')
    .action(async (options: { wait: boolean }) => {
      progress(`Renewal of the ${what} is under way …`)
      await printStatus(await call<Status>(`renew-${what}`, { wait: options.wait }))
    })
}

const reservation = program
  .command('reservation')
  .description('specific licence reservation: for a box that never makes a connection')

/** Prints a code that a person carries to the authority. */
async function printCode(
  what: string,
  code: string,
  whatToDo: readonly string[],
  options: QrOptions,
): Promise<void> {
  const { codeText } = await import('./codes.ts')
  printText(await codeText(what, code, whatToDo, options))
}

reservation
  .command('request')
  .description('the reservation request code: the same until it is cancelled')
  .option('--qr', 'draw it as a QR code too')
  .option('--no-qr', 'do not, on a terminal either')
  .action(async (options: QrOptions) => {
    const { requestCode } = await call<{ requestCode: string }>('reservation-request')
    if (json()) return printJson({ requestCode })
    const whatToDo = [
      'Enter it at the authority (Licenses, License Reservation), which writes an authorization file:',
      '  smart-authority reservation reserve --request CODE --license TAG=QUANTITY --out FILE',
      'Install that file here: smart-agent reservation install FILE',
    ]
    await printCode('Reservation request code', requestCode, whatToDo, options)
  })
reservation
  .command('cancel')
  .description('give the request up: its code is good for nothing any more')
  .action(async () => {
    const { cancelled } = await call<{ cancelled: boolean }>('reservation-cancel')
    if (json()) printJson({ cancelled })
    else
      printText(
        cancelled
          ? 'The request is cancelled. A file that comes for it yet is given back with `smart-agent reservation discard FILE`.'
          : 'No request is pending.',
      )
  })
reservation
  .command('show')
  .description('what is reserved, and the codes to carry')
  .option('--qr', 'draw the code as a QR code too')
  .option('--no-qr', 'do not, on a terminal either')
  .action(async (options: QrOptions) => {
    const status = await call<Status>('status')
    if (json()) return printJson(status.reservation)
    const { reservationText } = await import('./format-reservation.ts')
    printText(await reservationText(status, options))
  })
for (const name of ['install', 'update'] as const) {
  reservation
    .command(name)
    .description(
      name === 'install'
        ? 'install the authorization file of the authority'
        : 'install a newer one, and print the confirmation code',
    )
    .argument('<file>', 'authorization file, or - for standard input')
    .option('--qr', 'draw the confirmation code as a QR code too')
    .option('--no-qr', 'do not, on a terminal either')
    .action(async (path: string, options: QrOptions) => {
      const { readCarriedFile } = await import('./codes.ts')
      const status = await call<Status>(`reservation-${name}`, { file: await readCarriedFile(path) })
      const { confirmationCode } = status.reservation
      if (json()) return printJson({ ...status, confirmationCode })
      const { confirmationText, reservedLine } = await import('./format-reservation.ts')
      printText(`Authorization code installed successfully: ${reservedLine(status)}.`)
      if (confirmationCode !== null) printText(await confirmationText(status, confirmationCode, options))
    })
}
reservation
  .command('return-code')
  .description('end the reservation here, and print the code that gives it back')
  .option('--yes', 'do not ask for confirmation')
  .option('--qr', 'draw it as a QR code too')
  .option('--no-qr', 'do not, on a terminal either')
  .action(async (options: QrOptions & { yes?: boolean }) => {
    const { reservation: before } = await call<Status>('status')
    if (before.status === 'installed') {
      const { confirmOrRefuse } = await import('./secrets.ts')
      await confirmOrRefuse(
        'Return all reserved licences? From here on the box does licence management only, and the reservation cannot be changed.',
        options.yes ?? false,
      )
    }
    const { returnCode } = await call<{ returnCode: string }>('reservation-return-code')
    if (json()) return printJson({ returnCode })
    const { returnText } = await import('./format-reservation.ts')
    printText(await returnText(await call<Status>('status'), returnCode, options))
  })
reservation
  .command('return')
  .description('complete the return, once its code was entered at the authority')
  .action(async () => {
    await printStatus(await call<Status>('reservation-return'))
  })
reservation
  .command('discard')
  .description('give back, without installing it, an authorization file whose request was cancelled')
  .argument('<file>', 'authorization file, or - for standard input')
  .option('--qr', 'draw the return code as a QR code too')
  .option('--no-qr', 'do not, on a terminal either')
  .action(async (path: string, options: QrOptions) => {
    const { readCarriedFile } = await import('./codes.ts')
    const { instanceId, returnCode } = await call<{ instanceId: string; returnCode: string }>(
      'reservation-discard',
      { file: await readCarriedFile(path) },
    )
    if (json()) return printJson({ returnCode, instanceId })
    const whatToDo = [
      'Enter it at the authority, which has its licences back then:',
      `  smart-authority instance remove ${instanceId} --return-code CODE`,
    ]
    await printCode('Reservation return code', returnCode, whatToDo, options)
  })

addProductCommands(program, { json, call, printStatus })

program
  .command('events')
  .description('what happened, oldest first')
  .option('--limit <n>', 'how many of the newest', '100')
  .option('--follow', 'go on with what happens')
  .action(async (options: { limit: string; follow?: boolean }) => {
    const limit = Number(options.limit)
    if (!Number.isInteger(limit) || limit < 1)
      throw new LicensingError('INVALID_ARGUMENT', '--limit is a whole number, 1 or more.')
    const { historyDocument, historyLine } = await import('./format.ts')
    if (options.follow) await requireDaemon()
    const rows = await call<HistoryRow[]>('history', { limit: Math.min(limit, 10_000) })
    if (json() && !options.follow) return printJson({ events: rows.map(historyDocument) })
    const print = (row: HistoryRow) => {
      printText(json() ? JSON.stringify(historyDocument(row)) : historyLine(row))
    }
    rows.forEach(print)
    if (options.follow) await follow(rows.at(-1)?.id ?? 0, print)
  })

/** Prints what happens from here on, as the daemon tells it. */
async function follow(after: number, print: (row: HistoryRow) => void): Promise<void> {
  const { followDaemon } = await import('../agent/control.ts')
  const socket = await requireDaemon()
  let last = after
  await followDaemon(socket, ({ event }) => {
    const row = event as HistoryRow | null | undefined
    if (!row || row.id <= last) return
    last = row.id
    print(row)
  })
  throw daemonStopped()
}

/** A connection to the daemon. @throws LicensingError DAEMON_UNREACHABLE */
async function requireDaemon() {
  const { connectControl } = await import('../agent/control.ts')
  const socket = await connectControl(dataDir())
  if (socket) return socket
  throw new LicensingError('DAEMON_UNREACHABLE', 'No daemon is running on this data directory.', {
    remedy: 'Start one with `smart-agent run`.',
  })
}

const daemonStopped = () =>
  new LicensingError('DAEMON_UNREACHABLE', 'The daemon has stopped; nothing more will come.', {
    remedy: 'Start it again with `smart-agent run`.',
  })

program
  .command('why')
  .description('why the box is in this state, what comes next, and what would change it')
  .action(async () => {
    const why = await call<Explanation>('explain')
    if (json()) return printJson(why)
    const { explainText } = await import('./format.ts')
    printText(explainText(why))
  })

program
  .command('machine')
  .description('the statechart the agent runs')
  .addOption(
    new Option('--format <format>', 'how to draw it; svg also shows where the box stands')
      .choices(['svg', 'mermaid', 'json'])
      .default('mermaid'),
  )
  .action(async (options: { format: 'svg' | 'mermaid' | 'json' }) => {
    const { drawMermaid, smartAgent } = await import('../../machines/index.ts')
    if (options.format === 'json' || json()) printJson(smartAgent.definition)
    else if (options.format === 'mermaid') printText(drawMermaid(smartAgent))
    else {
      const [{ boxSvg, ROWS_FOR_CHART }, { SmartAgent }] = await Promise.all([
        import('./chart-view.ts'),
        import('../index.ts'),
      ])
      const lives = SmartAgent.exists(dataDir())
      printText(await boxSvg(lives ? await call<HistoryRow[]>('history', { limit: ROWS_FOR_CHART }) : []))
    }
  })

program
  .command('watch')
  .description('the state of the box, live, until Ctrl-C')
  .action(async () => {
    const [{ followDaemon }, { briefStatus }, { boxChart, ROWS_FOR_CHART }] = await Promise.all([
      import('../agent/control.ts'),
      import('./format.ts'),
      import('./chart-view.ts'),
    ])
    const socket = await requireDaemon()
    const bold = process.stdout.isTTY
    let rows = json() ? [] : await call<HistoryRow[]>('history', { limit: ROWS_FOR_CHART })
    await followDaemon(socket, ({ event, status }) => {
      if (json()) {
        process.stdout.write(`${JSON.stringify(status)}\n`)
        return
      }
      const row = event as HistoryRow | null | undefined
      if (row && row.id !== rows.at(-1)?.id) rows = [...rows, row].slice(-ROWS_FOR_CHART)
      if (bold) process.stdout.write('\u001b[2J\u001b[H')
      printText(`${briefStatus(status as Status)}\n${boxChart(rows, { bold })}`)
    })
    throw daemonStopped()
  })

addUserCommands(program, {
  json,
  reaches: false,
  withDesk: async (work) => {
    const { boxDesk } = await import('../console/device-console.ts')
    const { SmartAgent } = await import('../index.ts')
    if (!SmartAgent.exists(dataDir()))
      throw new LicensingError('DATA_DIR_MISSING', `There is no agent in ${dataDir()}.`)
    return work(boxDesk(dataDir()))
  },
})

program
  .command('completion')
  .description('a completion script for bash: source it, or put it in /etc/bash_completion.d')
  .action(async () => {
    const { bashCompletion } = await import('./completion.ts')
    printText(bashCompletion(program))
  })

const { runProgram } = await import('./run-cli.ts')
await runProgram(program)
