import type { Command } from 'commander'
import type { HistoryRow } from '../../agent/history-table.ts'
import type { Status } from '../../index.ts'
import type { AgentCli } from './agent-cli.ts'
import { createDaemonStoppedError, requireDaemon } from './daemon-connection.ts'
import { createCommand } from '../create-command.ts'
import { printText } from '../output.ts'

/** Creates the command `watch`. */
export function createWatchCommand({ json, dataDir, call }: AgentCli): Command {
  return createCommand('watch')
    .description('show the state of the device and its changes, until Ctrl-C')
    .action(async () => {
      const [{ subscribeToDaemon }, { formatStatus }, { renderCurrentChartText, ROWS_FOR_CHART }] =
        await Promise.all([
          import('../../agent/control-requests.ts'),
          import('./format.ts'),
          import('./chart-view.ts'),
        ])
      const socket = await requireDaemon(dataDir())
      const bold = process.stdout.isTTY
      let rows = json() ? [] : await call<HistoryRow[]>('history', { limit: ROWS_FOR_CHART })
      await subscribeToDaemon(socket, ({ event, status }) => {
        if (json()) {
          process.stdout.write(`${JSON.stringify(status)}\n`)
          return
        }
        const row = event as HistoryRow | null | undefined
        if (row && row.id !== rows.at(-1)?.id) rows = [...rows, row].slice(-ROWS_FOR_CHART)
        if (bold) process.stdout.write('\u001b[2J\u001b[H')
        printText(`${formatStatus(status as Status)}\n${renderCurrentChartText(rows, { bold })}`)
      })
      throw createDaemonStoppedError()
    })
}
