import type { Command } from 'commander'
import type { SystemDocument } from '../../conferencing/index.ts'
import { LicensingError } from '../../core/errors.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'

function formatSystem(system: SystemDocument): string {
  const { size, ports, portsInUse, extended, role, dataCenters, primary, licenses } = system
  const assigned = Object.entries(licenses).map(([tag, count]) => `${count} of ${tag}`)
  return [
    `size          ${size}${extended ? ', extended' : ''}: ${ports} ports, ${portsInUse} in use`,
    `data centers  ${role === 'single' ? 'this one' : role === 'joined' ? `joined to ${primary ?? ''}, which holds the licenses` : `this one (primary), ${dataCenters.join(', ')}`}`,
    `licenses      ${assigned.join(', ') || 'none needed'}`,
  ].join('\n')
}

/** Creates the command `system`. */
export function createSystemCommand({ json, call }: AgentCli): Command {
  const system = createCommand('system').description('manage the size, extended capacity and data centers')
  const print = (changed: SystemDocument) => {
    if (json()) printJson(changed)
    else printText(formatSystem(changed))
  }
  system
    .command('show', { isDefault: true })
    .description('show the system')
    .action(async () => {
      print(await call<SystemDocument>('system-show'))
    })
  system
    .command('size')
    .description('change the deployment size')
    .argument('<size>', 'micro, small, medium or large')
    .action(async (size: string) => {
      print(await call<SystemDocument>('system-size', { size }))
    })
  for (const name of ['extend', 'reduce'] as const) {
    system
      .command(name)
      .description(
        name === 'extend' ? 'extend from 2000 to 4000 ports; requires the license' : 'reduce to 2000 ports',
      )
      .action(async () => {
        print(await call<SystemDocument>(`system-${name}`))
      })
  }
  system
    .command('join')
    .description(
      'add a data center to this primary (requires its licenses), or with --to join another primary',
    )
    .argument('[data-center]', 'data center to add to this one')
    .option('--to <primary>', 'join this primary; the hosts of this data center release their licenses')
    .action(async (dataCenter: string | undefined, options: { to?: string }) => {
      if ((dataCenter === undefined) === (options.to === undefined))
        throw new LicensingError(
          'USAGE',
          'Give either the data center to add, or --to with the primary to join.',
        )
      print(
        options.to === undefined
          ? await call<SystemDocument>('system-join', { dataCenter })
          : await call<SystemDocument>('system-join-to', { primary: options.to }),
      )
    })
  system
    .command('leave')
    .description('remove a data center from this system; without a name, leave the joined primary')
    .argument('[data-center]')
    .action(async (dataCenter?: string) => {
      print(await call<SystemDocument>('system-leave', { ...(dataCenter !== undefined && { dataCenter }) }))
    })
  return system
}
