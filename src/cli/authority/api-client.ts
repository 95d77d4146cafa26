import { type Command, Option } from 'commander'
import type { AuthorityCli } from './authority-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

/** Creates the command `api-client`. */
export function createApiClientCommand({ json, withAuthority }: AuthorityCli): Command {
  const client = createCommand('api-client').description('manage clients of the REST API')
  client
    .command('create')
    .description('create a client and print its ID and secret; the secret is not shown again')
    .option('--virtual-account <name>', 'limit the client to one virtual account')
    .addOption(
      new Option('--scope <scope>', 'read-only access, or read and write access')
        .choices(['read', 'write'])
        .default('write'),
    )
    .option('--description <text>', 'purpose of the client', '')
    .action((options: { virtualAccount?: string; scope: string; description: string }) =>
      withAuthority(async (authority, where) => {
        const created = await authority.security.apiClients.create({ ...where, ...options })
        if (json()) printJson(created)
        else
          printText(
            [
              `client id      ${created.clientId}`,
              `client secret  ${created.clientSecret}`,
              `Scope: ${created.scope}, in ${[created.account, created.virtualAccount].filter((part) => part !== null).join(' / ')}. The secret is not shown again.`,
            ].join('\n'),
          )
      }),
    )
  client
    .command('list')
    .description('list the clients')
    .action(() =>
      withAuthority(async (authority, where) => {
        const apiClients = await authority.security.apiClients.list(where)
        if (json()) printJson({ apiClients })
        else
          await printTable(
            ['Client ID', 'Account', 'Scope', 'Created', 'Revoked', 'Description'],
            apiClients.map((client) => [
              client.clientId,
              [client.account, client.virtualAccount].filter((part) => part !== null).join(' / '),
              client.scope,
              client.createdAt,
              client.revokedAt ?? '',
              client.description,
            ]),
          )
      }),
    )
  client
    .command('revoke')
    .description('revoke a client and its access tokens')
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
