/**
 * Text format of offline files: a block of labeled fields, then sections of rows. A text that may contain any
 * character is written as a JSON string, so that every row can be parsed in only one way.
 */

/** Matches the words of a row: `license HOST 5 "Head office"`. */
const WORD_PATTERN = /"(?:[^"\\]|\\.)*"|\S+/g

/** Formats the fields as lines, with the values aligned in one column. */
export function formatFields<Name extends string>(
  fields: readonly (readonly [label: string, name: Name])[],
  values: Readonly<Record<Name, string | number>>,
): string[] {
  const width = Math.max(...fields.map(([label]) => label.length)) + 3
  return fields.map(([label, name]) => `${`${label}:`.padEnd(width)}${values[name]}`)
}

/**
 * Parses the fields, in their fixed order, from the line at index `from`.
 *
 * @param createError creates the error for a missing or misplaced field
 */
export function parseFields(
  lines: readonly string[],
  from: number,
  fields: readonly (readonly [label: string, name: string])[],
  createError: (why: string) => Error,
): Record<string, string> {
  return Object.fromEntries(
    fields.map(([label, name], i) => {
      const line = lines[from + i] ?? ''
      if (!line.startsWith(`${label}:`)) throw createError(`the line "${label}:" is missing or misplaced`)
      return [name, line.slice(label.length + 1).trim()]
    }),
  )
}

/** Formats a section: the heading, the rows indented by two spaces, and an empty line. */
export const formatSection = (head: string, rows: readonly string[]): string[] => [
  `${head}:`,
  ...(rows.length === 0 ? ['  none'] : rows.map((row) => `  ${row}`)),
  '',
]

/**
 * Parses exactly these sections, in this order, from the line at index `from`.
 *
 * @param createError creates the error for a missing, empty or misplaced section
 */
export function parseSections<Head extends string>(
  lines: readonly string[],
  from: number,
  heads: readonly Head[],
  createError: (why: string) => Error,
): Record<Head, string[]> {
  const sections = {} as Record<Head, string[]>
  let at = from
  for (const head of heads) {
    if (lines[at] !== `${head}:`) throw createError(`the section "${head}:" is missing or misplaced`)
    at++
    const rows: string[] = []
    for (; (lines[at] ?? '').startsWith('  '); at++) rows.push((lines[at] ?? '').slice(2))
    if (rows.length === 0) throw createError(`the section "${head}:" is empty`)
    if (lines[at] !== '' && at < lines.length)
      throw createError(`the section "${head}:" does not end with an empty line`)
    at++
    sections[head] = rows.length === 1 && rows[0] === 'none' ? [] : rows
  }
  if (lines.slice(at).some((line) => line !== '')) throw createError('there is text after the last section')
  return sections
}

/**
 * Parses each row of a section.
 *
 * @param read returns null for a row that is not valid
 */
export function parseRows<T>(
  rows: readonly string[],
  what: string,
  read: (row: string) => T | null,
  createError: (why: string) => Error,
): T[] {
  return rows.map((row) => {
    const value = read(row)
    if (value === null) throw createError(`a row of ${what} is not valid: ${quote(row.slice(0, 80))}`)
    return value
  })
}

/** Returns a text that may contain any character as one word of a row. */
export const quote = (text: string): string => JSON.stringify(text)

export const parseWords = (row: string): string[] => row.match(WORD_PATTERN) ?? []

/** Returns the text of a word that `quote` wrote; null for any other word. */
export function unquote(word: string | undefined): string | null {
  try {
    const text: unknown = JSON.parse(word ?? '')
    return typeof text === 'string' && quote(text) === word ? text : null
  } catch {
    return null
  }
}

const WRAP_LENGTH = 64

/** Splits a long word into rows of at most `WRAP_LENGTH` characters. */
export const wrap = (text: string): string[] => text.match(new RegExp(`.{1,${WRAP_LENGTH}}`, 'g')) ?? []

const ROTATIONS_HEADING = 'Trust bundles'

/** Formats the root rotation statements as the last section of a file; no lines while there are none. */
export const formatRotations = (bundles: readonly string[]): string[] =>
  bundles.length === 0
    ? []
    : formatSection(ROTATIONS_HEADING, wrap(Buffer.from(JSON.stringify(bundles)).toString('base64url')))

/** Extracts the unverified root rotation statements of a file. The signer of the file may only be trusted by them. */
export const extractRotations = (text: string): string[] =>
  parseRotations(text.split(/\r\n|\n|\r/).map((line) => line.trimEnd()))

/** Parses the unverified root rotation statements from the lines of a file. */
export function parseRotations(lines: readonly string[]): string[] {
  const head = lines.lastIndexOf(`${ROTATIONS_HEADING}:`)
  if (head === -1) return []
  const rows = lines.slice(head + 1).filter((row) => row.startsWith('  '))
  try {
    const parsed: unknown = JSON.parse(Buffer.from(rows.join('').replaceAll(' ', ''), 'base64url').toString())
    return Array.isArray(parsed) ? parsed.filter((rotation) => typeof rotation === 'string') : []
  } catch {
    return []
  }
}
