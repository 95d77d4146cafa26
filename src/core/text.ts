import { evictOldest } from './evict-oldest.ts'

const DEDUPLICATION_WINDOW_MS = 60_000
const MAX_ENTRIES = 10_000

/** What was told a short while ago, and need not be told again. */
export class Deduplicator {
  readonly #last = new Map<string, number>()

  firstSeen(what: string, now: number): boolean {
    const last = this.#last.get(what)
    if (last !== undefined && now - last < DEDUPLICATION_WINDOW_MS) return false
    this.#last.delete(what)
    this.#last.set(what, now)
    evictOldest(this.#last, MAX_ENTRIES)
    return true
  }
}

/** A text from outside without signs that would move a terminal, turn words round or begin a line; cut where it is long. */
export const sanitizeText = (text: string, maxLength: number): string => {
  const clean = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\u{fffd}')
  return clean.length <= maxLength ? clean : `${clean.slice(0, maxLength)}…`
}

/** What somebody typed or sent, as an error repeats it: between quotes, plain, and no longer than a line. */
export const quoteForError = (text: string): string => JSON.stringify(sanitizeText(text, 80))

/** Formats a count with its noun: "1 token", "2 tokens". */
export const pluralize = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`
