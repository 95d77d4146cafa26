/** How large the value is that a JSON text describes: bytes alone say little, an object may take three of them. */
export interface JsonLimits {
  /** Objects and arrays within each other. */
  readonly depth: number
  /** Values altogether: members, elements, objects and arrays. */
  readonly values: number
}

/** More than any message of a stranger has, by far: some milliseconds to parse, and a few megabytes. */
export const UNTRUSTED_JSON_LIMITS: JsonLimits = { depth: 32, values: 20_000 }

const QUOTE = 0x22
const COMMA = 0x2c

/**
 * Names the limit that a JSON text exceeds; null where it keeps within all. Counts the characters that separate values,
 * without building any of them: a text that is no JSON is counted too, and is refused by its parser.
 */
export function findExceededLimit(text: string, limits: JsonLimits): keyof JsonLimits | null {
  let depth = 0
  let values = 1
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = findStringEnd(text, at + 1)
        break
      case COMMA:
        values++
        break
      case 0x5b: // [
      case 0x7b: // {
        values++
        if (++depth > limits.depth) return 'depth'
        break
      case 0x5d: // ]
      case 0x7d: // }
        depth--
    }
    if (values > limits.values) return 'values'
  }
  return null
}

/** Returns where the string that begins there ends: at the first quote that is not escaped. */
function findStringEnd(text: string, from: number): number {
  for (let quote = text.indexOf('"', from); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let escapes = 0
    while (text[quote - 1 - escapes] === '\\' && quote - 1 - escapes >= from) escapes++
    if (escapes % 2 === 0) return quote
  }
  return text.length
}
