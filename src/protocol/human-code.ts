import { LicensingError } from '../core/errors.ts'
import { quoteForError } from '../core/text.ts'

/**
 * Bytes as a code that a person reads out, types or copies: 32 letters and digits without the ones that look alike
 * (Crockford's), in groups of six. The last sign of each group is a check over the group and its place, so that a
 * mistyped sign, two that changed places and a group that is missing or out of order are told by the group's number.
 */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** What people write for a sign that is not in the alphabet (Crockford). */
const LOOKALIKES: Readonly<Record<string, string>> = { O: '0', I: '1', L: '1' }
const DATA_CHARACTERS_PER_GROUP = 5
/** Signs of a group, with its check. */
const CHARACTERS_PER_GROUP = DATA_CHARACTERS_PER_GROUP + 1
const SEPARATORS = /[\s-]+/g
const BITS_PER_CHARACTER = 5

/** The longest code that is read, in signs: bounds the work on whatever is pasted. */
const MAX_CODE_LENGTH = 2000

/** Products in the field of 32 elements, x⁵ + x² + 1: every sign has its own weight, so no single change is lost. */
function multiply(a: number, b: number): number {
  let product = 0
  for (let bit = 0; bit < BITS_PER_CHARACTER; bit++) {
    if ((b >> bit) & 1) product ^= a << bit
  }
  for (let bit = 2 * BITS_PER_CHARACTER - 2; bit >= BITS_PER_CHARACTER; bit--) {
    if ((product >> bit) & 1) product ^= 0b100101 << (bit - BITS_PER_CHARACTER)
  }
  return product
}

/** The check of a group: a weighted sum of its signs, and its place among the groups. */
function computeCheckCharacter(characters: readonly number[], place: number): number {
  const weighted = characters.reduce((sum, character, i) => sum ^ multiply(character, i + 2), 0)
  return weighted ^ multiply((place % 31) + 1, 31)
}

const toCharacter = (value: number): string => ALPHABET.charAt(value)

/** Writes bytes as a code, with a dash between groups. */
export function encodeHumanCode(bytes: Uint8Array): string {
  const characters: number[] = []
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    bits += 8
    while (bits >= BITS_PER_CHARACTER) {
      bits -= BITS_PER_CHARACTER
      characters.push((held >> bits) & 31)
      held &= (1 << bits) - 1
    }
  }
  if (bits > 0) characters.push((held << (BITS_PER_CHARACTER - bits)) & 31)
  const groups: string[] = []
  for (let at = 0; at < characters.length; at += DATA_CHARACTERS_PER_GROUP) {
    const group = characters.slice(at, at + DATA_CHARACTERS_PER_GROUP)
    groups.push([...group, computeCheckCharacter(group, groups.length)].map(toCharacter).join(''))
  }
  return groups.join('-')
}

/** Whether a group is as it was written at that place. */
const isValidGroup = (group: readonly number[], place: number): boolean =>
  group.length > 1 && computeCheckCharacter(group.slice(0, -1), place) === group.at(-1)

/** Where a code was typed in its groups: the one that has too few signs, or too many. */
function describeGroupLength(text: string): string | null {
  const chunks = text.trim().split(SEPARATORS)
  const whole = chunks.filter(({ length }) => length === CHARACTERS_PER_GROUP)
  if (chunks.length < 3 || whole.length < chunks.length - 2) return null
  const at = chunks.findIndex(
    ({ length }, i) =>
      length !== CHARACTERS_PER_GROUP && (i < chunks.length - 1 || length > CHARACTERS_PER_GROUP),
  )
  const length = chunks[at]?.length
  return length === undefined
    ? null
    : `group ${at + 1} has ${length} signs instead of ${CHARACTERS_PER_GROUP}`
}

/** Where whole groups were left out or are there twice: those that follow would be right in another place. */
function describeShiftedGroups(groups: readonly (readonly number[])[]): string | null {
  const right = (from: number, by: number) =>
    groups.slice(from).every((group, i) => isValidGroup(group, from + i + by))
  // There is one that does not fit: this is asked of wrong codes alone.
  const good = groups.findIndex((group, i) => !isValidGroup(group, i))
  if (groups.length - good < 2) return null
  if (right(good, 1)) return `group ${good + 1} is missing`
  if (groups.length - good > 2 && right(good + 1, -1)) return `there is a group too many after group ${good}`
  return null
}

/** `group 3 is wrong`, `groups 3, 5 to 9 are wrong`. */
function describeWrongGroups(wrong: readonly number[]): string {
  const ranges: [number, number][] = []
  for (const group of wrong) {
    const last = ranges.at(-1)
    if (last?.[1] === group - 1) last[1] = group
    else ranges.push([group, group])
  }
  const words = ranges.map(([from, to]) =>
    from === to ? String(from) : `${from}${to === from + 1 ? ',' : ' to'} ${to}`,
  )
  return wrong.length === 1 ? `group ${words.join()} is wrong` : `groups ${words.join(', ')} are wrong`
}

/**
 * Reads what a person typed or pasted: in either case, with spaces, dashes and line breaks anywhere.
 *
 * @param what the code is called, for the message: `request code`
 * @throws LicensingError CODE_MISTYPED, naming the groups that are wrong; CODE_MALFORMED for what is no such code
 */
export function decodeHumanCode(text: string, what: string): Uint8Array {
  const createMalformedError = (why: string) =>
    new LicensingError('CODE_MALFORMED', `The text given is not a ${what}: ${why}.`)
  const written = text.replace(SEPARATORS, '').toUpperCase()
  if (written === '') throw createMalformedError('it is empty')
  if (written.length > MAX_CODE_LENGTH) throw createMalformedError('it is far too long')
  const letters = Array.from(written)
  const values = letters.map((character) => ALPHABET.indexOf(LOOKALIKES[character] ?? character))
  const invalidIndex = values.indexOf(-1)
  if (invalidIndex !== -1) {
    const group = Math.floor(invalidIndex / CHARACTERS_PER_GROUP) + 1
    throw createMalformedError(
      `it holds ${quoteForError(letters[invalidIndex] ?? '')}, which no code has, in group ${group}`,
    )
  }
  const groups: number[][] = []
  for (let at = 0; at < values.length; at += CHARACTERS_PER_GROUP)
    groups.push(values.slice(at, at + CHARACTERS_PER_GROUP))
  const wrong = groups.flatMap((group, i) => (isValidGroup(group, i) ? [] : [i + 1]))
  if (wrong.length > 0) {
    const how = describeGroupLength(text) ?? describeShiftedGroups(groups)
    if (how === null && wrong.length === groups.length && groups.length > 3)
      throw createMalformedError('no group of it is right')
    throw new LicensingError(
      'CODE_MISTYPED',
      `The ${what} was not typed as it was printed: ${how ?? describeWrongGroups(wrong)}.`,
    )
  }
  const characters = groups.flatMap((group) => group.slice(0, -1))
  return toBytes(characters, () => createMalformedError('its end is missing or changed'))
}

/** Signs as bytes; the bits that fill up the last sign are zero. */
function toBytes(characters: readonly number[], refuse: () => LicensingError): Uint8Array {
  const bytes: number[] = []
  let bits = 0
  let held = 0
  for (const character of characters) {
    held = (held << BITS_PER_CHARACTER) | character
    bits += BITS_PER_CHARACTER
    if (bits < 8) continue
    bits -= 8
    bytes.push((held >> bits) & 255)
    held &= (1 << bits) - 1
  }
  if (held !== 0 || bits >= BITS_PER_CHARACTER) throw refuse()
  return Uint8Array.from(bytes)
}
