/**
 * The lines of files that people carry: a block of labeled fields, then sections of rows. What may hold any sign is
 * written as a JSON string, so that every row has one reading.
 */

/** A row of words: `license HOST 5 "Head office"`. */
const WORD_PATTERN = /"(?:[^"\\]|\\.)*"|\S+/g

/** The fields as lines, their values in one column. */
export function formatFields<Name extends string>(
  fields: readonly (readonly [label: string, name: Name])[],
  values: Readonly<Record<Name, string | number>>,
): string[] {
  const width = Math.max(...fields.map(([label]) => label.length)) + 3
  return fields.map(([label, name]) => `${`${label}:`.padEnd(width)}${values[name]}`)
}

/**
 * Reads the fields from a line on, each in its place.
 *
 * @param createError makes the error of a line that is not in its place
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
      if (!line.startsWith(`${label}:`)) throw createError(`it has no line "${label}:" in its place`)
      return [name, line.slice(label.length + 1).trim()]
    }),
  )
}

/** A section: its head, its rows two blanks to the right, an empty line. */
export const formatSection = (head: string, rows: readonly string[]): string[] => [
  `${head}:`,
  ...(rows.length === 0 ? ['  none'] : rows.map((row) => `  ${row}`)),
  '',
]

/**
 * Reads the sections from a line on: exactly these, in this order.
 *
 * @param createError makes the error of a line that is not in its place
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
    if (lines[at] !== `${head}:`) throw createError(`it has no section "${head}:" in its place`)
    at++
    const rows: string[] = []
    for (; (lines[at] ?? '').startsWith('  '); at++) rows.push((lines[at] ?? '').slice(2))
    if (rows.length === 0) throw createError(`its section "${head}:" is empty`)
    if (lines[at] !== '' && at < lines.length)
      throw createError(`its section "${head}:" does not end where it should`)
    at++
    sections[head] = rows.length === 1 && rows[0] === 'none' ? [] : rows
  }
  if (lines.slice(at).some((line) => line !== '')) throw createError('something follows its last section')
  return sections
}

/**
 * Reads each row of a section.
 *
 * @param read gives null for a row that is not of its form
 */
export function parseRows<T>(
  rows: readonly string[],
  what: string,
  read: (row: string) => T | null,
  createError: (why: string) => Error,
): T[] {
  return rows.map((row) => {
    const one = read(row)
    if (one === null) throw createError(`a row of ${what} is not of its form: ${quote(row.slice(0, 80))}`)
    return one
  })
}

/** A text that may hold any sign, as one word of a row. */
export const quote = (text: string): string => JSON.stringify(text)

/** The words of a row. */
export const parseWords = (row: string): string[] => row.match(WORD_PATTERN) ?? []

/** The text of a word that `quoted` wrote; null for any other word. */
export function unquote(word: string | undefined): string | null {
  try {
    const text: unknown = JSON.parse(word ?? '')
    return typeof text === 'string' && quote(text) === word ? text : null
  } catch {
    return null
  }
}

const WRAP_LENGTH = 64

/** A long word over several rows. */
export const wrap = (text: string): string[] => text.match(new RegExp(`.{1,${WRAP_LENGTH}}`, 'g')) ?? []

const ROTATIONS_HEADING = 'Trust bundles'

/** The bundles of roots of a file, as its last section; nothing while the first root is in force. */
export const formatRotations = (bundles: readonly string[]): string[] =>
  bundles.length === 0
    ? []
    : formatSection(ROTATIONS_HEADING, wrap(Buffer.from(JSON.stringify(bundles)).toString('base64url')))

/** The bundles of roots of a file: unchecked, from its text, since who signed it may only be known by them. */
export const extractRotations = (text: string): string[] =>
  parseRotations(text.split(/\r\n|\n|\r/).map((line) => line.trimEnd()))

/** The same from its lines. */
export function parseRotations(lines: readonly string[]): string[] {
  const head = lines.lastIndexOf(`${ROTATIONS_HEADING}:`)
  if (head === -1) return []
  const rows = lines.slice(head + 1).filter((row) => row.startsWith('  '))
  try {
    const parsed: unknown = JSON.parse(Buffer.from(rows.join('').replaceAll(' ', ''), 'base64url').toString())
    return Array.isArray(parsed) ? parsed.filter((one) => typeof one === 'string') : []
  } catch {
    return []
  }
}
