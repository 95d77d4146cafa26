import { createHash } from 'node:crypto'
import { toIsoString } from '../../core/time.ts'
import type { AuditEntry } from '../../http/users.ts'
import { toCanonicalJson } from '../../protocol/digest.ts'

/** Kinds of entries. An `action` has a known actor and any outcome. A `denial` is of an unauthenticated caller. */
export const AUDIT_KINDS = ['action', 'denial'] as const
export type AuditKind = (typeof AUDIT_KINDS)[number]

/** Previous hash of the first entry. */
export const GENESIS = 'genesis'

export interface ChainedEntry extends AuditEntry {
  readonly kind: AuditKind
  /** Position from 1, without gaps. */
  readonly number: number
  readonly previous: string
  /** SHA-256 of all other fields, in hexadecimal. */
  readonly hash: string
}

/** A position in the chain: the number of an entry, and its hash. */
export interface ChainPosition {
  readonly number: number
  readonly hash: string
}

export const GENESIS_POSITION: ChainPosition = { number: 0, hash: GENESIS }

/** Returns an entry in the form of the export file. */
export const toExportedEntry = (entry: ChainedEntry) => {
  const { kind, number, at, who, address, action, subject, outcome, previous, hash } = entry
  return { kind, number, at: toIsoString(at), who, address, action, subject, outcome, previous, hash }
}

/** Returns the hash of an entry: SHA-256 over its canonical JSON (RFC 8785), without the hash itself. */
export function hashEntry(entry: Omit<ChainedEntry, 'hash'>): string {
  const { kind, number, previous, at, who, address, action, subject, outcome } = entry
  const text = toCanonicalJson({
    kind,
    number,
    previous,
    at: toIsoString(at),
    who,
    address,
    action,
    subject,
    outcome,
  })
  return createHash('sha256').update(text).digest('hex')
}

/** Replaces lone surrogates and NUL, which not every database stores. */
const toStorableText = (text: string): string =>
  Buffer.from(text, 'utf8').toString('utf8').replaceAll('\u0000', '\ufffd')

export const getAuditKind = ({ who }: Pick<AuditEntry, 'who'>): AuditKind =>
  who === null ? 'denial' : 'action'

/** Returns an entry with its position after the previous one. */
export function appendToChain(entry: AuditEntry, before: ChainPosition): ChainedEntry {
  const chained = {
    kind: getAuditKind(entry),
    number: before.number + 1,
    previous: before.hash,
    at: entry.at,
    who: entry.who === null ? null : toStorableText(entry.who),
    address: toStorableText(entry.address),
    action: toStorableText(entry.action),
    subject: toStorableText(entry.subject),
    outcome: toStorableText(entry.outcome),
  }
  return { ...chained, hash: hashEntry(chained) }
}

/** Follows the chain, entry by entry, and reports the first that does not fit. */
export class ChainVerifier {
  readonly #expected: ReadonlyMap<number, readonly string[]>
  #begin: ChainPosition | null
  #end: ChainPosition | null
  #actions = 0

  /**
   * @param from the position before the first entry; null to take it from the first entry
   * @param expected the hashes that signed checkpoints give for entries, by their number
   */
  constructor(from: ChainPosition | null, expected: ReadonlyMap<number, readonly string[]> = new Map()) {
    this.#begin = from
    this.#end = from
    this.#expected = expected
  }

  /** The position that the first entry follows. */
  get begin(): ChainPosition {
    return this.#begin ?? GENESIS_POSITION
  }

  /** The position of the last entry that fitted. */
  get end(): ChainPosition {
    return this.#end ?? GENESIS_POSITION
  }

  get isEmpty(): boolean {
    return this.#end === null
  }

  get actions(): number {
    return this.#actions
  }

  /** Verifies the next entry. Returns the reason why it does not fit, or null. */
  verifyEntry(entry: ChainedEntry): string | null {
    const name = `entry ${entry.number}`
    this.#end ??= { number: entry.number - 1, hash: entry.previous }
    this.#begin ??= this.#end
    const expected = this.#end.number + 1
    if (entry.number > expected)
      return `entry ${expected} is missing: entry ${entry.number} is at its position`
    if (entry.number < expected) return `${name} is at the position of entry ${expected}`
    if (entry.kind !== getAuditKind(entry) || hashEntry(entry) !== entry.hash)
      return `${name}, of ${toIsoString(entry.at)}, was changed`
    if (entry.previous !== this.#end.hash)
      return `${name}, of ${toIsoString(entry.at)}, does not follow the entry before it`
    if (this.#expected.get(entry.number)?.some((hash) => hash !== entry.hash))
      return `${name}, of ${toIsoString(entry.at)}, differs from a signed checkpoint: the log was rewritten`
    this.#end = { number: entry.number, hash: entry.hash }
    if (entry.kind === 'action') this.#actions++
    return null
  }

  /** Returns the reason why the chain does not end where it should, or null. */
  finish(head: ChainPosition): string | null {
    const { number, hash } = this.end
    const known = Math.max(head.number, ...this.#expected.keys())
    if (number < known) return `the entries ${number + 1} to ${known} are missing`
    if (number !== head.number || hash !== head.hash)
      return `the log does not end at the expected entry ${head.number}`
    return null
  }
}
