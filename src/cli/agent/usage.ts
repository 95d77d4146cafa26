import { type Command, Option } from 'commander'
import type { Denial, UsagePeriod } from '../../agent/usage-history.ts'
import { formatCsv } from '../../core/csv.ts'
import { LicensingError } from '../../core/errors.ts'
import type { Status } from '../../index.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { parsePositiveInteger } from '../parse-positive-integer.ts'
import { printJson, printText } from '../output.ts'
import { renderBar, printTable } from '../table.ts'

const BAR_WIDTH = 30

interface HistoryOptions {
  by: 'hour' | 'day'
  last: string
  tag?: string
  csv?: boolean
}

/** Creates the command `usage`. */
export function createUsageCommand({ json, call, printStatus }: AgentCli): Command {
  const usage = createCommand('usage').description(
    'show or report usage, and show the usage history and refused requests',
  )
  usage
    .command('show', { isDefault: true })
    .description('list the entitlement tags in use')
    .action(async () => {
      const { entitlements } = await call<Status>('status')
      if (json()) return printJson({ entitlements })
      printText(
        entitlements.length === 0
          ? 'No licenses are in use.'
          : entitlements.map(({ tag, count, status }) => `${tag}  ${count}  ${status}`).join('\n'),
      )
    })
  usage
    .command('set')
    .description('report the number of licenses of a tag that the product uses')
    .argument('<tag>', 'entitlement tag')
    .argument('<count>', 'number of licenses')
    .action(async (tag: string, text: string) => {
      const count = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN
      if (Number.isNaN(count))
        throw new LicensingError(
          'INVALID_ARGUMENT',
          `The count ${JSON.stringify(text)} is not a whole number from 0 to 10,000,000.`,
        )
      await printStatus(await call<Status>('usage-set', { tag, count }))
    })
  usage
    .command('history')
    .description('show peak and mean usage per tag')
    .addOption(new Option('--by <period>', 'group by hour or day').choices(['hour', 'day']).default('day'))
    .option('--last <n>', 'number of hours or days', '30')
    .option('--tag <tag>', 'limit to one tag')
    .option('--csv', 'print comma-separated values')
    .action(async (options: HistoryOptions) => {
      const last = Math.min(parsePositiveInteger(options.last, '--last'), 10_000)
      const { usage: all } = await call<{ usage: UsagePeriod[] }>('usage-history', { by: options.by, last })
      const periods = all.filter(({ tag }) => options.tag === undefined || tag === options.tag)
      const columns = ['tag', 'from', 'peak', 'mean']
      if (json()) printJson({ usage: periods })
      else if (options.csv)
        process.stdout.write(
          formatCsv(
            columns,
            periods.map(({ tag, from, peak, mean }) => [tag, from, peak, mean]),
          ),
        )
      else {
        const highest = Math.max(0, ...periods.map(({ peak }) => peak))
        await printTable(
          ['Tag', options.by === 'day' ? 'Day' : 'Hour', 'Peak', 'Mean', ''],
          periods.map(({ tag, from, peak, mean }) => [
            tag,
            options.by === 'day' ? from.slice(0, 10) : from.slice(0, 16).replace('T', ' '),
            peak,
            mean,
            renderBar(peak, highest, BAR_WIDTH),
          ]),
        )
      }
    })
  usage
    .command('denials')
    .description('list refused requests with their reasons')
    .option('--limit <n>', 'number of newest entries', '100')
    .option('--csv', 'print comma-separated values')
    .action(async (options: { limit: string; csv?: boolean }) => {
      const limit = Math.min(parsePositiveInteger(options.limit, '--limit'), 10_000)
      const { denials } = await call<{ denials: Denial[] }>('usage-denials', { limit })
      const rows = denials.map(({ at, what, who, code, reason }) => [at, what, who ?? '', code, reason])
      if (json()) printJson({ denials })
      else if (options.csv) process.stdout.write(formatCsv(['at', 'what', 'who', 'code', 'reason'], rows))
      else await printTable(['Time', 'Request', 'User', 'Code', 'Reason'], rows)
    })
  return usage
}
