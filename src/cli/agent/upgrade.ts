import type { Command } from 'commander'
import type { Status } from '../../index.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { printText } from '../output.ts'

/** Creates the command `upgrade`. */
export function createUpgradeCommand({ json, call, printStatus }: AgentCli): Command {
  return createCommand('upgrade')
    .description('say that the product was upgraded; its own start with that version begins an evaluation')
    .requiredOption('--to <version>', 'the version it has now')
    .action(async (options: { to: string }) => {
      const { reservation: before } = await call<Status>('status')
      const status = await call<Status>('upgrade', { version: options.to })
      await printStatus(status)
      if (!json() && before.status === 'installed' && status.reservation.status === 'none')
        printText(
          'The reservation of the old version has ended: enter its return code at the authority (`smart-agent reservation show`).',
        )
    })
}
