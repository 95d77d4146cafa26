import type { Command } from 'commander'
import type { AuthorityCli } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

/** Creates the command `account`. */
export function createAccountCommand({ json, withAuthority }: AuthorityCli): Command {
  const account = createCommand('account').description('manage smart accounts')
  account
    .command('add')
    .description('add a smart account')
    .argument('<domain>')
    .option('--accept-agreement', 'accept the license agreement of the smart account')
    .action((domain: string, options: { acceptAgreement?: boolean }) =>
      withAuthority(async (authority) => {
        const added = await authority.accounts.add(domain, {
          acceptAgreement: options.acceptAgreement ?? false,
        })
        if (json()) printJson({ domain: added.domain })
        else printText(`The smart account ${added.domain} was added.`)
      }),
    )
  account
    .command('list')
    .description('list the smart accounts')
    .action(() =>
      withAuthority(async (authority) => {
        const accounts = (await authority.accounts.list()).map(({ domain }) => ({ domain }))
        if (json()) printJson({ accounts })
        else
          await printTable(
            ['Smart account'],
            accounts.map(({ domain }) => [domain]),
          )
      }),
    )

  return account
}
