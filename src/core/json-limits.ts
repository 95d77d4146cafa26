/** Limits for the value in a JSON text. The byte length is not enough: three bytes can be one object. */
export interface JsonLimits {
  /** Maximum nesting of objects and arrays. */
  readonly depth: number
  /** Maximum number of members, elements, objects and arrays. */
  readonly values: number
}

/** Limits for untrusted messages, well above any valid one. Parsing takes milliseconds and a few megabytes. */
export const UNTRUSTED_JSON_LIMITS: JsonLimits = { depth: 32, values: 20_000 }

const QUOTE = 0x22
const COMMA = 0x2c

/**
 * Returns the name of the limit that a JSON text exceeds, or null. Counts separators without parsing, so invalid JSON is
 * counted too and left to the parser to reject.
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

/** Returns the position of the first unescaped quote from `from` on. */
function findStringEnd(text: string, from: number): number {
  for (let quote = text.indexOf('"', from); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let escapes = 0
    while (text[quote - 1 - escapes] === '\\' && quote - 1 - escapes >= from) escapes++
    if (escapes % 2 === 0) return quote
  }
  return text.length
}
