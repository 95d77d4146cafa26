import { csvHead, csvRows } from '../../core/csv.ts'
import type { EventDocument } from './event-log.ts'

const COLUMNS = {
  at: 'Time',
  severity: 'Severity',
  type: 'Type',
  virtualAccount: 'Virtual account',
  instanceId: 'Instance',
  message: 'Message',
  who: 'User',
} as const satisfies Partial<Record<keyof EventDocument, string>>
const KEYS = Object.keys(COLUMNS) as (keyof typeof COLUMNS)[]

const cells = (event: EventDocument) => KEYS.map((key) => event[key])

/** Entries of the event log for a spreadsheet. */
export const eventsToCsv = (events: readonly EventDocument[]): string =>
  csvHead(Object.values(COLUMNS)) + csvRows(events.map(cells))

/** The event log as text, a page at a time: as CSV with the titles of its columns, or as lines of JSON. */
export async function* eventLines(
  pages: AsyncIterable<readonly EventDocument[]>,
  format: 'csv' | 'jsonl',
): AsyncGenerator<string> {
  if (format === 'csv') yield csvHead(Object.values(COLUMNS))
  for await (const page of pages)
    yield format === 'csv'
      ? csvRows(page.map(cells))
      : page.map((event) => `${JSON.stringify(event)}\n`).join('')
}
