import { Argument, type Command, Option } from 'commander'
import type { EventDocument } from '../authority/event-log.ts'
import type { ReportKind } from '../authority/reports.ts'
import { type AuthorityCli, wholeNumber } from './authority-cli.ts'
import { printJson, printText } from './output.ts'
import { printTable } from './table.ts'

const KINDS = ['licenses', 'instances', 'usage'] as const satisfies readonly ReportKind[]
const SEVERITIES = ['info', 'minor', 'major'] as const satisfies readonly EventDocument['severity'][]

/** What an authority tells of itself: alerts, reports and the event log. */
export function addReportCommands(program: Command, cli: AuthorityCli): void {
  addAlerts(program, cli)
  addReports(program, cli)
  addEvents(program, cli)
}

function addAlerts(program: Command, { json, withAuthority }: AuthorityCli): void {
  program
    .command('alert')
    .description('what somebody should do something about')
    .command('list')
    .description('list it, the most urgent first')
    .option('--virtual-account <name>', 'of one virtual account only')
    .action((options: { virtualAccount?: string }) =>
      withAuthority(async (authority, where) => {
        const alerts = await authority.alerts({ ...where, virtualAccount: options.virtualAccount })
        if (json()) printJson({ alerts })
        else
          await printTable(
            ['Severity', 'Message', 'Source', 'Action due', 'Actions'],
            alerts.map((one) => [
              one.severity,
              one.message,
              one.source,
              one.actionDue ?? '-',
              one.actions.join(' '),
            ]),
          )
      }),
    )
}

function addReports(program: Command, { json, withAuthority }: AuthorityCli): void {
  program
    .command('report')
    .description('a table of the licences, the product instances or the usage, as it is now')
    .addArgument(new Argument('<kind>', 'what of').choices(KINDS))
    .option('--virtual-account <name>', 'of one virtual account only')
    .option('--csv', 'comma-separated values, for a spreadsheet')
    .action((kind: ReportKind, options: { virtualAccount?: string; csv?: boolean }) =>
      withAuthority(async (authority, where) => {
        const report = await authority.report(kind, { ...where, virtualAccount: options.virtualAccount })
        if (json()) {
          printJson(report)
          return
        }
        const { cellsOf, toCsv } = await import('../authority/reports.ts')
        if (options.csv) process.stdout.write(toCsv(report))
        else
          await printTable(
            report.columns.map(({ title }) => title),
            cellsOf(report).map((row) => row.map((cell) => cell ?? '')),
          )
      }),
    )
}

/** `license transactions`: the lots behind the pools. */
export function addLicenseTransactions(license: Command, { json, withAuthority }: AuthorityCli): void {
  license
    .command('transactions')
    .description('list the lots that licences came in')
    .option('--tag <tag>', 'of one entitlement tag only')
    .option('--virtual-account <name>', 'of one virtual account only')
    .action((options: { tag?: string; virtualAccount?: string }) =>
      withAuthority(async (authority, where) => {
        const transactions = await authority.licenseTransactions({ ...where, ...options })
        if (json()) printJson({ transactions })
        else
          await printTable(
            ['Virtual account', 'Tag', 'Quantity', 'Type', 'From', 'Until', 'Status', 'Source'],
            transactions.map((one) => [
              one.virtualAccount,
              one.tag,
              one.quantity,
              one.type,
              one.startsAt,
              one.endsAt ?? '-',
              one.status,
              one.source,
            ]),
          )
      }),
    )
}

interface EventOptions {
  limit: string
  virtualAccount?: string
  instance?: string
  severity?: EventDocument['severity']
}

function addEvents(program: Command, { json, withAuthority }: AuthorityCli): void {
  program
    .command('events')
    .description('the event log, oldest first')
    .option('--limit <n>', 'how many of the newest', '1000')
    .option('--virtual-account <name>', 'of one virtual account only')
    .option('--instance <id>', 'of one product instance only')
    .addOption(new Option('--severity <severity>', 'of one severity only').choices(SEVERITIES))
    .action((options: EventOptions) =>
      withAuthority(async (authority, where) => {
        const { virtualAccount, instance, severity } = options
        const events = await authority.events({
          ...where,
          virtualAccount,
          instanceId: instance,
          severity,
          limit: wholeNumber(options.limit, 'limit'),
        })
        if (json()) printJson({ events })
        else
          for (const one of events)
            printText(`${one.at}  ${one.severity.padEnd(5)}  ${one.type.padEnd(24)}  ${one.message}`)
      }),
    )
}
