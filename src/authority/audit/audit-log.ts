import { randomUUID, type X509Certificate } from 'node:crypto'
import type { Selectable } from 'kysely'
import { LicensingError } from '../../core/errors.ts'
import { DAY, type Instant } from '../../core/time.ts'
import type { Credentials } from '../keys/credentials.ts'
import type { Tables } from '../store/schema.ts'
import type { Tx } from '../store/store.ts'
import {
  BEGINNING,
  type Chain,
  chained,
  type ChainedDeed,
  chainOf,
  CHAINS,
  ChainWalk,
  type Deed,
  type Place,
} from './hash-chain.ts'
import { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoint.ts'

/** How many entries of each chain are kept. */
const KEPT: Readonly<Record<Chain, number>> = { deeds: 100_000, refusals: 10_000 }
/** How many checkpoints are kept: a good year of days. */
const KEPT_CHECKPOINTS = 400
/** Entries that are read or written at a time. */
const BATCH = 1_000

/** A record that was found whole. */
export interface IntactRecord {
  readonly chains: readonly { readonly chain: Chain; readonly from: number; readonly to: number }[]
  /** How many checkpoints the record was held against, and how many could not be: of a root that is none any more. */
  readonly checkpoints: { readonly checked: number; readonly untrusted: number }
}

/** @throws LicensingError AUDIT_BROKEN: always */
export function broken(why: string): never {
  throw new LicensingError('AUDIT_BROKEN', `The audit record is not whole: ${why}.`)
}

/** Throws where a walk along a chain has found something. @throws LicensingError AUDIT_BROKEN */
export function requireFits(wrong: string | null): void {
  if (wrong !== null) broken(wrong)
}

/**
 * Requires that no more was let go of the beginning than is: who cuts an entry off there can make what is left fit.
 *
 * @throws LicensingError AUDIT_BROKEN
 */
export function requireBeginning(chain: Chain, anchor: Place, head: Place): void {
  if (anchor.number > 0 && head.number - anchor.number < KEPT[chain])
    broken(`entries up to ${anchor.number} of the ${chain} are missing, which are kept still`)
}

/** What signed checkpoints say of the entries of a chain: the hashes, by the entry's number. */
export function wantedBy(checkpoints: readonly Checkpoint[], chain: Chain): Map<number, string[]> {
  const wanted = new Map<number, string[]>()
  for (const { ends } of checkpoints) {
    const { number, hash } = ends[chain]
    if (number > 0) wanted.set(number, [...(wanted.get(number) ?? []), hash])
  }
  return wanted
}

/** The audit record of an authority, in the transaction it is given. */
export class AuditRecord {
  readonly #tx: Tx

  constructor(tx: Tx) {
    this.#tx = tx
  }

  /** Adds an entry behind the last of its chain; the oldest beyond those that are kept are let go. */
  async append(deed: Deed): Promise<void> {
    await this.#chainOlder()
    const chain = chainOf(deed)
    // One row is written by everybody who appends: they wait for each other, and no two follow the same entry.
    const end = await this.#tx
      .updateTable('audit_chains')
      .set((eb) => ({ number: eb('number', '+', 1) }))
      .where('chain', '=', chain)
      .returning(['number', 'head', 'anchor_number'])
      .executeTakeFirstOrThrow()
    const entry = chained(deed, chain, { number: end.number - 1, hash: end.head })
    await this.#tx.insertInto('audit').values(entry).execute()
    await this.#tx.updateTable('audit_chains').set({ head: entry.hash }).where('chain', '=', chain).execute()
    if (entry.number % 100 === 0) await this.#prune(chain, entry.number - KEPT[chain], end.anchor_number)
  }

  /** The newest entries of both chains, the newest first. */
  async newest(limit: number): Promise<StoredDeed[]> {
    await this.#chainOlder()
    const rows = await this.#tx.selectFrom('audit').selectAll().orderBy('id', 'desc').limit(limit).execute()
    return rows.map(entryOf)
  }

  /** The entries of a chain after a number, up to a page. */
  async page(chain: Chain, after: number, last = Number.MAX_SAFE_INTEGER): Promise<StoredDeed[]> {
    const rows = await this.#tx
      .selectFrom('audit')
      .selectAll()
      .where('chain', '=', chain)
      .where('number', '>', after)
      .where('number', '<=', last)
      .orderBy('number')
      .limit(BATCH)
      .execute()
    return rows.map(entryOf)
  }

  /** Where the chains end, and what was pruned from their beginning. */
  async ends(): Promise<Record<Chain, { head: Place; anchor: Place }>> {
    await this.#chainOlder()
    const rows = await this.#tx.selectFrom('audit_chains').selectAll().execute()
    const end = (chain: Chain) => {
      const row = rows.find((one) => one.chain === chain)
      return row
        ? {
            head: { number: row.number, hash: row.head },
            anchor: { number: row.anchor_number, hash: row.anchor_hash },
          }
        : broken(`nothing says where the ${chain} end`)
    }
    return { deeds: end('deeds'), refusals: end('refusals') }
  }

  /**
   * Follows both chains from the first entry that is kept to the last.
   *
   * @param kept checkpoints that were kept elsewhere, and found good
   * @throws LicensingError AUDIT_BROKEN: the first entry that does not fit, and why
   */
  async verify(
    kept: readonly Checkpoint[],
    authority: string,
    roots: readonly X509Certificate[],
  ): Promise<IntactRecord> {
    const ends = await this.ends()
    for (const checkpoint of kept)
      if (checkpoint.authority !== authority) broken('a checkpoint is of another authority')
    const own = await this.#ownCheckpoints(roots)
    const chains: IntactRecord['chains'][number][] = []
    for (const chain of CHAINS) {
      const { head, anchor } = ends[chain]
      requireBeginning(chain, anchor, head)
      const wanted = wantedBy([...kept, ...own.checkpoints], chain)
      if (wanted.get(anchor.number)?.some((hash) => hash !== anchor.hash))
        broken(
          `entry ${anchor.number} of the ${chain}, the last that was pruned, is not the one that was signed`,
        )
      const walk = new ChainWalk(chain, anchor, wanted)
      let id = 0
      for (;;) {
        const page = await this.page(chain, walk.end.number)
        for (const entry of page) {
          requireFits(walk.take(entry))
          // Lists are in the order of the ids, which no hash covers.
          if (entry.id <= id)
            broken(`entry ${entry.number} of the ${chain} stands in another place of the list`)
          id = entry.id
        }
        if (page.length < BATCH) break
      }
      requireFits(walk.finish(head))
      chains.push({ chain, from: anchor.number + 1, to: head.number })
    }
    await this.#requireNothingElse(ends)
    const checked = kept.length + own.checkpoints.length
    return { chains, checkpoints: { checked, untrusted: own.untrusted } }
  }

  /** Signs where the chains end now, and keeps that. @throws LicensingError SATELLITE_NOT_REGISTERED */
  async checkpoint(credentials: Credentials, at: Instant): Promise<string> {
    const { deeds, refusals } = await this.ends()
    const { id, account } = credentials.identity
    const signer = await credentials.auditSigner(this.#tx, at)
    const begins = { deeds: deeds.anchor, refusals: refusals.anchor }
    const ends = { deeds: deeds.head, refusals: refusals.head }
    const text = writeCheckpoint({ authority: id, account, at, begins, ends }, signer)
    await this.#tx.insertInto('audit_checkpoints').values({ id: randomUUID(), at, text }).execute()
    await this.#pruneCheckpoints()
    return text
  }

  /** Signs a checkpoint when the last is a day old, and anything was recorded since. */
  async checkpointWhenDue(credentials: Credentials, at: Instant): Promise<void> {
    const last = await this.#tx
      .selectFrom('audit_checkpoints')
      .selectAll()
      .orderBy('at', 'desc')
      .limit(1)
      .executeTakeFirst()
    if (last && last.at > at - DAY) return
    const { deeds, refusals } = await this.ends()
    const same = [deeds, refusals].every(({ head }) => last?.text.includes(`${head.number} ${head.hash}`))
    if (!same) await this.checkpoint(credentials, at)
  }

  /** Entries that are older than the chains are chained in their order, once. */
  async #chainOlder(): Promise<void> {
    const begun = await this.#tx
      .selectFrom('audit_chains')
      .select('chain')
      .where('number', '>', 0)
      .limit(1)
      .executeTakeFirst()
    if (begun) return
    const older = await this.#tx.selectFrom('audit').select('id').limit(1).executeTakeFirst()
    if (!older) return
    // Whoever else is at it waits here, and finds it done.
    const rows = await this.#tx
      .updateTable('audit_chains')
      .set((eb) => ({ number: eb.ref('number') }))
      .returning('number')
      .execute()
    if (rows.some(({ number }) => number > 0)) return
    const ends: Record<Chain, Place> = {
      deeds: { number: 0, hash: BEGINNING },
      refusals: { number: 0, hash: BEGINNING },
    }
    for (let after = 0; ;) {
      const page = await this.#tx
        .selectFrom('audit')
        .selectAll()
        .where('id', '>', after)
        .orderBy('id')
        .limit(BATCH)
        .execute()
      for (const { id, at, who, address, action, about, outcome } of page) {
        const deed = { at, who, address, action, about, outcome }
        const entry = chained(deed, chainOf(deed), ends[chainOf(deed)])
        ends[entry.chain] = entry
        after = id
        await this.#tx.updateTable('audit').set(entry).where('id', '=', id).execute()
      }
      if (page.length < BATCH) break
    }
    for (const chain of CHAINS)
      await this.#tx
        .updateTable('audit_chains')
        .set({ number: ends[chain].number, head: ends[chain].hash })
        .where('chain', '=', chain)
        .execute()
  }

  /** Lets the entries up to a number go: the last of them stays known by its hash. */
  async #prune(chain: Chain, upTo: number, anchor: number): Promise<void> {
    if (upTo <= anchor) return
    const last = await this.#tx
      .selectFrom('audit')
      .select('hash')
      .where('chain', '=', chain)
      .where('number', '=', upTo)
      .executeTakeFirst()
    // What is broken is not pruned away.
    if (typeof last?.hash !== 'string') return
    await this.#tx
      .updateTable('audit_chains')
      .set({ anchor_number: upTo, anchor_hash: last.hash })
      .where('chain', '=', chain)
      .execute()
    await this.#tx.deleteFrom('audit').where('chain', '=', chain).where('number', '<=', upTo).execute()
  }

  async #pruneCheckpoints(): Promise<void> {
    const oldest = await this.#tx
      .selectFrom('audit_checkpoints')
      .select('at')
      .orderBy('at', 'desc')
      .offset(KEPT_CHECKPOINTS)
      .limit(1)
      .executeTakeFirst()
    if (oldest) await this.#tx.deleteFrom('audit_checkpoints').where('at', '<=', oldest.at).execute()
  }

  /** The checkpoints that are kept here. Those of a root that is none any more say nothing. @throws LicensingError AUDIT_BROKEN */
  async #ownCheckpoints(
    roots: readonly X509Certificate[],
  ): Promise<{ checkpoints: Checkpoint[]; untrusted: number }> {
    const rows = await this.#tx.selectFrom('audit_checkpoints').selectAll().execute()
    const checkpoints: Checkpoint[] = []
    let untrusted = 0
    for (const { text } of rows) {
      try {
        checkpoints.push(readCheckpoint(text, roots))
      } catch (thrown) {
        if (!(thrown instanceof LicensingError)) throw thrown
        if (thrown.code !== 'SIGNED_FILE_UNTRUSTED') broken(thrown.message.replace(/\.$/, ''))
        untrusted++
      }
    }
    return { checkpoints, untrusted }
  }

  /** Entries that stand outside the chains, or before what was pruned. @throws LicensingError AUDIT_BROKEN */
  async #requireNothingElse(ends: Record<Chain, { head: Place; anchor: Place }>): Promise<void> {
    const counted = await this.#tx
      .selectFrom('audit')
      .select((eb) => eb.fn.countAll<number | string>().as('entries'))
      .executeTakeFirstOrThrow()
    const expected = CHAINS.reduce(
      (sum, chain) => sum + ends[chain].head.number - ends[chain].anchor.number,
      0,
    )
    const beside = Number(counted.entries) - expected
    if (beside !== 0)
      broken(`${beside} ${beside === 1 ? 'entry stands' : 'entries stand'} outside the chains`)
  }
}

/** An entry with its place in lists. */
export type StoredDeed = ChainedDeed & { readonly id: number }

/** A row of the table; one outside the chains fits nowhere. */
const entryOf = ({ chain, number, previous, hash, ...rest }: Selectable<Tables['audit']>): StoredDeed => ({
  chain: chain ?? 'deeds',
  number: number ?? 0,
  previous: previous ?? '',
  hash: hash ?? '',
  ...rest,
})
