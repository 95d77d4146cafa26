import type { Command } from 'commander'
import type { HostDocument } from '../../conferencing/index.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

const hostRow = (host: HostDocument) => [
  host.user,
  host.license ?? '-',
  host.reason ?? '-',
  host.assignedAt ?? '-',
  host.active ? (host.attendeeOnly ? 'attendee only' : 'active') : 'deactivated',
]

function hostLine({ user, license, active, attendeeOnly }: HostDocument): string {
  if (!active) return `${user} is deactivated, and holds no licence.`
  if (attendeeOnly) return `${user} may attend only.`
  return license === null
    ? `${user} is active, and holds no licence.`
    : `${user} holds a ${license} host licence.`
}

/** Creates the command `host`. */
export function createHostCommand({ json, call }: AgentCli): Command {
  const host = createCommand('host').description('host licences: who holds one')
  host
    .command('list', { isDefault: true })
    .description('who holds a host licence')
    .option('--all', 'everybody known, without a licence too')
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
      else await printTable(['User', 'Licence', 'By', 'Since', 'Account'], hosts.map(hostRow))
    })
  for (const [name, description] of [
    ['assign', 'give a user a host licence by hand'],
    ['deactivate', 'deactivate a user: releases the licence'],
    ['activate', 'activate a user again'],
  ] as const) {
    host
      .command(name)
      .description(description)
      .argument('<user>')
      .action(async (user: string) => {
        const changed = await call<HostDocument>(`host-${name}`, { user })
        if (json()) printJson(changed)
        else printText(hostLine(changed))
      })
  }
  host
    .command('attendee-only')
    .description('make a user one who may attend only')
    .argument('<user>')
    .option('--off', 'let the user host again')
    .action(async (user: string, options: { off?: boolean }) => {
      const changed = await call<HostDocument>('host-attendee-only', {
        user,
        attendeeOnly: !(options.off ?? false),
      })
      if (json()) printJson(changed)
      else printText(hostLine(changed))
    })
  return host
}
