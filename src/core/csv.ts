/** Cell of a table. Null is an empty cell. */
export type Cell = string | number | null

/**
 * Formats rows as comma-separated values (RFC 4180), with CR LF line ends. Text that a spreadsheet would read as a formula
 * gets a leading `'`.
 */
export function formatCsv(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return formatCsvHeader(columns) + formatCsvRows(rows)
}

/** Formats the header line with the column titles. */
export const formatCsvHeader = (columns: readonly string[]): string => formatCsvRows([columns])

/** Formats further lines, for a table that is written in parts. */
export const formatCsvRows = (rows: readonly (readonly Cell[])[]): string =>
  rows.map((row) => `${row.map(formatCell).join(',')}\r\n`).join('')

function formatCell(value: Cell): string {
  if (value === null) return ''
  if (typeof value === 'number') return String(value)
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
