import type { Dice } from '../../tools/simulator/seeded-random.ts'

/** What breaks readers: ends of ranges, signs that look alike, names that objects have of their own. */
const NASTY = [
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

const splice = (text: string, at: number, gone: number, put: string): string =>
  text.slice(0, at) + put + text.slice(at + gone)

/** Changes text as something without understanding would: signs, stretches and lines. */
const onText: readonly ((text: string, dice: Dice) => string)[] = [
  (text, dice) => splice(text, dice.between(0, text.length), 0, dice.pick(NASTY)),
  (text, dice) => splice(text, dice.between(0, text.length), dice.between(1, 4), ''),
  (text, dice) => splice(text, dice.between(0, text.length), 1, String.fromCharCode(dice.between(0, 255))),
  (text, dice) => splice(text, dice.between(0, text.length), 1, String.fromCharCode(dice.between(0, 0xffff))),
  (text, dice) => text.slice(0, dice.between(0, text.length)),
  (text, dice) => text.slice(dice.between(0, text.length)),
  (text, dice) => {
    const from = dice.between(0, text.length)
    const part = text.slice(from, from + dice.between(1, 200))
    return splice(text, dice.between(0, text.length), 0, part.repeat(dice.pick([1, 1, 2, 50])))
  },
  (text, dice) => {
    const lines = text.split('\n')
    const [line = ''] = lines.splice(dice.between(0, lines.length - 1), 1)
    if (dice.chance(0.5))
      lines.splice(dice.between(0, lines.length), 0, line, ...(dice.chance(0.5) ? [line] : []))
    return lines.join('\n')
  },
  (text) => text.replaceAll('\n', '\r\n'),
  (text, dice) => (dice.chance(0.5) ? text.toLowerCase() : text.toUpperCase()),
  (text, dice) => text.replace(/\d+/g, (number) => (dice.chance(0.2) ? dice.pick(NASTY) : number)),
]

/** Changes one value of a document, whatever it is. */
function onJson(value: Json, dice: Dice): Json {
  if (typeof value === 'string' && dice.chance(0.7)) return dice.pick(onText)(value, dice)
  if (typeof value !== 'object' || value === null || dice.chance(0.05))
    return dice.chance(0.5) ? dice.pick(VALUES) : dice.pick(NASTY)
  if (Array.isArray(value)) {
    const copy = [...value]
    const at = dice.between(0, Math.max(0, copy.length - 1))
    if (copy.length === 0 || dice.chance(0.2)) return [...copy, dice.pick(VALUES)]
    if (dice.chance(0.2)) copy.splice(at, 1)
    else if (dice.chance(0.1)) return Array.from({ length: 300 }, () => copy[at] ?? null)
    else copy[at] = onJson(copy[at] ?? null, dice)
    return copy
  }
  const names = Object.keys(value)
  if (names.length === 0 || dice.chance(0.1)) {
    const more = JSON.parse(`{${JSON.stringify(dice.pick(NASTY))}:1}`) as object
    return { ...value, ...more }
  }
  const name = dice.pick(names)
  const { [name]: chosen = null, ...rest } = value
  return dice.chance(0.15) ? rest : { ...value, [name]: onJson(chosen, dice) }
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

/** Another text from one that is right: changed as a document where it is one, or as text; now and then more than once. */
export function mutate(text: string, dice: Dice): string {
  let changed = text
  for (let times = dice.pick([1, 1, 1, 2, 3, 8]); times > 0; times--) {
    const document = parsed(changed)
    changed =
      document !== undefined && dice.chance(0.8)
        ? JSON.stringify(onJson(document, dice))
        : dice.pick(onText)(changed, dice)
  }
  return changed.length > 400_000 ? changed.slice(0, 400_000) : changed
}
