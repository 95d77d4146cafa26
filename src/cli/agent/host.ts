import type { Command } from 'commander'
import type { HostDocument } from '../../conferencing/index.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

const toHostRow = (host: HostDocument) => [
  host.user,
  host.license ?? '-',
  host.reason ?? '-',
  host.assignedAt ?? '-',
  host.active ? (host.attendeeOnly ? 'attendee only' : 'active') : 'deactivated',
]

function formatHost({ user, license, active, attendeeOnly }: HostDocument): string {
  if (!active) return `${user} is deactivated and holds no license.`
  if (attendeeOnly) return `${user} may only attend meetings.`
  return license === null
    ? `${user} is active and holds no license.`
    : `${user} holds a ${license} host license.`
}

/** Creates the command `host`. */
export function createHostCommand({ json, call }: AgentCli): Command {
  const host = createCommand('host').description('manage host licenses')
  host
    .command('list', { isDefault: true })
    .description('list the users who hold a host license')
    .option('--all', 'include known users without a license')
    .action(async (options: { all?: boolean }) => {
      const hosts: HostDocument[] = []
      for (let after = ''; ;) {
        const { hosts: page } = await call<{ hosts: HostDocument[] }>('host-list', {
          after,
          limit: 10_000,
          all: options.all ?? false,
        })
        hosts.push(...page)
        after = page.at(-1)?.user ?? ''
        if (page.length < 10_000) break
      }
      if (json()) printJson({ hosts })
      else await printTable(['User', 'License', 'By', 'Since', 'Account'], hosts.map(toHostRow))
    })
  for (const [name, description] of [
    ['assign', 'assign a host license to a user manually'],
    ['deactivate', 'deactivate a user and release the license'],
    ['activate', 'activate a user again'],
  ] as const) {
    host
      .command(name)
      .description(description)
      .argument('<user>')
      .action(async (user: string) => {
        const changed = await call<HostDocument>(`host-${name}`, { user })
        if (json()) printJson(changed)
        else printText(formatHost(changed))
      })
  }
  host
    .command('attendee-only')
    .description('allow a user to attend meetings only')
    .argument('<user>')
    .option('--off', 'allow the user to host meetings again')
    .action(async (user: string, options: { off?: boolean }) => {
      const changed = await call<HostDocument>('host-attendee-only', {
        user,
        attendeeOnly: !(options.off ?? false),
      })
      if (json()) printJson(changed)
      else printText(formatHost(changed))
    })
  return host
}
