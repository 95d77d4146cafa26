import type { SeededRandom } from '../../tools/simulator/seeded-random.ts'

/** Strings that often break parsers: range limits, look-alike characters, names of object properties. */
const HOSTILE_STRINGS = [
  '',
  ' ',
  '\u0000',
  '\ufeff',
  '\r\n',
  '\u2028',
  '\ud800',
  'А',
  '０',
  'é',
  '-1',
  '0',
  '1e999',
  '9007199254740993',
  '99999999999999999999999999',
  'NaN',
  'null',
  'true',
  '[]',
  '{}',
  '""',
  '__proto__',
  'constructor',
  'toString',
  '../../etc/passwd',
  '%00',
  '%',
  "' or 1=1 --",
  '${7*7}',
  'A'.repeat(5_000),
  '['.repeat(5_000),
  '{"a":'.repeat(2_000),
  '1969-12-31T23:59:59.999Z',
  '+275760-09-13T00:00:00.000Z',
  '=====',
  '-----BEGIN CERTIFICATE-----',
] as const

type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

const VALUES: readonly Json[] = [null, true, 0, -1, 1.5, 1e308, 2 ** 53, '', 'x', [], {}, [[]], [null]]

const splice = (text: string, at: number, removed: number, inserted: string): string =>
  text.slice(0, at) + inserted + text.slice(at + removed)

/** Mutations of text by character, section or line, without regard to its format. */
const TEXT_MUTATIONS: readonly ((text: string, random: SeededRandom) => string)[] = [
  (text, random) => splice(text, random.nextInt(0, text.length), 0, random.pick(HOSTILE_STRINGS)),
  (text, random) => splice(text, random.nextInt(0, text.length), random.nextInt(1, 4), ''),
  (text, random) =>
    splice(text, random.nextInt(0, text.length), 1, String.fromCharCode(random.nextInt(0, 255))),
  (text, random) =>
    splice(text, random.nextInt(0, text.length), 1, String.fromCharCode(random.nextInt(0, 0xffff))),
  (text, random) => text.slice(0, random.nextInt(0, text.length)),
  (text, random) => text.slice(random.nextInt(0, text.length)),
  (text, random) => {
    const from = random.nextInt(0, text.length)
    const part = text.slice(from, from + random.nextInt(1, 200))
    return splice(text, random.nextInt(0, text.length), 0, part.repeat(random.pick([1, 1, 2, 50])))
  },
  (text, random) => {
    const lines = text.split('\n')
    const [line = ''] = lines.splice(random.nextInt(0, lines.length - 1), 1)
    if (random.nextBoolean(0.5))
      lines.splice(random.nextInt(0, lines.length), 0, line, ...(random.nextBoolean(0.5) ? [line] : []))
    return lines.join('\n')
  },
  (text) => text.replaceAll('\n', '\r\n'),
  (text, random) => (random.nextBoolean(0.5) ? text.toLowerCase() : text.toUpperCase()),
  (text, random) =>
    text.replace(/\d+/g, (number) => (random.nextBoolean(0.2) ? random.pick(HOSTILE_STRINGS) : number)),
]

/** Replaces, removes or adds one value of a JSON document. */
function mutateJson(value: Json, random: SeededRandom): Json {
  if (typeof value === 'string' && random.nextBoolean(0.7)) return random.pick(TEXT_MUTATIONS)(value, random)
  if (typeof value !== 'object' || value === null || random.nextBoolean(0.05))
    return random.nextBoolean(0.5) ? random.pick(VALUES) : random.pick(HOSTILE_STRINGS)
  if (Array.isArray(value)) {
    const copy = [...value]
    const at = random.nextInt(0, Math.max(0, copy.length - 1))
    if (copy.length === 0 || random.nextBoolean(0.2)) return [...copy, random.pick(VALUES)]
    if (random.nextBoolean(0.2)) copy.splice(at, 1)
    else if (random.nextBoolean(0.1)) return Array.from({ length: 300 }, () => copy[at] ?? null)
    else copy[at] = mutateJson(copy[at] ?? null, random)
    return copy
  }
  const names = Object.keys(value)
  if (names.length === 0 || random.nextBoolean(0.1)) {
    const more = JSON.parse(`{${JSON.stringify(random.pick(HOSTILE_STRINGS))}:1}`) as object
    return { ...value, ...more }
  }
  const name = random.pick(names)
  const { [name]: chosen = null, ...rest } = value
  return random.nextBoolean(0.15) ? rest : { ...value, [name]: mutateJson(chosen, random) }
}

function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

/** Returns a text with one or more mutations, applied to its JSON value if it has one. */
export function mutate(text: string, random: SeededRandom): string {
  let changed = text
  for (let times = random.pick([1, 1, 1, 2, 3, 8]); times > 0; times--) {
    const document = parseJson(changed)
    changed =
      document !== undefined && random.nextBoolean(0.8)
        ? JSON.stringify(mutateJson(document, random))
        : random.pick(TEXT_MUTATIONS)(changed, random)
  }
  return changed.length > 400_000 ? changed.slice(0, 400_000) : changed
}
