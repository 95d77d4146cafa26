import type { Instant } from '../../core/time.ts'
import { readRoots } from '../../pki/chain-validation.ts'
import type { Credentials } from '../keys/credentials.ts'
import type { Tx } from '../store/store.ts'
import { type Chain, CHAINS, type Deed } from './hash-chain.ts'
import { checkpointLine, entryLines, headerLine, readKept, verifyExport } from './export-file.ts'
import { AuditRecord, broken, type IntactRecord, type StoredDeed } from './audit-log.ts'

type InTransaction = <T>(work: (tx: Tx, at: Instant) => Promise<T>) => Promise<T>

/** The audit record of an authority: each call is a transaction. */
export class AuditDoor {
  readonly #transaction: InTransaction
  readonly #credentials: Credentials

  constructor(transaction: InTransaction, credentials: Credentials) {
    this.#transaction = transaction
    this.#credentials = credentials
  }

  /** Records one thing that somebody did, or that was refused. Words only from public facts. */
  record(deed: Omit<Deed, 'at'>): Promise<void> {
    return this.#transaction((tx, at) => new AuditRecord(tx).append({ ...deed, at }))
  }

  /** The newest entries, the newest first. */
  list(limit: number): Promise<StoredDeed[]> {
    return this.#transaction((tx) => new AuditRecord(tx).newest(limit))
  }

  /**
   * Whether the record is whole: each entry follows the one before it, and what was signed of them is still so.
   *
   * @param checkpoints that were kept elsewhere: their texts
   * @throws LicensingError AUDIT_BROKEN: the first entry that does not fit; SIGNED_FILE_*: a checkpoint that cannot be used
   */
  async verify(checkpoints: readonly string[] = []): Promise<IntactRecord> {
    const roots = this.#roots()
    const kept = readKept(checkpoints, roots)
    return this.#transaction((tx) => new AuditRecord(tx).verify(kept, this.#credentials.identity.id, roots))
  }

  /** Verifies a record that was exported, by this authority's own root. @throws LicensingError AUDIT_BROKEN, SIGNED_FILE_* */
  async verifyExport(
    lines: AsyncIterable<string> | Iterable<string>,
    checkpoints: readonly string[] = [],
  ): Promise<IntactRecord> {
    return verifyAuditExport(lines, this.#credentials.root, checkpoints)
  }

  /** A signed statement of where the record ends now: kept elsewhere, it proves that nothing before was written anew. */
  checkpoint(): Promise<string> {
    return this.#transaction((tx, at) => new AuditRecord(tx).checkpoint(this.#credentials, at))
  }

  /** The record as an exported file, a part at a time. @throws LicensingError SATELLITE_NOT_REGISTERED */
  async *export(): AsyncGenerator<string> {
    const { id: authority, account } = this.#credentials.identity
    // The first entries are read with the ends: what is pruned from the beginning meanwhile is read already.
    const { checkpoint, ends, first } = await this.#transaction(async (tx, at) => {
      const record = new AuditRecord(tx)
      return {
        checkpoint: await record.checkpoint(this.#credentials, at),
        ends: await record.ends(),
        first: { deeds: await record.page('deeds', 0), refusals: await record.page('refusals', 0) },
      }
    })
    yield headerLine({ authority, account })
    for (const chain of CHAINS) yield* this.#exportChain(chain, first[chain], ends[chain].head.number)
    yield checkpointLine(checkpoint)
  }

  async *#exportChain(chain: Chain, first: StoredDeed[], last: number): AsyncGenerator<string> {
    for (let page = first; ;) {
      yield entryLines(page)
      const after = page.at(-1)?.number ?? last
      if (after >= last) return
      page = await this.#transaction((tx) => new AuditRecord(tx).page(chain, after, last))
      if (page[0]?.number !== after + 1) broken(`entry ${after + 1} of the ${chain} is missing`)
    }
  }

  /** Signs a checkpoint when one is due. A satellite that has no certificates yet signs nothing. */
  async beat(): Promise<void> {
    if (this.#credentials.identity.subCa === null) return
    await this.#transaction((tx, at) => new AuditRecord(tx).checkpointWhenDue(this.#credentials, at))
  }

  #roots() {
    // A satellite that was never synchronised has no root, and has signed nothing.
    const { root } = this.#credentials.identity
    return root === null ? [] : readRoots(root)
  }
}

/**
 * Verifies an exported audit record without an authority.
 *
 * @param root the root certificate of the authority, or of its manager: PEM
 * @param checkpoints that were kept elsewhere: their texts
 * @throws LicensingError AUDIT_BROKEN, SIGNED_FILE_*
 */
export async function verifyAuditExport(
  lines: AsyncIterable<string> | Iterable<string>,
  root: string,
  checkpoints: readonly string[] = [],
): Promise<IntactRecord> {
  const roots = readRoots(root)
  return verifyExport(lines, readKept(checkpoints, roots), roots)
}
