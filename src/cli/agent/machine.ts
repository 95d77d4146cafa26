import { type Command, Option } from 'commander'
import type { HistoryRow } from '../../agent/history-table.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'

/** Creates the command `machine`. */
export function createMachineCommand({ json, dataDir, read }: AgentCli): Command {
  return createCommand('machine')
    .description('print the state machine of the agent')
    .addOption(
      new Option('--format <format>', 'output format; svg also highlights the current states')
        .choices(['svg', 'mermaid', 'json'])
        .default('mermaid'),
    )
    .action(async (options: { format: 'svg' | 'mermaid' | 'json' }) => {
      const { toMermaid, agentMachine } = await import('../../../machines/index.ts')
      if (options.format === 'json' || json()) printJson(agentMachine.definition)
      else if (options.format === 'mermaid') printText(toMermaid(agentMachine))
      else {
        const [{ renderCurrentChartSvg, ROWS_FOR_CHART }, { SmartAgent }] = await Promise.all([
          import('./chart-view.ts'),
          import('../../index.ts'),
        ])
        const exists = SmartAgent.exists(dataDir())
        printText(
          await renderCurrentChartSvg(
            exists ? await read<HistoryRow[]>('history', { limit: ROWS_FOR_CHART }) : [],
          ),
        )
      }
    })
}
