import { pluralize } from '../../core/text.ts'
import type { Clock } from '../../core/clock.ts'
import type { Instant } from '../../core/time.ts'
import { resolveAccount } from '../inventory/accounts.ts'
import { beginEpoch, describeReview, endSessions } from '../exchange/manager-epoch.ts'
import { Credentials } from '../keys/credentials.ts'
import { logEvent } from '../events/event-log.ts'
import { AuthorityStore, type Tx } from '../store/store.ts'
import { TimeFloor } from '../store/time-floor.ts'
import { openSync, startNewSyncEpoch } from '../satellite-sync/sync-repository.ts'

/** A restored authority, with the numbers of objects that were revoked or put on hold. */
export interface RestoreSummary {
  readonly role: 'manager' | 'satellite'
  /** Name of the satellite; for a manager, its first smart account. */
  readonly name: string
  readonly epoch: number
  /** Number of a satellite's tokens, which are revoked because their uses since the backup are not known. */
  readonly tokensRevoked: number
  /** Number of a manager's tokens that wait for review. */
  readonly tokensInReview: number
  readonly reservationsInReview: number
}

/** Starts the new epoch of a restored authority (see `docs/security.md`). */
export async function startNewEpoch(dataDir: string, clock: Clock): Promise<RestoreSummary> {
  const store = await AuthorityStore.open(dataDir)
  try {
    return await store.transaction(async (tx) => {
      const credentials = await Credentials.load(dataDir, tx)
      const at = await TimeFloor.atLeast(tx, clock.wall())
      await endSessions(tx)
      return credentials.keyRing.identity.role === 'satellite'
        ? restartSatellite(tx, credentials, at)
        : restartManager(tx, credentials, at)
    })
  } finally {
    await store.close()
  }
}

async function restartSatellite(tx: Tx, credentials: Credentials, at: Instant): Promise<RestoreSummary> {
  const account = await resolveAccount(tx, undefined)
  const sync = await openSync({ tx, credentials, account, at })
  await startNewSyncEpoch(sync)
  const { numUpdatedRows } = await tx
    .updateTable('tokens')
    .set({ revoked_at: at })
    .where('revoked_at', 'is', null)
    .executeTakeFirst()
  const tokensRevoked = Number(numUpdatedRows)
  const { epoch } = credentials.keyRing.identity
  await logEvent(tx, {
    at,
    type: 'SATELLITE_RESTORED',
    severity: 'major',
    accountId: account.id,
    message: `Restored from a backup, in epoch ${epoch}: ${pluralize(tokensRevoked, 'token')} ${tokensRevoked === 1 ? 'was' : 'were'} revoked, and later registrations return with the next synchronization.`,
  })
  const { name } = sync.facts
  return { role: 'satellite', name, epoch, tokensRevoked, tokensInReview: 0, reservationsInReview: 0 }
}

async function restartManager(tx: Tx, credentials: Credentials, at: Instant): Promise<RestoreSummary> {
  const { epoch: before, account: name } = credentials.keyRing.identity
  const epoch = before + 1
  const { tokensInReview, reservationsInReview } = await beginEpoch(tx, credentials, { at, epoch })
  await logEvent(tx, {
    at,
    type: 'AUTHORITY_RESTORED',
    severity: 'major',
    message: `Restored from a backup, in epoch ${epoch}: ${describeReview(tokensInReview, reservationsInReview)}`,
  })
  return { role: 'manager', name, epoch, tokensRevoked: 0, tokensInReview, reservationsInReview }
}
