/**
 * The lines of files that people carry: a block of labelled fields, then sections of rows. What may hold any sign is
 * written as a JSON string, so that every row has one reading.
 */

/** A row of words: `license HOST 5 "Head office"`. */
const WORD = /"(?:[^"\\]|\\.)*"|\S+/g

/** The fields as lines, their values in one column. */
export function writeFields<Name extends string>(
  fields: readonly (readonly [label: string, name: Name])[],
  values: Readonly<Record<Name, string | number>>,
): string[] {
  const width = Math.max(...fields.map(([label]) => label.length)) + 3
  return fields.map(([label, name]) => `${`${label}:`.padEnd(width)}${values[name]}`)
}

/**
 * Reads the fields from a line on, each in its place.
 *
 * @param malformed makes the error of a line that is not in its place
 */
export function readFields(
  lines: readonly string[],
  from: number,
  fields: readonly (readonly [label: string, name: string])[],
  malformed: (why: string) => Error,
): Record<string, string> {
  return Object.fromEntries(
    fields.map(([label, name], i) => {
      const line = lines[from + i] ?? ''
      if (!line.startsWith(`${label}:`)) throw malformed(`it has no line "${label}:" in its place`)
      return [name, line.slice(label.length + 1).trim()]
    }),
  )
}

/** A section: its head, its rows two blanks to the right, an empty line. */
export const writeSection = (head: string, rows: readonly string[]): string[] => [
  `${head}:`,
  ...(rows.length === 0 ? ['  none'] : rows.map((row) => `  ${row}`)),
  '',
]

/**
 * Reads the sections from a line on: exactly these, in this order.
 *
 * @param malformed makes the error of a line that is not in its place
 */
export function readSections<Head extends string>(
  lines: readonly string[],
  from: number,
  heads: readonly Head[],
  malformed: (why: string) => Error,
): Record<Head, string[]> {
  const sections = {} as Record<Head, string[]>
  let at = from
  for (const head of heads) {
    if (lines[at] !== `${head}:`) throw malformed(`it has no section "${head}:" in its place`)
    at++
    const rows: string[] = []
    for (; (lines[at] ?? '').startsWith('  '); at++) rows.push((lines[at] ?? '').slice(2))
    if (rows.length === 0) throw malformed(`its section "${head}:" is empty`)
    if (lines[at] !== '' && at < lines.length)
      throw malformed(`its section "${head}:" does not end where it should`)
    at++
    sections[head] = rows.length === 1 && rows[0] === 'none' ? [] : rows
  }
  if (lines.slice(at).some((line) => line !== '')) throw malformed('something follows its last section')
  return sections
}

/**
 * Reads each row of a section.
 *
 * @param read gives null for a row that is not of its form
 */
export function readRows<T>(
  rows: readonly string[],
  what: string,
  read: (row: string) => T | null,
  malformed: (why: string) => Error,
): T[] {
  return rows.map((row) => {
    const one = read(row)
    if (one === null) throw malformed(`a row of ${what} is not of its form: ${quoted(row.slice(0, 80))}`)
    return one
  })
}

/** A text that may hold any sign, as one word of a row. */
export const quoted = (text: string): string => JSON.stringify(text)

/** The words of a row. */
export const wordsOf = (row: string): string[] => row.match(WORD) ?? []

/** The text of a word that `quoted` wrote; null for any other word. */
export function unquoted(word: string | undefined): string | null {
  try {
    const text: unknown = JSON.parse(word ?? '')
    return typeof text === 'string' && quoted(text) === word ? text : null
  } catch {
    return null
  }
}

const LINE = 64

/** A long word over several rows. */
export const wrap = (text: string): string[] => text.match(new RegExp(`.{1,${LINE}}`, 'g')) ?? []

const BUNDLES = 'Trust bundles'

/** The bundles of roots of a file, as its last section; nothing while the first root is in force. */
export const writeBundles = (bundles: readonly string[]): string[] =>
  bundles.length === 0
    ? []
    : writeSection(BUNDLES, wrap(Buffer.from(JSON.stringify(bundles)).toString('base64url')))

/** The bundles of roots of a file: unchecked, from its text, since who signed it may only be known by them. */
export const bundlesIn = (text: string): string[] =>
  bundlesOf(text.split(/\r\n|\n|\r/).map((line) => line.trimEnd()))

/** The same from its lines. */
export function bundlesOf(lines: readonly string[]): string[] {
  const head = lines.lastIndexOf(`${BUNDLES}:`)
  if (head === -1) return []
  const rows = lines.slice(head + 1).filter((row) => row.startsWith('  '))
  try {
    const parsed: unknown = JSON.parse(Buffer.from(rows.join('').replaceAll(' ', ''), 'base64url').toString())
    return Array.isArray(parsed) ? parsed.filter((one) => typeof one === 'string') : []
  } catch {
    return []
  }
}
