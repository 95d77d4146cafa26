import { randomUUID, type X509Certificate } from 'node:crypto'
import { LicensingError } from '../../core/errors.ts'
import { DAY, type Instant } from '../../core/time.ts'
import type { AuditEntry } from '../../http/users.ts'
import type { Credentials } from '../keys/credentials.ts'
import type { Tx } from '../store/store.ts'
import { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoint.ts'
import {
  appendToChain,
  type ChainedEntry,
  type ChainPosition,
  ChainVerifier,
  getAuditKind,
} from './hash-chain.ts'

/** Retention limits: the number of actions, and the number of all entries. */
export const RETENTION = { actions: 100_000, entries: 1_000_000 } as const
/** Maximum denials recorded on one day (UTC), so that unauthenticated callers cannot push actions out of the record. */
export const MAX_DENIALS_PER_DAY = 1_000
/** Maximum number of stored checkpoints: one a day for more than a year. */
const MAX_CHECKPOINTS = 400
const BATCH_SIZE = 1_000

/** The result of a verification without a finding. */
export interface VerificationResult {
  /** Number of the first entry. In an empty record, `to` is less than `from`. */
  readonly from: number
  readonly to: number
  /** Numbers of checkpoints that were compared, and of those signed under a root that is no longer trusted. */
  readonly checkpoints: { readonly checked: number; readonly untrusted: number }
}

/** The last entry of the chain, and the last entry that was pruned from its beginning. */
export interface ChainEnds {
  readonly head: ChainPosition
  readonly anchor: ChainPosition
}

/** @throws LicensingError AUDIT_BROKEN: always */
export function throwBroken(why: string): never {
  throw new LicensingError('AUDIT_BROKEN', `The audit log is damaged: ${why}.`)
}

/** Throws the finding of a verifier, if there is one. @throws LicensingError AUDIT_BROKEN */
export function assertValid(finding: string | null): void {
  if (finding !== null) throwBroken(finding)
}

/**
 * Asserts that no entries were pruned that the retention keeps: cutting off the beginning can leave a chain that fits.
 *
 * @param actions the number of actions that are left
 * @throws LicensingError AUDIT_BROKEN
 */
export function assertNotTruncated({ anchor, head }: ChainEnds, actions: number): void {
  if (anchor.number > 0 && actions < RETENTION.actions && head.number - anchor.number < RETENTION.entries)
    throwBroken(`entries up to ${anchor.number} are missing, and their retention has not ended`)
}

/** Returns the hashes that signed checkpoints give for entries, by the number of the entry. */
export function expectedHashes(checkpoints: readonly Checkpoint[]): Map<number, string[]> {
  const expected = new Map<number, string[]>()
  for (const { head } of checkpoints)
    if (head.number > 0) expected.set(head.number, [...(expected.get(head.number) ?? []), head.hash])
  return expected
}

/** Appends an entry, and prunes the oldest beyond the retention. Denials beyond the daily limit are not recorded. */
export async function appendAuditEntry(tx: Tx, entry: AuditEntry): Promise<void> {
  const recorded = getAuditKind(entry) === 'denial' ? await limitDenials(tx, entry) : entry
  if (recorded === null) return
  // Every writer updates this row first: writers wait for each other, and no two entries follow the same one.
  const end = await tx
    .updateTable('audit_chain')
    .set((eb) => ({ number: eb('number', '+', 1) }))
    .returning(['number', 'head', 'anchor_number'])
    .executeTakeFirstOrThrow()
  const chained = appendToChain(recorded, { number: end.number - 1, hash: end.head })
  await tx.insertInto('audit').values(chained).execute()
  await tx.updateTable('audit_chain').set({ head: chained.hash }).execute()
  const isPruningDue = chained.number % 100 === 0
  if (isPruningDue && chained.number - end.anchor_number > RETENTION.actions)
    await prune(tx, chained.number, end.anchor_number)
}

export async function listNewestEntries(tx: Tx, limit: number): Promise<StoredEntry[]> {
  return tx.selectFrom('audit').selectAll().orderBy('id', 'desc').limit(limit).execute()
}

/** Returns the entries after a number, at most one batch of them. */
export async function readEntryPage(
  tx: Tx,
  after: number,
  last = Number.MAX_SAFE_INTEGER,
): Promise<StoredEntry[]> {
  return tx
    .selectFrom('audit')
    .selectAll()
    .where('number', '>', after)
    .where('number', '<=', last)
    .orderBy('number')
    .limit(BATCH_SIZE)
    .execute()
}

export async function readChainEnds(tx: Tx): Promise<ChainEnds> {
  const row = await tx.selectFrom('audit_chain').selectAll().executeTakeFirst()
  return row
    ? {
        head: { number: row.number, hash: row.head },
        anchor: { number: row.anchor_number, hash: row.anchor_hash },
      }
    : throwBroken('the database does not contain the end of the chain')
}

/**
 * Follows the chain from the first entry that is kept to the last.
 *
 * @param external verified checkpoints that were stored elsewhere
 * @throws LicensingError AUDIT_BROKEN: the first entry that does not fit, and why
 */
export async function verifyAuditLog(
  tx: Tx,
  external: readonly Checkpoint[],
  authority: string,
  roots: readonly X509Certificate[],
): Promise<VerificationResult> {
  const ends = await readChainEnds(tx)
  const { head, anchor } = ends
  for (const checkpoint of external)
    if (checkpoint.authority !== authority) throwBroken('a checkpoint belongs to another authority')
  const own = await readOwnCheckpoints(tx, roots)
  const expected = expectedHashes([...external, ...own.checkpoints])
  if (expected.get(anchor.number)?.some((hash) => hash !== anchor.hash))
    throwBroken(`entry ${anchor.number}, the last that was pruned, differs from a signed checkpoint`)
  const verifier = new ChainVerifier(anchor, expected)
  let id = 0
  for (;;) {
    const page = await readEntryPage(tx, verifier.end.number)
    for (const entry of page) {
      assertValid(verifier.verifyEntry(entry))
      // Lists are in the order of the ids, which no hash covers.
      if (entry.id <= id) throwBroken(`entry ${entry.number} is not in the order of the list`)
      id = entry.id
    }
    if (page.length < BATCH_SIZE) break
  }
  assertValid(verifier.finish(head))
  assertNotTruncated(ends, verifier.actions)
  await assertNothingElse(tx, ends)
  return {
    from: anchor.number + 1,
    to: head.number,
    checkpoints: { checked: external.length + own.checkpoints.length, untrusted: own.untrusted },
  }
}

/** Signs a checkpoint of the current end of the chain and stores it. @throws LicensingError SATELLITE_NOT_REGISTERED */
export async function createCheckpoint(tx: Tx, credentials: Credentials, at: Instant): Promise<string> {
  const ends = await readChainEnds(tx)
  const { id, account } = credentials.keyRing.identity
  const signer = await credentials.signer(tx, 'audit-signer', at)
  const text = writeCheckpoint({ authority: id, account, at, ...ends }, signer)
  await tx.insertInto('audit_checkpoints').values({ id: randomUUID(), at, text }).execute()
  await pruneCheckpoints(tx)
  return text
}

/** Signs a checkpoint when the last one is a day old and entries were recorded since. */
export async function createCheckpointWhenDue(tx: Tx, credentials: Credentials, at: Instant): Promise<void> {
  const last = await tx
    .selectFrom('audit_checkpoints')
    .selectAll()
    .orderBy('at', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (last && last.at > at - DAY) return
  const { head } = await readChainEnds(tx)
  if (last?.text.includes(`${head.number} ${head.hash}`) !== true) await createCheckpoint(tx, credentials, at)
}

/** Returns the denial, or an entry about omitted denials, or null once that entry was recorded for the day. */
async function limitDenials(tx: Tx, entry: AuditEntry): Promise<AuditEntry | null> {
  const newest = await tx
    .selectFrom('audit')
    .select('at')
    .where('kind', '=', 'denial')
    .orderBy('number', 'desc')
    .offset(MAX_DENIALS_PER_DAY - 2)
    .limit(2)
    .execute()
  const today = entry.at - (entry.at % DAY)
  const [last, beyond] = newest.map(({ at }) => at >= today)
  if (beyond === true) return null
  if (last !== true) return entry
  return {
    at: entry.at,
    who: null,
    address: '',
    action: 'audit-limit',
    subject: `further denials of this day, after ${MAX_DENIALS_PER_DAY - 1}`,
    outcome: 'omitted',
  }
}

/** Deletes the entries before the oldest action that is kept. The hash of the last of them stays. */
async function prune(tx: Tx, head: number, anchor: number): Promise<void> {
  const oldestAction = await tx
    .selectFrom('audit')
    .select('number')
    .where('kind', '=', 'action')
    .orderBy('number', 'desc')
    .offset(RETENTION.actions - 1)
    .limit(1)
    .executeTakeFirst()
  const upTo = Math.max((oldestAction?.number ?? 0) - 1, head - RETENTION.entries)
  if (upTo <= anchor) return
  const last = await tx.selectFrom('audit').select('hash').where('number', '=', upTo).executeTakeFirst()
  // After a gap, pruning stops so that verification finds the gap.
  if (last === undefined) return
  await tx.updateTable('audit_chain').set({ anchor_number: upTo, anchor_hash: last.hash }).execute()
  await tx.deleteFrom('audit').where('number', '<=', upTo).execute()
}

async function pruneCheckpoints(tx: Tx): Promise<void> {
  const oldest = await tx
    .selectFrom('audit_checkpoints')
    .select('at')
    .orderBy('at', 'desc')
    .offset(MAX_CHECKPOINTS)
    .limit(1)
    .executeTakeFirst()
  if (oldest) await tx.deleteFrom('audit_checkpoints').where('at', '<=', oldest.at).execute()
}

/** Returns the stored checkpoints. Those under a root that is no longer trusted are counted. @throws LicensingError AUDIT_BROKEN */
async function readOwnCheckpoints(
  tx: Tx,
  roots: readonly X509Certificate[],
): Promise<{ checkpoints: Checkpoint[]; untrusted: number }> {
  const rows = await tx.selectFrom('audit_checkpoints').selectAll().execute()
  const checkpoints: Checkpoint[] = []
  let untrusted = 0
  for (const { text } of rows) {
    try {
      checkpoints.push(readCheckpoint(text, roots))
    } catch (error) {
      if (!(error instanceof LicensingError)) throw error
      if (error.code !== 'SIGNED_FILE_UNTRUSTED') throwBroken(error.message.replace(/\.$/, ''))
      untrusted++
    }
  }
  return { checkpoints, untrusted }
}

/** Asserts that there are no entries before those that were pruned. @throws LicensingError AUDIT_BROKEN */
async function assertNothingElse(tx: Tx, { head, anchor }: ChainEnds): Promise<void> {
  const { entries } = await tx
    .selectFrom('audit')
    .select((eb) => eb.fn.countAll<number | string>().as('entries'))
    .executeTakeFirstOrThrow()
  const extra = Number(entries) - (head.number - anchor.number)
  if (extra !== 0) throwBroken(`${extra} ${extra === 1 ? 'entry is' : 'entries are'} outside the chain`)
}

/** An entry with its id, which orders lists. */
export type StoredEntry = ChainedEntry & { readonly id: number }
