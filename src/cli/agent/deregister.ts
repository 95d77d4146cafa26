import type { Command } from 'commander'
import type { Status } from '../../index.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'

/** Creates the command `deregister`. */
export function createDeregisterCommand({ call, printStatus, progress }: AgentCli): Command {
  return createCommand('deregister')
    .description('give every license back and end the registration')
    .option('--yes', 'do not ask for confirmation')
    .option('--no-wait', 'do not wait for the outcome')
    .action(async (options: { yes?: boolean; wait: boolean }) => {
      const { confirm } = await import('../secrets.ts')
      await confirm('Deregister this box and release all of its licenses?', options.yes ?? false)
      progress('Deregistration is under way …')
      await printStatus(await call<Status>('deregister', { wait: options.wait }))
    })
}
