import type { Command } from 'commander'
import type { Status } from '../../index.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'

/** Creates the command `deregister`. */
export function createDeregisterCommand({ call, printStatus, progress }: AgentCli): Command {
  return createCommand('deregister')
    .description('return all licenses and end the registration')
    .option('--yes', 'do not ask for confirmation')
    .option('--no-wait', 'do not wait for the outcome')
    .action(async (options: { yes?: boolean; wait: boolean }) => {
      const { confirm } = await import('../secrets.ts')
      await confirm('Deregister this device and release all of its licenses?', options.yes ?? false)
      progress('Deregistering …')
      await printStatus(await call<Status>('deregister', { wait: options.wait }))
    })
}
