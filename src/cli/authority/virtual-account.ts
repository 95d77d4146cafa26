import type { Command } from 'commander'
import type { AuthorityCli } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

/** Creates the command `virtual-account`. */
export function createVirtualAccountCommand({ json, withAuthority }: AuthorityCli): Command {
  const virtual = createCommand('virtual-account').description(
    'manage the virtual accounts of a smart account',
  )
  virtual
    .command('list')
    .description('list the virtual accounts')
    .action(() =>
      withAuthority(async (authority, where) => {
        const virtualAccounts = (await authority.accounts.listVirtualAccounts(where)).map(
          (virtualAccount) => ({
            name: virtualAccount.name,
            default: virtualAccount.isDefault,
            satellite: virtualAccount.satellite?.name ?? null,
            upstream: virtualAccount.upstream,
          }),
        )
        if (json()) printJson({ virtualAccounts })
        else
          await printTable(
            ['Virtual account', 'Default', 'Satellite'],
            virtualAccounts.map((virtualAccount) => [
              virtualAccount.name,
              virtualAccount.default ? '*' : '',
              virtualAccount.satellite ?? '',
            ]),
          )
      }),
    )
  virtual
    .command('add')
    .description('add a virtual account')
    .argument('<name>')
    .option('--satellite <name>', 'assign the virtual account to a satellite')
    .action((virtualAccount: string, options: { satellite?: string }) =>
      withAuthority(async (authority, where) => {
        const { satellite } = options
        if (satellite === undefined) await authority.accounts.addVirtualAccount(virtualAccount, where)
        else await authority.satellites.addVirtualAccount(satellite, virtualAccount, where)
        if (json()) printJson({ name: virtualAccount, satellite: satellite ?? null })
        else
          printText(
            `The virtual account ${virtualAccount} was added${satellite === undefined ? '' : `, for the satellite ${satellite}`}.`,
          )
      }),
    )
  for (const [name, description, done] of [
    ['remove', 'remove an empty virtual account', 'was removed'],
    ['default', 'set the default virtual account', 'is the default now'],
  ] as const) {
    virtual
      .command(name)
      .description(description)
      .argument('<name>')
      .action((virtualAccount: string) =>
        withAuthority(async (authority, where) => {
          if (name === 'remove') await authority.accounts.removeVirtualAccount(virtualAccount, where)
          else await authority.accounts.setDefaultVirtualAccount(virtualAccount, where)
          if (json()) printJson({ name: virtualAccount })
          else printText(`The virtual account ${virtualAccount} ${done}.`)
        }),
      )
  }

  return virtual
}
