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
    .description('a table of the licenses, the product instances or the usage, as it is now')
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
        const { toCells, toCsv } = await import('../../authority/reports/reports.ts')
        if (options.csv) process.stdout.write(toCsv(report))
        else
          await printTable(
            report.columns.map(({ title }) => title),
            toCells(report).map((row) => row.map((cell) => cell ?? '')),
          )
      }),
    )
    .addHelpText('after', '\n`report schedule` has them made again and again: see `report schedule --help`.')
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
  const schedule = report.command('schedule').description('reports that are made again and again')
  schedule
    .command('add')
    .description('have one made, and sent or written into a folder')
    .addArgument(new Argument('<kind>', 'what of').choices(SCHEDULED_KINDS))
    .addOption(
      new Option('--every <period>', 'each day, each Monday, or each first of a month')
        .choices(['day', 'week', 'month'])
        .default('day'),
    )
    .option('--hour <hour>', 'at which hour, 0 to 23, UTC', '6')
    .option('--to <address>', 'by e-mail to an address in the domain of the smart account')
    .option('--folder <folder>', 'into a folder of this machine')
    .option('--virtual-account <name>', 'of one virtual account only')
    .action((kind: ReportScheduleInput['kind'], options: ScheduleOptions) =>
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
            hour: parseWholeNumber(options.hour, 'hour'),
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
