import { type Command, Option } from 'commander'
import type { AuthorityCli } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

/** The commands for the programs that use the REST API. */
export function createApiClientCommand({ json, withAuthority }: AuthorityCli): Command {
  const client = createCommand('api-client').description('programs that use the REST API')
  client
    .command('create')
    .description('add one: its id and its secret, which is told this once')
    .option('--virtual-account <name>', 'the one virtual account that it is kept to')
    .addOption(
      new Option('--scope <scope>', 'what it may do: read, or write, which is everything')
        .choices(['read', 'write'])
        .default('write'),
    )
    .option('--description <text>', 'what it is for', '')
    .action((options: { virtualAccount?: string; scope: string; description: string }) =>
      withAuthority(async (authority, where) => {
        const created = await authority.security.apiClients.create({ ...where, ...options })
        if (json()) printJson(created)
        else
          printText(
            [
              `client id      ${created.clientId}`,
              `client secret  ${created.clientSecret}`,
              `It may ${created.scope}, in ${[created.account, created.virtualAccount].filter((part) => part !== null).join(' / ')}. The secret is not told again.`,
            ].join('\n'),
          )
      }),
    )
  client
    .command('list')
    .description('list them')
    .action(() =>
      withAuthority(async (authority, where) => {
        const apiClients = await authority.security.apiClients.list(where)
        if (json()) printJson({ apiClients })
        else
          await printTable(
            ['Client id', 'Reaches', 'Scope', 'Created', 'Revoked', 'Description'],
            apiClients.map((one) => [
              one.clientId,
              [one.account, one.virtualAccount].filter((part) => part !== null).join(' / '),
              one.scope,
              one.createdAt,
              one.revokedAt ?? '',
              one.description,
            ]),
          )
      }),
    )
  client
    .command('revoke')
    .description('revoke one; its access tokens are good for nothing at once')
    .argument('<client-id>')
    .action((id: string) =>
      withAuthority(async (authority, where) => {
        const revoked = await authority.security.apiClients.revoke(id, where)
        if (json()) printJson(revoked)
        else printText(`The API client ${revoked.clientId} is revoked.`)
      }),
    )
  return client
}
