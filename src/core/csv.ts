/** A cell: text, a number, or nothing. */
export type Cell = string | number | null

/**
 * Rows as comma-separated values (RFC 4180): lines end with CR LF, and cells that need it are quoted. Text that a
 * spreadsheet would take for a formula gets a `'` before it, and is text.
 */
export function formatCsv(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return formatCsvHeader(columns) + formatCsvRows(rows)
}

/** The first line: the titles of the columns. */
export const formatCsvHeader = (columns: readonly string[]): string => formatCsvRows([columns])

/** Further lines, for a table that is written a part at a time. */
export const formatCsvRows = (rows: readonly (readonly Cell[])[]): string =>
  rows.map((row) => `${row.map(formatCell).join(',')}\r\n`).join('')

function formatCell(value: Cell): string {
  if (value === null) return ''
  if (typeof value === 'number') return String(value)
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
