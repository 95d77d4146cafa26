import type { Command } from 'commander'
import { type AuthorityCli, parseWholeNumber } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

/** Creates the command `token`. */
export function createTokenCommand({ json, withAuthority }: AuthorityCli): Command {
  const token = createCommand('token').description('registration tokens')
  token
    .command('create')
    .description('create one; its text comes alone on the first line')
    .requiredOption('--days <n>', 'days it is valid, 1 to 365')
    .option('--virtual-account <name>', 'the virtual account; the default one unless named')
    .option('--max-uses <n>', 'how many instances it may register, 1 to 4000')
    .option('--description <text>', 'what it is for', '')
    .option('--export-controlled', 'allow export-controlled functionality on the products registered with it')
    .action(
      (options: {
        days: string
        virtualAccount?: string
        maxUses?: string
        description: string
        exportControlled?: boolean
      }) =>
        withAuthority(async (authority, where) => {
          const created = await authority.tokens.create({
            ...where,
            virtualAccount: options.virtualAccount,
            days: parseWholeNumber(options.days, 'number of days'),
            ...(options.maxUses !== undefined && {
              maxUses: parseWholeNumber(options.maxUses, 'number of uses'),
            }),
            description: options.description,
            exportControlled: options.exportControlled ?? false,
          })
          if (json()) printJson(created)
          else
            printText(
              `${created.token}\nvalid until ${created.expiresAt}, ${created.maxUses} uses, for ${created.virtualAccount}`,
            )
        }),
    )
  token
    .command('list')
    .description('list the tokens of the smart account')
    .action(() =>
      withAuthority(async (authority, where) => {
        const tokens = await authority.tokens.list(where)
        if (json()) printJson({ tokens })
        else {
          await printTable(
            [
              'Id',
              'Virtual account',
              'Status',
              'Expires',
              'Uses',
              'Export-controlled',
              'Description',
              'Created by',
            ],
            tokens.map((one) => [
              one.id,
              one.virtualAccount,
              one.status,
              one.expiresAt,
              `${one.uses} of ${one.maxUses}`,
              one.exportControlled ? 'allowed' : 'not allowed',
              one.description,
              one.createdBy ?? '-',
            ]),
          )
        }
      }),
    )
  token
    .command('revoke')
    .description('revoke one; instances registered with it stay')
    .argument('<token-or-id>')
    .action((tokenOrId: string) =>
      withAuthority(async (authority, where) => {
        const revoked = await authority.tokens.revoke(tokenOrId, where)
        if (json()) printJson(revoked)
        else printText(`The token ${revoked.id} is revoked.`)
      }),
    )
  token
    .command('review')
    .description('after a restore: it registers again')
    .argument('<token>', 'its id')
    .option('--uses <n>', 'how often it was used by now, where that is known to be more than the list says')
    .action((id: string, options: { uses?: string }) =>
      withAuthority(async (authority, where) => {
        const uses =
          options.uses === undefined ? {} : { uses: parseWholeNumber(options.uses, 'number of uses') }
        const confirmed = await authority.tokens.review(id, { ...where, ...uses })
        if (json()) printJson(confirmed)
        else printText(`Token ${confirmed.id} is confirmed.`)
      }),
    )

  return token
}
