/** A cell: text, a number, or nothing. */
export type Cell = string | number | null

/**
 * Rows as comma-separated values (RFC 4180): lines end with CR LF, and cells that need it are quoted. Text that a
 * spreadsheet would take for a formula gets a `'` before it, and is text.
 */
export function csv(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return csvHead(columns) + csvRows(rows)
}

/** The first line: the titles of the columns. */
export const csvHead = (columns: readonly string[]): string => csvRows([columns])

/** Further lines, for a table that is written a part at a time. */
export const csvRows = (rows: readonly (readonly Cell[])[]): string =>
  rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('')

function cell(value: Cell): string {
  if (value === null) return ''
  if (typeof value === 'number') return String(value)
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
