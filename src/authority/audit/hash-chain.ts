import { createHash } from 'node:crypto'
import { iso, type Instant } from '../../core/time.ts'
import { canonical } from '../../protocol/digest.ts'

/** What was done, and what was refused to strangers: two chains, so that the second pushes nothing out of the first. */
export const CHAINS = ['deeds', 'refusals'] as const
export type Chain = (typeof CHAINS)[number]

/** What stands where the hash of an entry before the first would. */
export const BEGINNING = 'beginning'

/** One thing that somebody did, or that was refused. */
export interface Deed {
  readonly at: Instant
  /** Null where nobody was known. */
  readonly who: string | null
  readonly address: string
  readonly action: string
  readonly about: string
  /** `done`, or the code of the refusal. */
  readonly outcome: string
}

/** An entry in its place. */
export interface ChainedDeed extends Deed {
  readonly chain: Chain
  /** From 1, without gaps. */
  readonly number: number
  /** The hash of the entry before it. */
  readonly previous: string
  /** SHA-256 of all the rest, in hexadecimal. */
  readonly hash: string
}

/** A place in a chain: the entry of that number has that hash. */
export interface Place {
  readonly number: number
  readonly hash: string
}

/** An entry as it is exported. */
export const exported = (entry: ChainedDeed) => {
  const { chain, number, at, who, address, action, about, outcome, previous, hash } = entry
  return { chain, number, at: iso(at), who, address, action, about, outcome, previous, hash }
}

/** The hash of an entry: SHA-256 over its JSON, canonical by RFC 8785, without the hash itself. */
export function entryHash(entry: Omit<ChainedDeed, 'hash'>): string {
  const { chain, number, previous, at, who, address, action, about, outcome } = entry
  const text = canonical({ chain, number, previous, at: iso(at), who, address, action, about, outcome })
  return createHash('sha256').update(text).digest('hex')
}

/** A text as every store gives it back: whole characters, none of them NUL. */
const storable = (text: string): string =>
  Buffer.from(text, 'utf8').toString('utf8').replaceAll('\u0000', '\ufffd')

/** Puts a deed into its place behind the entry before it. */
export function chained(deed: Deed, chain: Chain, before: Place): ChainedDeed {
  const entry = {
    chain,
    number: before.number + 1,
    previous: before.hash,
    at: deed.at,
    who: deed.who === null ? null : storable(deed.who),
    address: storable(deed.address),
    action: storable(deed.action),
    about: storable(deed.about),
    outcome: storable(deed.outcome),
  }
  return { ...entry, hash: entryHash(entry) }
}

/** Which chain a deed belongs to. */
export const chainOf = ({ who }: Pick<Deed, 'who'>): Chain => (who === null ? 'refusals' : 'deeds')

/** Follows one chain, entry by entry, and stops at the first that does not fit. */
export class ChainWalk {
  readonly chain: Chain
  readonly #wanted: ReadonlyMap<number, readonly string[]>
  #last: Place | null
  #begun: Place | null

  /**
   * @param from the place that the first entry follows; null when the first entry tells it
   * @param wanted the hashes that entries are known to have had, by their number
   */
  constructor(chain: Chain, from: Place | null, wanted: ReadonlyMap<number, readonly string[]> = new Map()) {
    this.chain = chain
    this.#last = from
    this.#begun = from
    this.#wanted = wanted
  }

  /** The place that the first entry follows. */
  get begin(): Place {
    return this.#begun ?? { number: 0, hash: BEGINNING }
  }

  get isEmpty(): boolean {
    return this.#last === null
  }

  /** The last entry that fitted. */
  get end(): Place {
    return this.#last ?? { number: 0, hash: BEGINNING }
  }

  /** What is wrong with the next entry; null when it fits. */
  take(entry: ChainedDeed): string | null {
    const name = `entry ${entry.number} of the ${this.chain}`
    this.#last ??= { number: entry.number - 1, hash: entry.previous }
    this.#begun ??= this.#last
    const expected = this.#last.number + 1
    if (entry.number > expected)
      return `entry ${expected} of the ${this.chain} is missing: ${entry.number} comes in its place`
    if (entry.number < expected) return `${name} comes where entry ${expected} should`
    if (entry.chain !== this.chain || chainOf(entry) !== this.chain) return `${name} is of another chain`
    if (entryHash(entry) !== entry.hash) return `${name}, of ${iso(entry.at)}, was changed`
    if (entry.previous !== this.#last.hash)
      return `${name}, of ${iso(entry.at)}, does not follow the entry that is before it`
    if (this.#wanted.get(entry.number)?.some((hash) => hash !== entry.hash))
      return `${name}, of ${iso(entry.at)}, is not the one that a signed checkpoint tells of: the record was written anew`
    this.#last = { number: entry.number, hash: entry.hash }
    return null
  }

  /** What is wrong with the end: entries that are known to have been there. */
  finish(head: Place): string | null {
    const { number, hash } = this.end
    const known = Math.max(head.number, ...this.#wanted.keys())
    if (number < known) return `the entries ${number + 1} to ${known} of the ${this.chain} are missing`
    if (number !== head.number || hash !== head.hash)
      return `the ${this.chain} do not end where they should, at entry ${head.number}`
    return null
  }
}
