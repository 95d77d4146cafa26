import type { Command } from 'commander'
import type { SystemDocument } from '../../conferencing/index.ts'
import { LicensingError } from '../../core/errors.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'

function formatSystem(system: SystemDocument): string {
  const { size, ports, portsInUse, extended, role, dataCenters, primary, licenses } = system
  const held = Object.entries(licenses).map(([tag, count]) => `${count} of ${tag}`)
  return [
    `size          ${size}${extended ? ', extended' : ''}: ${ports} ports, ${portsInUse} in use`,
    `data centers  ${role === 'single' ? 'this one' : role === 'joined' ? `of ${primary ?? ''}, which holds the licenses` : `this one, the primary, and ${dataCenters.join(', ')}`}`,
    `licenses      ${held.join(', ') || 'none needed'}`,
  ].join('\n')
}

/** Creates the command `system`. */
export function createSystemCommand({ json, call }: AgentCli): Command {
  const system = createCommand('system').description('size, extended capacity and data centers')
  const print = (changed: SystemDocument) => {
    if (json()) printJson(changed)
    else printText(formatSystem(changed))
  }
  system
    .command('show', { isDefault: true })
    .description('what the system is')
    .action(async () => {
      print(await call<SystemDocument>('system-show'))
    })
  system
    .command('size')
    .description('another deployment size')
    .argument('<size>', 'micro, small, medium or large')
    .action(async (size: string) => {
      print(await call<SystemDocument>('system-size', { size }))
    })
  for (const name of ['extend', 'reduce'] as const) {
    system
      .command(name)
      .description(name === 'extend' ? 'from 2000 to 4000 ports: its license first' : 'back to 2000 ports')
      .action(async () => {
        print(await call<SystemDocument>(`system-${name}`))
      })
  }
  system
    .command('join')
    .description('let a data center join this one, the primary (its licenses first); or join another one')
    .argument('[data-center]', 'the one that joins this one')
    .option('--to <primary>', 'join that one: the hosts of this one release their licenses')
    .action(async (dataCenter: string | undefined, options: { to?: string }) => {
      if ((dataCenter === undefined) === (options.to === undefined))
        throw new LicensingError(
          'USAGE',
          'Name the data center that joins, or with --to the one to be joined.',
        )
      print(
        options.to === undefined
          ? await call<SystemDocument>('system-join', { dataCenter })
          : await call<SystemDocument>('system-join-to', { primary: options.to }),
      )
    })
  system
    .command('leave')
    .description('let a data center leave this system; without a name, leave the one that was joined')
    .argument('[data-center]')
    .action(async (dataCenter?: string) => {
      print(await call<SystemDocument>('system-leave', { ...(dataCenter !== undefined && { dataCenter }) }))
    })
  return system
}
