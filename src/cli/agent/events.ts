import type { Command } from 'commander'
import type { HistoryRow } from '../../agent/history-table.ts'
import type { AgentCli } from './agent-cli.ts'
import { createDaemonStoppedError, requireDaemon } from './daemon-connection.ts'
import { createCommand } from '../create-command.ts'
import { parsePositiveInteger } from '../parse-positive-integer.ts'
import { printJson, printText } from '../output.ts'

/** Creates the command `events`. */
export function createEventsCommand({ json, dataDir, call, read }: AgentCli): Command {
  return createCommand('events')
    .description('list the event history, oldest first')
    .option('--limit <n>', 'number of newest events', '100')
    .option('--follow', 'continue with new events as they occur')
    .action(async (options: { limit: string; follow?: boolean }) => {
      const limit = parsePositiveInteger(options.limit, '--limit')
      const { toHistoryDocument, formatEvent } = await import('./format.ts')
      if (options.follow) await requireDaemon(dataDir())
      const list = options.follow ? call : read
      const rows = await list<HistoryRow[]>('history', { limit: Math.min(limit, 10_000) })
      if (json() && !options.follow) return printJson({ events: rows.map(toHistoryDocument) })
      const print = (row: HistoryRow) => {
        printText(json() ? JSON.stringify(toHistoryDocument(row)) : formatEvent(row))
      }
      rows.forEach(print)
      if (options.follow) await follow(dataDir(), rows.at(-1)?.id ?? 0, print)
    })
}

/** Prints new events from the daemon. Throws when the daemon ends the connection. */
async function follow(dataDir: string, after: number, print: (row: HistoryRow) => void): Promise<void> {
  const { subscribeToDaemon } = await import('../../agent/control-requests.ts')
  const socket = await requireDaemon(dataDir)
  let last = after
  await subscribeToDaemon(socket, ({ event }) => {
    const row = event as HistoryRow | null | undefined
    if (!row || row.id <= last) return
    last = row.id
    print(row)
  })
  throw createDaemonStoppedError()
}
