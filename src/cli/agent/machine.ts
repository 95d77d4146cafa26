import { type Command, Option } from 'commander'
import { REGIONS, type Region } from '../../../machines/state-names.ts'
import type { HistoryRow } from '../../agent/history-table.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'

type Format = 'svg' | 'mermaid' | 'xstate'
/** The seven license states alone, with the causes in words. */
const OVERVIEW = 'overview'

/** Creates the command `machine`. */
export function createMachineCommand({ json, dataDir, read }: AgentCli): Command {
  return createCommand('machine')
    .description('print the state machine of the agent')
    .addOption(
      new Option(
        '--format <format>',
        "output format: mermaid, svg with the current states, or xstate, which XState's createMachine takes",
      )
        .choices(['svg', 'mermaid', 'xstate'])
        .default('mermaid'),
    )
    .addOption(
      new Option(
        '--region <region>',
        'part to print. Default: the overview as mermaid, everything as svg',
      ).choices([OVERVIEW, ...REGIONS]),
    )
    .action(async ({ format, region }: { format: Format; region?: Region | typeof OVERVIEW }) => {
      const { toMermaid, agentMachine, exportConfig } = await import('../../../machines/index.ts')
      if (format === 'xstate' || json()) printJson(exportConfig())
      else if (format === 'mermaid' || region === OVERVIEW) {
        const options =
          region === undefined || region === OVERVIEW
            ? { region: 'license', depth: 1, labels: true }
            : { region }
        printText(toMermaid(agentMachine, options))
      } else {
        const [{ renderCurrentChartSvg, ROWS_FOR_CHART }, { SmartAgent }] = await Promise.all([
          import('./chart-view.ts'),
          import('../../index.ts'),
        ])
        const rows = SmartAgent.exists(dataDir())
          ? await read<HistoryRow[]>('history', { limit: ROWS_FOR_CHART })
          : []
        printText(renderCurrentChartSvg(rows, region))
      }
    })
}
