import { dropOldest } from './evict-oldest.ts'

const WINDOW = 60_000
const MOST = 10_000

/** What was told a short while ago, and need not be told again. */
export class Told {
  readonly #last = new Map<string, number>()

  isNew(what: string, now: number): boolean {
    const last = this.#last.get(what)
    if (last !== undefined && now - last < WINDOW) return false
    this.#last.delete(what)
    this.#last.set(what, now)
    dropOldest(this.#last, MOST)
    return true
  }
}

/** A text from outside without signs that would move a terminal, turn words round or begin a line; cut where it is long. */
export const plain = (text: string, longest: number): string => {
  const clean = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\u{fffd}')
  return clean.length <= longest ? clean : `${clean.slice(0, longest)}…`
}

/** What somebody typed or sent, as an error repeats it: between quotes, plain, and no longer than a line. */
export const cited = (text: string): string => JSON.stringify(plain(text, 80))

/** Formats a count with its noun: "1 token", "2 tokens". */
export const pluralize = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`
