import { printText } from './output.ts'

/** Rows as a table for people. */
export async function printTable(
  columns: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): Promise<void> {
  if (rows.length === 0) {
    printText('None.')
    return
  }
  const { default: Table } = await import('cli-table3')
  const width = process.stdout.isTTY ? process.stdout.columns : Infinity
  const table = new Table({
    head: [...columns],
    style: { head: [], border: [], compact: true },
    ...fitColumns([columns, ...rows], width),
  })
  for (const row of rows) table.push(row.map(toCell))
  printText(table.toString())
}

/** Names come from boxes and strangers: none of them moves the terminal, or begins a row of its own. */
const toCell = (cell: string | number): string | number =>
  typeof cell === 'number' ? cell : cell.replace(/[\p{Cc}\p{Cf}]/gu, '\u{fffd}')

/** What a column needs beside its text: a blank at either side, and a border. */
const CELL_PADDING = 3
const MIN_COLUMN_WIDTH = 10

/** Widths that fit a terminal, taken from the widest columns first; none where all of it fits. */
export function fitColumns(
  rows: readonly (readonly (string | number)[])[],
  width: number,
): { colWidths: number[]; wordWrap: true; wrapOnWordBoundary: false } | object {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => String(row[i] ?? '').length)))
  const total = () => widths.reduce((sum, one) => sum + one + CELL_PADDING, 1)
  if (total() <= width) return {}
  while (total() > width) {
    const widest = widths.indexOf(Math.max(...widths))
    const now = widths[widest] ?? 0
    if (now <= MIN_COLUMN_WIDTH) break
    widths[widest] = now - 1
  }
  return { colWidths: widths.map((one) => one + 2), wordWrap: true, wrapOnWordBoundary: false }
}

/** A count as a bar of blocks, an eighth of one being the least that is drawn. */
export function renderBar(value: number, most: number, width: number): string {
  if (most <= 0 || value <= 0) return ''
  const eighths = Math.max(1, Math.round((value / most) * width * 8))
  const rest = ' ▏▎▍▌▋▊▉'.charAt(eighths % 8)
  return `${'█'.repeat(Math.floor(eighths / 8))}${eighths % 8 === 0 ? '' : rest}`
}

/** Formats an instant to the minute, for a table. */
export const formatMinute = (instant: string | null): string => instant?.slice(0, 16).replace('T', ' ') ?? '-'
