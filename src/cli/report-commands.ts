import { Argument, type Command, Option } from 'commander'
import type { EventDocument } from '../authority/events/event-log.ts'
import type { ReportKind } from '../authority/reports/reports.ts'
import type { WantedSchedule } from '../authority/reports/schedules.ts'
import { LicensingError } from '../core/errors.ts'
import { type AuthorityCli, wholeNumber } from './authority-cli.ts'
import { printJson, printText } from './output.ts'
import { printTable } from './table.ts'

const KINDS = ['licenses', 'instances', 'usage'] as const satisfies readonly ReportKind[]
const SCHEDULED = [...KINDS, 'audit-checkpoint'] as const satisfies readonly WantedSchedule['kind'][]
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
    .option('--limit <n>', 'how many of the most urgent', '1000')
    .option('--skip <n>', 'after how many of them', '0')
    .action((options: { virtualAccount?: string; limit: string; skip: string }) =>
      withAuthority(async (authority, where) => {
        const all = await authority.operations.alerts.list({
          ...where,
          virtualAccount: options.virtualAccount,
        })
        const skip = wholeNumber(options.skip, 'number to skip')
        const alerts = all.slice(skip, skip + wholeNumber(options.limit, 'limit'))
        if (json()) printJson({ alerts, total: all.length })
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

function addReports(program: Command, cli: AuthorityCli): void {
  const { json, withAuthority } = cli
  const report = program
    .command('report')
    .description('a table of the licences, the product instances or the usage, as it is now')
    .addArgument(new Argument('<kind>', 'what of').choices(KINDS))
    .option('--virtual-account <name>', 'of one virtual account only')
    .option('--csv', 'comma-separated values, for a spreadsheet')
    .action((kind: ReportKind, options: { virtualAccount?: string; csv?: boolean }) =>
      withAuthority(async (authority, where) => {
        const report = await authority.operations.reports.create(kind, {
          ...where,
          virtualAccount: options.virtualAccount,
        })
        if (json()) {
          printJson(report)
          return
        }
        const { cellsOf, toCsv } = await import('../authority/reports/reports.ts')
        if (options.csv) process.stdout.write(toCsv(report))
        else
          await printTable(
            report.columns.map(({ title }) => title),
            cellsOf(report).map((row) => row.map((cell) => cell ?? '')),
          )
      }),
    )
    .addHelpText('after', '\n`report schedule` has them made again and again: see `report schedule --help`.')
  addSchedules(report, cli)
}

interface ScheduleOptions {
  readonly every: WantedSchedule['every']
  readonly hour: string
  readonly to?: string
  readonly folder?: string
  readonly virtualAccount?: string
}

function addSchedules(report: Command, { json, withAuthority }: AuthorityCli): void {
  const schedule = report.command('schedule').description('reports that are made again and again')
  schedule
    .command('add')
    .description('have one made, and sent or written into a folder')
    .addArgument(new Argument('<kind>', 'what of').choices(SCHEDULED))
    .addOption(
      new Option('--every <period>', 'each day, each Monday, or each first of a month')
        .choices(['day', 'week', 'month'])
        .default('day'),
    )
    .option('--hour <hour>', 'at which hour, 0 to 23, UTC', '6')
    .option('--to <address>', 'by e-mail to an address in the domain of the smart account')
    .option('--folder <folder>', 'into a folder of this machine')
    .option('--virtual-account <name>', 'of one virtual account only')
    .action((kind: WantedSchedule['kind'], options: ScheduleOptions) =>
      withAuthority(async (authority, where) => {
        const { every, to, folder, virtualAccount } = options
        if ((to === undefined) === (folder === undefined))
          throw new LicensingError(
            'USAGE',
            'A report goes to an address or into a folder: give --to or --folder.',
          )
        const path = await import('node:path')
        const added = await authority.operations.schedules.add(
          {
            kind,
            every,
            hour: wholeNumber(options.hour, 'hour'),
            to: folder === undefined ? { recipient: to ?? '' } : { folder: path.resolve(folder) },
          },
          { ...where, virtualAccount },
        )
        if (json()) printJson(added)
        else printText(`The report ${added.id} is made at ${added.nextAt} for the first time.`)
      }),
    )
  schedule
    .command('list')
    .description('list them')
    .action(() =>
      withAuthority(async (authority, where) => {
        const schedules = await authority.operations.schedules.list(where)
        if (json()) printJson({ schedules })
        else
          await printTable(
            ['Id', 'What', 'Virtual account', 'Every', 'Hour', 'To', 'Next', 'Last failure'],
            schedules.map((one) => [
              one.id,
              one.kind,
              one.virtualAccount ?? 'all',
              one.every,
              one.hour,
              one.recipient ?? one.folder ?? '',
              one.nextAt,
              one.failure ?? '-',
            ]),
          )
      }),
    )
  schedule
    .command('remove')
    .description('have one made no more')
    .argument('<id>')
    .action((id: string) =>
      withAuthority(async (authority, where) => {
        await authority.operations.schedules.remove(id, where)
        if (json()) printJson({ removed: id })
        else printText(`The scheduled report ${id} was removed.`)
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
        const transactions = await authority.licenses.transactions({ ...where, ...options })
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
  limit?: string
  virtualAccount?: string
  instance?: string
  severity?: EventDocument['severity']
  since?: string
  until?: string
  format?: 'csv' | 'jsonl'
  out?: string
}

function addEvents(program: Command, { json, withAuthority }: AuthorityCli): void {
  program
    .command('events')
    .description('the event log, oldest first; with --format all of it, for a file')
    .option('--limit <n>', 'how many of the newest (default: 1000; all of them with --format)')
    .option('--virtual-account <name>', 'of one virtual account only')
    .option('--instance <id>', 'of one product instance only')
    .addOption(new Option('--severity <severity>', 'of one severity only').choices(SEVERITIES))
    .option('--since <time>', 'from this time on: 2026-11-25, or 2026-11-25T08:00:00Z')
    .option('--until <time>', 'before this time')
    .addOption(new Option('--format <format>', 'export it').choices(['csv', 'jsonl']))
    .option('--out <file>', 'with --format: where to write it; - for standard output')
    .action((options: EventOptions) =>
      withAuthority(async (authority, where) => {
        const { virtualAccount, instance, severity, format, out } = options
        const filter = {
          ...where,
          virtualAccount,
          instanceId: instance,
          severity,
          since: options.since === undefined ? undefined : instantOf(options.since),
          until: options.until === undefined ? undefined : instantOf(options.until),
        }
        if (format !== undefined) {
          if (options.limit !== undefined)
            throw new LicensingError('USAGE', 'An export has no limit: give --since and --until.')
          await exportEvents(authority.operations.events.export(filter), format, out ?? '-', json())
          return
        }
        if (out !== undefined) throw new LicensingError('USAGE', '--out is for an export: give --format too.')
        const events = await authority.operations.events.list({
          ...filter,
          limit: wholeNumber(options.limit ?? '1000', 'limit'),
        })
        if (json()) printJson({ events })
        else
          for (const one of events)
            printText(
              `${one.at}  ${one.severity.padEnd(5)}  ${one.type.padEnd(24)}  ${one.message}${one.who === null ? '' : ` (${one.who})`}`,
            )
      }),
    )
}

/** A day or a time of the command line; without a zone it is UTC. @throws LicensingError INVALID_ARGUMENT */
function instantOf(text: string): number {
  const at = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)?)?$/.test(text)
    ? Date.parse(text.includes('T') && !/(Z|[+-]\d\d:\d\d)$/.test(text) ? `${text}Z` : text)
    : NaN
  if (!Number.isNaN(at)) return at
  throw new LicensingError(
    'INVALID_ARGUMENT',
    `The time ${JSON.stringify(text)} is not of the form 2026-11-25 or 2026-11-25T08:00:00Z.`,
  )
}

/** Writes the event log, a page at a time. @throws LicensingError FILE_UNWRITABLE, USAGE */
async function exportEvents(
  pages: AsyncIterable<readonly EventDocument[]>,
  format: 'csv' | 'jsonl',
  out: string,
  json: boolean,
): Promise<void> {
  if (json && out === '-')
    throw new LicensingError('USAGE', 'With --json the export goes into a file: name one with --out.')
  const { eventLines } = await import('../authority/events/event-export.ts')
  const { writeStream } = await import('./write-stream.ts')
  const bytes = await writeStream(out, eventLines(pages, format))
  if (json) printJson({ out, bytes })
  else if (out !== '-') printText(`The event log is in ${out}.`)
}
