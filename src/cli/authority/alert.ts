import type { Command } from 'commander'
import { type AuthorityCli, parseWholeNumber } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson } from '../output.ts'
import { printTable } from '../table.ts'

/** Creates the command `alert`. */
export function createAlertCommand({ json, withAuthority }: AuthorityCli): Command {
  const alert = createCommand('alert').description('show the alerts that need action')
  alert
    .command('list')
    .description('list the alerts, most urgent first')
    .option('--virtual-account <name>', 'limit to one virtual account')
    .option('--limit <n>', 'number of alerts', '1000')
    .option('--skip <n>', 'number of alerts to skip', '0')
    .action((options: { virtualAccount?: string; limit: string; skip: string }) =>
      withAuthority(async (authority, where) => {
        const part = {
          skip: parseWholeNumber(options.skip, 'number to skip'),
          limit: parseWholeNumber(options.limit, 'limit'),
        }
        const selector = { ...where, virtualAccount: options.virtualAccount }
        const { alerts, counts } = await authority.operations.alerts.page(selector, {}, part)
        if (json()) printJson({ alerts, total: counts.major + counts.minor + counts.informational })
        else
          await printTable(
            ['Severity', 'Message', 'Source', 'Action due', 'Actions'],
            alerts.map((alert) => [
              alert.severity,
              alert.message,
              alert.source,
              alert.actionDue ?? '-',
              alert.actions.join(' '),
            ]),
          )
      }),
    )
  return alert
}
