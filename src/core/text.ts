import { toDisplayText } from './display-text.ts'
import { evictOldest } from './evict-oldest.ts'

const DEDUPLICATION_WINDOW_MS = 60_000
const MAX_ENTRIES = 10_000

/** Suppresses messages that were already reported within the last minute. */
export class Deduplicator {
  readonly #last = new Map<string, number>()

  /** Checks whether a message is new within the window, and records it. */
  firstSeen(what: string, now: number): boolean {
    const last = this.#last.get(what)
    if (last !== undefined && now - last < DEDUPLICATION_WINDOW_MS) return false
    this.#last.delete(what)
    this.#last.set(what, now)
    evictOldest(this.#last, MAX_ENTRIES)
    return true
  }
}

/** Replaces control, bidi and line separator characters in untrusted text, and truncates it to `maxLength`. */
export const sanitizeText = (text: string, maxLength: number): string => {
  const clean = toDisplayText(text)
  return clean.length <= maxLength ? clean : `${clean.slice(0, maxLength)}…`
}

/** Quotes untrusted text for an error message: sanitized, and truncated to 80 characters. */
export const quoteForError = (text: string): string => JSON.stringify(sanitizeText(text, 80))

/** Formats a count with its noun: "1 token", "2 tokens". */
export const pluralize = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`
