import type { Command } from 'commander'
import type { Status } from '../../index.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'

/** Creates the command `status`. */
export function createStatusCommand({ call, printStatus }: AgentCli): Command {
  return createCommand('status')
    .description('show the license state of the device')
    .action(async () => {
      await printStatus(await call<Status>('status'))
    })
}
