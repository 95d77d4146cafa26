import type { Command } from 'commander'
import type { Explanation } from '../../agent/explain.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'

/** Creates the command `why`. */
export function createWhyCommand({ json, read }: AgentCli): Command {
  return createCommand('why')
    .description(
      'explain the current state, the next automatic actions and the events that would change the state',
    )
    .action(async () => {
      const why = await read<Explanation>('explain')
      if (json()) return printJson(why)
      const { formatExplanation } = await import('./format.ts')
      printText(formatExplanation(why))
    })
}
