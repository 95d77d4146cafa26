import type { Command } from 'commander'
import type { Status } from '../../index.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'

/** Creates the command `renew`. */
export function createRenewCommand({ call, printStatus, progress }: AgentCli): Command {
  const renew = createCommand('renew').description('renew the registration or the authorization now')
  for (const what of ['registration', 'authorization'] as const) {
    renew
      .command(what)
      .description(`renew the ${what}`)
      .option('--no-wait', 'do not wait for the outcome')
      .action(async (options: { wait: boolean }) => {
        progress(`Renewing the ${what} …`)
        await printStatus(await call<Status>(`renew-${what}`, { wait: options.wait }))
      })
  }

  return renew
}
