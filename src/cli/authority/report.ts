import { Argument, type Command, Option } from 'commander'
import type { ReportKind } from '../../authority/reports/reports.ts'
import type { ReportScheduleInput } from '../../authority/reports/schedules.ts'
import { LicensingError } from '../../core/errors.ts'
import { type AuthorityCli, parseWholeNumber } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

const KINDS = ['licenses', 'instances', 'usage'] as const satisfies readonly ReportKind[]
const SCHEDULED_KINDS = [
  ...KINDS,
  'audit-checkpoint',
] as const satisfies readonly ReportScheduleInput['kind'][]

/** Creates the command `report`. */
export function createReportCommand(cli: AuthorityCli): Command {
  const { json, withAuthority } = cli
  const report = createCommand('report')
    .description('print a report of the current licenses, product instances or usage')
    .addArgument(new Argument('<kind>', 'kind of report').choices(KINDS))
    .option('--virtual-account <name>', 'limit to one virtual account')
    .option('--csv', 'print comma-separated values')
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
        const { toCells, toCsv } = await import('../../authority/reports/reports.ts')
        if (options.csv) process.stdout.write(toCsv(report))
        else
          await printTable(
            report.columns.map(({ title }) => title),
            toCells(report).map((row) => row.map((cell) => cell ?? '')),
          )
      }),
    )
    .addHelpText('after', '\n`report schedule` creates reports periodically: see `report schedule --help`.')
  addSchedules(report, cli)
  return report
}

interface ScheduleOptions {
  readonly every: ReportScheduleInput['every']
  readonly hour: string
  readonly to?: string
  readonly folder?: string
  readonly virtualAccount?: string
}

function addSchedules(report: Command, { json, withAuthority }: AuthorityCli): void {
  const schedule = report.command('schedule').description('manage scheduled reports')
  schedule
    .command('add')
    .description('schedule a report, sent by e-mail or written to a folder')
    .addArgument(new Argument('<kind>', 'kind of report').choices(SCHEDULED_KINDS))
    .addOption(
      new Option('--every <period>', 'every day, every Monday, or the first day of every month')
        .choices(['day', 'week', 'month'])
        .default('day'),
    )
    .option('--hour <hour>', 'hour of the day, 0 to 23, UTC', '6')
    .option('--to <address>', 'send by e-mail to an address in the domain of the smart account')
    .option('--folder <folder>', 'write to a folder on this host')
    .option('--virtual-account <name>', 'limit to one virtual account')
    .action((kind: ReportScheduleInput['kind'], options: ScheduleOptions) =>
      withAuthority(async (authority, where) => {
        const { every, to, folder, virtualAccount } = options
        if ((to === undefined) === (folder === undefined))
          throw new LicensingError(
            'USAGE',
            'The destination of the report is missing or ambiguous. Give either --to or --folder.',
          )
        const path = await import('node:path')
        const added = await authority.operations.schedules.add(
          {
            kind,
            every,
            hour: parseWholeNumber(options.hour, 'hour'),
            to: folder === undefined ? { recipient: to ?? '' } : { folder: path.resolve(folder) },
          },
          { ...where, virtualAccount },
        )
        if (json()) printJson(added)
        else printText(`The report ${added.id} is scheduled. The first report is created at ${added.nextAt}.`)
      }),
    )
  schedule
    .command('list')
    .description('list the scheduled reports')
    .action(() =>
      withAuthority(async (authority, where) => {
        const schedules = await authority.operations.schedules.list(where)
        if (json()) printJson({ schedules })
        else
          await printTable(
            ['ID', 'Report', 'Virtual account', 'Every', 'Hour', 'To', 'Next', 'Last failure'],
            schedules.map((schedule) => [
              schedule.id,
              schedule.kind,
              schedule.virtualAccount ?? 'all',
              schedule.every,
              schedule.hour,
              schedule.recipient ?? schedule.folder ?? '',
              schedule.nextAt,
              schedule.failure ?? '-',
            ]),
          )
      }),
    )
  schedule
    .command('remove')
    .description('remove a scheduled report')
    .argument('<id>')
    .action((id: string) =>
      withAuthority(async (authority, where) => {
        await authority.operations.schedules.remove(id, where)
        if (json()) printJson({ removed: id })
        else printText(`The scheduled report ${id} was removed.`)
      }),
    )
}
