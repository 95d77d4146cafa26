import { randomInt } from 'node:crypto'
import { z } from 'zod'
import { getInitialSyncSnapshot, type SyncSnapshot } from '../../../machines/index.ts'
import { syncSnapshotSchema } from '../../../machines/satellite-sync-context.ts'
import { LicensingError } from '../../core/errors.ts'
import { type Instant } from '../../core/time.ts'
import { REDACTABLE_FIELDS, type RedactableField } from '../../protocol/sync-request.ts'
import type { AccountContext } from '../context/account-context.ts'
import { SYNC_SEQUENCE_KEY, markAllChanged } from '../store/revisions.ts'
import { readSetting, type Tx, writeSetting } from '../store/store.ts'

const FACTS_KEY = 'sync'

export const SNAPSHOT_KEY = 'sync-snapshot'

/** Facts about the manager and its last answer, besides the state of the machine. */
const factsSchema = z.object({
  name: z.string(),
  managerId: z.string().nullable(),
  /** The last accepted answer. */
  after: z.object({ epoch: z.int(), exchange: z.int(), hash: z.string() }).nullable(),
  /** True if the next report is full: at first, and after a restore. */
  full: z.boolean(),
  mandate: z.string().nullable(),
  /** The manager's virtual account that supplies `Default`. */
  home: z.string().nullable(),
  redactedFields: z.array(z.enum(REDACTABLE_FIELDS)),
  /** The encrypted enrollment code, until it was used. */
  code: z.string().nullable(),
})

type Facts = z.infer<typeof factsSchema>

const snapshotSchema = z.object({ version: z.literal(1), position: syncSnapshotSchema })

/** Transaction on this satellite and its manager. */
export type SyncTransaction = Pick<AccountContext, 'tx' | 'credentials' | 'account' | 'at'>

/** State of the synchronization, as read in one transaction. Changes are written in that transaction. */
export interface Synchronization extends SyncTransaction {
  /** The wall clock of this machine. */
  readonly wall: Instant
  facts: Facts
  position: SyncSnapshot
}

/** Writes the initial facts of a new satellite. */
export async function initializeSync(
  tx: Tx,
  facts: { name: string; code: string | null; at: Instant },
): Promise<void> {
  const first: Facts = {
    name: facts.name,
    managerId: null,
    after: null,
    full: true,
    mandate: null,
    home: null,
    redactedFields: [],
    code: facts.code,
  }
  await writeSetting(tx, FACTS_KEY, JSON.stringify(first))
  await writeSetting(tx, SYNC_SEQUENCE_KEY, '0')
  const position = getInitialSyncSnapshot({ jitter: randomInt(1_000_000) / 1_000_000, at: facts.at })
  await writeSetting(tx, SNAPSHOT_KEY, JSON.stringify({ version: 1, position }))
}

/**
 * Reads the state of the synchronization.
 *
 * @param wall the wall clock of this machine, if it may differ from the authority's time
 * @throws LicensingError STORE_UNREADABLE
 */
export async function openSync(
  { tx, credentials, account, at }: SyncTransaction,
  wall = at,
): Promise<Synchronization> {
  const facts = factsSchema.safeParse(JSON.parse((await readSetting(tx, FACTS_KEY)) ?? 'null'))
  const snapshot = snapshotSchema.safeParse(JSON.parse((await readSetting(tx, SNAPSHOT_KEY)) ?? 'null'))
  if (!facts.success || !snapshot.success)
    throw new LicensingError(
      'STORE_UNREADABLE',
      'The database contains no valid synchronization state of this satellite.',
    )
  return { tx, credentials, account, at, wall, facts: facts.data, position: snapshot.data.position }
}

export async function setRedactedFields(
  sync: Synchronization,
  fields: readonly RedactableField[],
): Promise<void> {
  const isRevealing = sync.facts.redactedFields.some((field) => !fields.includes(field))
  await writeFacts(sync, { redactedFields: [...fields] })
  // Fields that were redacted so far must be reported for each instance.
  if (isRevealing) await markAllChanged(sync.tx)
}

/** Stores the encrypted enrollment code for a first exchange. */
export async function setEnrollmentCode(sync: Synchronization, sealed: string): Promise<void> {
  await writeFacts(sync, { code: sealed })
}

/** Starts a new epoch, in which the restored copy continues. */
export async function startNewSyncEpoch(sync: Synchronization): Promise<void> {
  await sync.credentials.keyRing.adopt(sync.tx, { epoch: sync.credentials.keyRing.identity.epoch + 1 })
  await writeFacts(sync, { full: true, after: null })
  await sync.tx.deleteFrom('sync_requests').execute()
}

export async function writeFacts(sync: Synchronization, changed: Partial<Facts>): Promise<void> {
  sync.facts = { ...sync.facts, ...changed }
  await writeSetting(sync.tx, FACTS_KEY, JSON.stringify(sync.facts))
}
