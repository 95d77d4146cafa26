import type { Command } from 'commander'
import type { PolicyDecision } from '../../index.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'

/** Creates the command `allows`. */
export function createAllowsCommand({ json, call }: AgentCli): Command {
  return createCommand('allows')
    .description('tell whether an action of the product is allowed now; exit code 1 with the reason if not')
    .argument('<action>', 'name of the action, such as meeting-start')
    .action(async (action: string) => {
      const decision = await call<PolicyDecision>('allows', { action })
      if (json()) printJson(decision)
      else printText(decision.allowed ? 'allowed' : decision.reason)
      if (!decision.allowed) process.exitCode = 1
    })
}
