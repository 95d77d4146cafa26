import { formatCsvHeader, formatCsvRows } from '../../core/csv.ts'
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
const COLUMN_KEYS = Object.keys(COLUMNS) as (keyof typeof COLUMNS)[]

const toCells = (event: EventDocument) => COLUMN_KEYS.map((key) => event[key])

/** Yields the event log as text, a page at a time: CSV with a header, or JSON lines. */
export async function* exportEvents(
  pages: AsyncIterable<readonly EventDocument[]>,
  format: 'csv' | 'jsonl',
): AsyncGenerator<string> {
  if (format === 'csv') yield formatCsvHeader(Object.values(COLUMNS))
  for await (const page of pages)
    yield format === 'csv'
      ? formatCsvRows(page.map(toCells))
      : page.map((event) => `${JSON.stringify(event)}\n`).join('')
}
