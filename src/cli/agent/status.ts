import type { Command } from 'commander'
import type { Status } from '../../index.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'

/** Creates the command `status`. */
export function createStatusCommand({ read, printStatus }: AgentCli): Command {
  return createCommand('status')
    .description('show the license state of the device')
    .action(async () => {
      await printStatus(await read<Status>('status'))
    })
}
