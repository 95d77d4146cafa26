import type { Command } from 'commander'
import type { AuthorityCli } from './authority-cli.ts'
import { createTransferCommand } from './transfer.ts'
import { createCommand } from '../create-command.ts'
import { printJson } from '../output.ts'
import { printTable } from '../table.ts'

/** Creates the command `license`. */
export function createLicenseCommand(cli: AuthorityCli): Command {
  const license = createCommand('license').description('manage the licenses of the smart account')
  const { json, withAuthority } = cli
  license
    .command('list')
    .description('list the owned licenses and their usage')
    .action(() =>
      withAuthority(async (authority, where) => {
        const licenses = await authority.licenses.list(where)
        if (json()) printJson({ licenses })
        else {
          await printTable(
            ['Virtual account', 'Tag', 'Name', 'Purchased', 'In use', 'Reserved', 'Balance', 'Status'],
            licenses.map((license) => [
              license.virtualAccount,
              license.tag,
              license.name,
              license.quantity,
              license.inUse,
              license.reserved,
              license.balance,
              license.status,
            ]),
          )
        }
      }),
    )
  license.addCommand(createTransferCommand('license', cli))
  license.addCommand(createTransactionsCommand(cli))

  return license
}

/** Creates the command `license transactions`, which lists the lots of the pools. */
function createTransactionsCommand({ json, withAuthority }: AuthorityCli): Command {
  return createCommand('transactions')
    .description('list the license lots (purchases and transfers)')
    .option('--tag <tag>', 'limit to one entitlement tag')
    .option('--virtual-account <name>', 'limit to one virtual account')
    .action((options: { tag?: string; virtualAccount?: string }) =>
      withAuthority(async (authority, where) => {
        const transactions = await authority.licenses.listTransactions({ ...where, ...options })
        if (json()) printJson({ transactions })
        else
          await printTable(
            ['Virtual account', 'Tag', 'Quantity', 'Type', 'From', 'Until', 'Status', 'Source'],
            transactions.map((transaction) => [
              transaction.virtualAccount,
              transaction.tag,
              transaction.quantity,
              transaction.type,
              transaction.startsAt,
              transaction.endsAt ?? '-',
              transaction.status,
              transaction.source,
            ]),
          )
      }),
    )
}
