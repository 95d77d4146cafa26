import type { Command } from 'commander'
import { type AuthorityCli, parseWholeNumber } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

/** Creates the command `token`. */
export function createTokenCommand({ json, withAuthority }: AuthorityCli): Command {
  const token = createCommand('token').description('manage registration tokens')
  token
    .command('create')
    .description('create a token and print it on the first line')
    .requiredOption('--days <n>', 'validity in days, 1 to 365')
    .option('--virtual-account <name>', 'virtual account (default: the default virtual account)')
    .option('--max-uses <n>', 'number of product instances that the token can register, 1 to 4000')
    .option('--description <text>', 'purpose of the token', '')
    .option(
      '--export-controlled',
      'allow export-controlled functionality on devices registered with the token',
    )
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
              'ID',
              'Virtual account',
              'Status',
              'Expires',
              'Uses',
              'Export-controlled',
              'Description',
              'Created by',
            ],
            tokens.map((token) => [
              token.id,
              token.virtualAccount,
              token.status,
              token.expiresAt,
              `${token.uses} of ${token.maxUses}`,
              token.exportControlled ? 'allowed' : 'not allowed',
              token.description,
              token.createdBy ?? '-',
            ]),
          )
        }
      }),
    )
  token
    .command('revoke')
    .description('revoke a token; product instances registered with it stay registered')
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
    .description('after a restore: allow a token to register devices again')
    .argument('<token>', 'token ID')
    .option('--uses <n>', 'actual number of uses, if higher than listed')
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
