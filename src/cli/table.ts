import { toDisplayText } from '../core/display-text.ts'
import { printText } from './output.ts'

/** Prints rows as a table, fitted to the terminal width. */
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

/** Replaces control and format characters, because names come from devices and untrusted clients. */
const toCell = (cell: string | number): string | number =>
  typeof cell === 'number' ? cell : toDisplayText(cell)

/** Columns added to each cell: a space on both sides and a border. */
const CELL_PADDING = 3
const MIN_COLUMN_WIDTH = 10

/** Returns column widths that fit the terminal. Shrinks the widest columns first. Returns `{}` when all columns fit. */
export function fitColumns(
  rows: readonly (readonly (string | number)[])[],
  width: number,
): { colWidths: number[]; wordWrap: true; wrapOnWordBoundary: false } | object {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => String(row[i] ?? '').length)))
  const total = () => widths.reduce((sum, cellWidth) => sum + cellWidth + CELL_PADDING, 1)
  if (total() <= width) return {}
  while (total() > width) {
    const widest = widths.indexOf(Math.max(...widths))
    const current = widths[widest] ?? 0
    if (current <= MIN_COLUMN_WIDTH) break
    widths[widest] = current - 1
  }
  return { colWidths: widths.map((cellWidth) => cellWidth + 2), wordWrap: true, wrapOnWordBoundary: false }
}

/** Draws a count as a bar of block characters, with a resolution of one eighth of a block. */
export function renderBar(value: number, max: number, width: number): string {
  if (max <= 0 || value <= 0) return ''
  const eighths = Math.max(1, Math.round((value / max) * width * 8))
  const rest = ' ▏▎▍▌▋▊▉'.charAt(eighths % 8)
  return `${'█'.repeat(Math.floor(eighths / 8))}${eighths % 8 === 0 ? '' : rest}`
}

/** Formats an instant to the minute. */
export const formatMinute = (instant: string | null): string => instant?.slice(0, 16).replace('T', ' ') ?? '-'
