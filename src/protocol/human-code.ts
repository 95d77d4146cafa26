import { LicensingError } from '../core/errors.ts'
import { quoteForError } from '../core/text.ts'

/**
 * Alphabet of codes that users read out, type or copy: Crockford's base 32, which has no lookalike characters. Codes are
 * written in groups of six. The last character of each group checks the group and its position. A mistyped character,
 * two swapped characters, or a missing or misplaced group is therefore reported by the number of the group.
 */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** Characters that users write for lookalikes in the alphabet (Crockford). */
const LOOKALIKES: Readonly<Record<string, string>> = { O: '0', I: '1', L: '1' }
const DATA_CHARACTERS_PER_GROUP = 5
/** Characters of a group, including its check character. */
const CHARACTERS_PER_GROUP = DATA_CHARACTERS_PER_GROUP + 1
const SEPARATORS = /[\s-]+/g
const BITS_PER_CHARACTER = 5

/** Limit in characters, which bounds the work on pasted text. */
const MAX_CODE_LENGTH = 2000

/** Multiplies in GF(32), modulo x⁵ + x² + 1. Each character has its own weight, so every single change is detected. */
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

/** Computes the check character of a group: a weighted sum of its characters and its position in the code. */
function computeCheckCharacter(characters: readonly number[], position: number): number {
  const weighted = characters.reduce((sum, character, i) => sum ^ multiply(character, i + 2), 0)
  return weighted ^ multiply((position % 31) + 1, 31)
}

const toCharacter = (value: number): string => ALPHABET.charAt(value)

/** Encodes bytes as a code, with a dash between groups. */
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

/** Tells whether the check character of a group matches the group and its position. */
const isValidGroup = (group: readonly number[], position: number): boolean =>
  group.length > 1 && computeCheckCharacter(group.slice(0, -1), position) === group.at(-1)

/** Names the group with too few or too many characters, in a code that was typed in groups. */
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
    : `group ${at + 1} has ${length} characters instead of ${CHARACTERS_PER_GROUP}`
}

/** Names a missing or extra group: the groups after it would be valid one position later or earlier. */
function describeShiftedGroups(groups: readonly (readonly number[])[]): string | null {
  const right = (from: number, by: number) =>
    groups.slice(from).every((group, i) => isValidGroup(group, from + i + by))
  // Never -1, because this function is only called for codes with a wrong group.
  const good = groups.findIndex((group, i) => !isValidGroup(group, i))
  if (groups.length - good < 2) return null
  if (right(good, 1)) return `group ${good + 1} is missing`
  if (groups.length - good > 2 && right(good + 1, -1)) return `there is an extra group after group ${good}`
  return null
}

/** Formats group numbers: `group 3 is wrong`, `groups 3, 5 to 9 are wrong`. */
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
 * Decodes a code that a user typed or pasted: in either case, with spaces, dashes and line breaks anywhere.
 *
 * @param what name of the code in error messages: `request code`
 * @throws LicensingError CODE_MISTYPED, naming the wrong groups; CODE_MALFORMED for text that is not such a code
 */
export function decodeHumanCode(text: string, what: string): Uint8Array {
  const createMalformedError = (why: string) =>
    new LicensingError('CODE_MALFORMED', `The text given is not a ${what}: ${why}.`)
  const written = text.replace(SEPARATORS, '').toUpperCase()
  if (written === '') throw createMalformedError('it is empty')
  if (written.length > MAX_CODE_LENGTH) throw createMalformedError('it is too long')
  const letters = Array.from(written)
  const values = letters.map((character) => ALPHABET.indexOf(LOOKALIKES[character] ?? character))
  const invalidIndex = values.indexOf(-1)
  if (invalidIndex !== -1) {
    const group = Math.floor(invalidIndex / CHARACTERS_PER_GROUP) + 1
    throw createMalformedError(
      `it contains the invalid character ${quoteForError(letters[invalidIndex] ?? '')} in group ${group}`,
    )
  }
  const groups: number[][] = []
  for (let at = 0; at < values.length; at += CHARACTERS_PER_GROUP)
    groups.push(values.slice(at, at + CHARACTERS_PER_GROUP))
  const wrong = groups.flatMap((group, i) => (isValidGroup(group, i) ? [] : [i + 1]))
  if (wrong.length > 0) {
    const how = describeGroupLength(text) ?? describeShiftedGroups(groups)
    if (how === null && wrong.length === groups.length && groups.length > 3)
      throw createMalformedError('none of its groups is valid')
    throw new LicensingError(
      'CODE_MISTYPED',
      `The ${what} was mistyped: ${how ?? describeWrongGroups(wrong)}.`,
    )
  }
  const characters = groups.flatMap((group) => group.slice(0, -1))
  return toBytes(characters, () => createMalformedError('its end is missing or was changed'))
}

/** Converts characters to bytes. The padding bits of the last character must be zero. */
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
