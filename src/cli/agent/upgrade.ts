import type { Command } from 'commander'
import type { Status } from '../../index.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { printText } from '../output.ts'

/** Creates the command `upgrade`. */
export function createUpgradeCommand({ json, call, printStatus }: AgentCli): Command {
  return createCommand('upgrade')
    .description('record a product upgrade; starting the new version begins a new evaluation period')
    .requiredOption('--to <version>', 'new product version')
    .action(async (options: { to: string }) => {
      const { reservation: before } = await call<Status>('status')
      const status = await call<Status>('upgrade', { version: options.to })
      await printStatus(status)
      if (!json() && before.status === 'installed' && status.reservation.status === 'none')
        printText(
          'The reservation of the old version has ended. Enter its return code at the authority; `smart-agent reservation show` prints it.',
        )
    })
}
