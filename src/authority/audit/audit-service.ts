import { parseRoots } from '../../pki/chain-validation.ts'
import type { AuthorityContext } from '../context/authority-context.ts'
import type { AuditEntry } from '../../http/users.ts'
import {
  formatCheckpoint,
  formatEntries,
  formatHeader,
  parseExternalCheckpoints,
  verifyExport,
} from './export-file.ts'
import {
  appendAuditEntry,
  createCheckpoint,
  createCheckpointWhenDue,
  listNewestEntries,
  readChainEnds,
  readEntryPage,
  type StoredEntry,
  throwBroken,
  type VerificationResult,
  verifyAuditLog,
} from './audit-log.ts'

/** The audit log of an authority. Each call is a transaction. */
export class AuditService {
  readonly #context: Pick<AuthorityContext, 'credentials' | 'withMaintenance'>

  constructor(context: Pick<AuthorityContext, 'credentials' | 'withMaintenance'>) {
    this.#context = context
  }

  /** Records an action or a denial. Its texts must not contain secrets. */
  record(entry: Omit<AuditEntry, 'at'>): Promise<void> {
    return this.#context.withMaintenance((tx, at) => appendAuditEntry(tx, { ...entry, at }))
  }

  list(limit: number): Promise<StoredEntry[]> {
    return this.#context.withMaintenance((tx) => listNewestEntries(tx, limit))
  }

  /**
   * Verifies that each entry follows the previous one and that the entries match the signed checkpoints.
   *
   * @param checkpoints texts of checkpoints that were stored elsewhere
   * @throws LicensingError AUDIT_BROKEN: the first entry that does not fit; SIGNED_FILE_*: a checkpoint that cannot be used
   */
  async verify(checkpoints: readonly string[] = []): Promise<VerificationResult> {
    const roots = this.#readRoots()
    const kept = parseExternalCheckpoints(checkpoints, roots)
    return this.#context.withMaintenance((tx) =>
      verifyAuditLog(tx, kept, this.#context.credentials.keyRing.identity.id, roots),
    )
  }

  /** Verifies an exported record with this authority's own root. @throws LicensingError AUDIT_BROKEN, SIGNED_FILE_* */
  async verifyExport(
    lines: AsyncIterable<string> | Iterable<string>,
    checkpoints: readonly string[] = [],
  ): Promise<VerificationResult> {
    return verifyAuditExport(lines, this.#context.credentials.keyRing.root, checkpoints)
  }

  /** Returns a signed checkpoint of the end of the record. A copy elsewhere proves that earlier entries were not rewritten. */
  checkpoint(): Promise<string> {
    return this.#context.withMaintenance((tx, at) => createCheckpoint(tx, this.#context.credentials, at))
  }

  /** Returns the record as an export file, a part at a time. @throws LicensingError SATELLITE_NOT_REGISTERED */
  async *export(): AsyncGenerator<string> {
    const { id: authority, account } = this.#context.credentials.keyRing.identity
    // The first entries are read together with the ends: entries that are pruned meanwhile have been read.
    const { checkpoint, last, first } = await this.#context.withMaintenance(async (tx, at) => {
      return {
        checkpoint: await createCheckpoint(tx, this.#context.credentials, at),
        last: (await readChainEnds(tx)).head.number,
        first: await readEntryPage(tx, 0),
      }
    })
    yield formatHeader({ authority, account })
    for (let page = first; ;) {
      yield formatEntries(page)
      const after = page.at(-1)?.number ?? last
      if (after >= last) break
      page = await this.#context.withMaintenance((tx) => readEntryPage(tx, after, last))
      if (page[0]?.number !== after + 1) throwBroken(`entry ${after + 1} is missing`)
    }
    yield formatCheckpoint(checkpoint)
  }

  /** Signs a checkpoint when one is due. A satellite without certificates signs none. */
  async runDue(): Promise<void> {
    if (this.#context.credentials.keyRing.identity.issuingCa === null) return
    await this.#context.withMaintenance((tx, at) =>
      createCheckpointWhenDue(tx, this.#context.credentials, at),
    )
  }

  #readRoots() {
    // A satellite that was never synchronized has no root, and has signed nothing.
    const { root } = this.#context.credentials.keyRing.identity
    return root === null ? [] : parseRoots(root)
  }
}

/**
 * Verifies an exported audit log without an authority.
 *
 * @param root the root certificate of the authority, or of its manager: PEM
 * @param checkpoints texts of checkpoints that were stored elsewhere
 * @throws LicensingError AUDIT_BROKEN, SIGNED_FILE_*
 */
export async function verifyAuditExport(
  lines: AsyncIterable<string> | Iterable<string>,
  root: string,
  checkpoints: readonly string[] = [],
): Promise<VerificationResult> {
  const roots = parseRoots(root)
  return verifyExport(lines, parseExternalCheckpoints(checkpoints, roots), roots)
}
