import { randomInt } from 'node:crypto'
import { z } from 'zod'
import { initialSyncTransition, type SyncSnapshot } from '../../../machines/index.ts'
import { syncSnapshotSchema } from '../../../machines/satellite-sync-context.ts'
import { LicensingError } from '../../core/errors.ts'
import { type Instant } from '../../core/time.ts'
import { REDACTABLE_FIELDS, type RedactableField } from '../../protocol/sync-request.ts'
import type { AccountContext } from '../context/account-context.ts'
import { SYNC_SEQUENCE_KEY, markAllChanged } from '../store/revisions.ts'
import { readSetting, type Tx, writeSetting } from '../store/store.ts'

const FACTS_KEY = 'sync'

export const SNAPSHOT_KEY = 'sync-chart'

/** What a satellite knows of its manager, beside what the chart knows. */
const factsSchema = z.object({
  name: z.string(),
  managerId: z.string().nullable(),
  /** The last answer that was taken. */
  after: z.object({ epoch: z.int(), exchange: z.int(), hash: z.string() }).nullable(),
  /** Everything is reported next: at first, and after a restore. */
  full: z.boolean(),
  mandate: z.string().nullable(),
  /** The manager's virtual account whose licenses arrive in `Default`. */
  home: z.string().nullable(),
  redactedFields: z.array(z.enum(REDACTABLE_FIELDS)),
  /** The one-time code, sealed, until it was used. */
  code: z.string().nullable(),
})

type Facts = z.infer<typeof factsSchema>

const snapshotSchema = z.object({ version: z.literal(1), position: syncSnapshotSchema })

/** One transaction about this satellite and its manager. */
export type SyncTransaction = Pick<AccountContext, 'tx' | 'credentials' | 'account' | 'at'>

/** How a satellite stands with its manager, as read in one transaction: what changes is written with it. */
export interface Synchronization extends SyncTransaction {
  /** What the clock of this machine says, where that may matter. */
  readonly wall: Instant
  facts: Facts
  position: SyncSnapshot
}

/** Writes the first facts of a satellite that is being made. */
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
  const position = initialSyncTransition({ jitter: randomInt(1_000_000) / 1_000_000, at: facts.at })
  await writeSetting(tx, SNAPSHOT_KEY, JSON.stringify({ version: 1, position }))
}

/**
 * @param wall what the clock of this machine says now, where that may matter
 * @throws LicensingError STORE_UNREADABLE
 */
export async function openSync(
  { tx, credentials, account, at }: SyncTransaction,
  wall = at,
): Promise<Synchronization> {
  const facts = factsSchema.safeParse(JSON.parse((await readSetting(tx, FACTS_KEY)) ?? 'null'))
  const chart = snapshotSchema.safeParse(JSON.parse((await readSetting(tx, SNAPSHOT_KEY)) ?? 'null'))
  if (!facts.success || !chart.success)
    throw new LicensingError(
      'STORE_UNREADABLE',
      'The database does not say how this satellite stands with its manager.',
    )
  return { tx, credentials, account, at, wall, facts: facts.data, position: chart.data.position }
}

export async function setRedactedFields(
  sync: Synchronization,
  what: readonly RedactableField[],
): Promise<void> {
  const shown = sync.facts.redactedFields.some((one) => !what.includes(one))
  await writeFacts(sync, { redactedFields: [...what] })
  // What was left out so far is told now, of each instance.
  if (shown) await markAllChanged(sync.tx)
}

/** The one-time code for a first exchange, sealed. */
export async function setEnrollmentCode(sync: Synchronization, sealed: string): Promise<void> {
  await writeFacts(sync, { code: sealed })
}

/** From here on the copy that this was restored into goes on, in an epoch of its own (trust §9). */
export async function startNewSyncEpoch(sync: Synchronization): Promise<void> {
  await sync.credentials.keyRing.adopt(sync.tx, { epoch: sync.credentials.keyRing.identity.epoch + 1 })
  await writeFacts(sync, { full: true, after: null })
  await sync.tx.deleteFrom('sync_requests').execute()
}

export async function writeFacts(sync: Synchronization, changed: Partial<Facts>): Promise<void> {
  sync.facts = { ...sync.facts, ...changed }
  await writeSetting(sync.tx, FACTS_KEY, JSON.stringify(sync.facts))
}
