import { TimeFloor } from '../store/time-floor.ts'
import { createHash, randomBytes } from 'node:crypto'
import { computeEnrollmentMac } from '../../protocol/enrollment.ts'
import { type RedactableField, type SyncRequest, formatSyncRequest } from '../../protocol/sync-request.ts'
import { formatKeyFingerprint } from '../../pki/fingerprint.ts'
import { listVirtualAccounts } from '../inventory/accounts.ts'
import { SYNC_SEQUENCE_KEY } from '../store/revisions.ts'
import { readSetting, writeSetting } from '../store/store.ts'
import { buildReport, recomputePools } from './report.ts'
import { type Synchronization } from './sync-repository.ts'
import { applySyncEvent } from './sync-driver.ts'

/** The number of latest requests whose answers are accepted. */
const MAX_OPEN_REQUESTS = 50

/** An exported request. */
export interface SyncRequestFile {
  readonly file: string
  readonly exchange: number
  readonly epoch: number
  readonly report: SyncRequest['report']
  readonly instances: number
  readonly ended: number
  readonly redactedFields: readonly RedactableField[]
  readonly fingerprint: string
}

// Requests to the manager

/**
 * Creates the next request. It replaces an unanswered request and repeats the contents of that.
 *
 * @param by the channel of the request: a file, or the network
 */
export async function exportRequest(
  sync: Synchronization,
  by: 'offline' | 'online',
): Promise<SyncRequestFile> {
  const { identity } = sync.credentials.keyRing
  const exchange = Number((await readSetting(sync.tx, SYNC_SEQUENCE_KEY)) ?? 0) + 1
  const { after, full, redactedFields } = sync.facts
  // A full report starts from recomputed pools.
  if (full) await recomputePools(sync.tx, sync.at)
  const report = await buildReport(sync.tx, {
    since: after?.exchange ?? 0,
    full,
    redactedFields,
    at: sync.at,
  })
  const key = sync.credentials.satellite.getSyncKey()
  const claim = {
    name: sync.facts.name,
    smartAccount: sync.account.domain,
    satelliteId: identity.id,
    key,
    nonce: randomBytes(24).toString('base64url'),
  }
  const { code, home } = sync.facts
  const virtualAccounts = await listVirtualAccounts(sync.tx, sync.account.id)
  const request: SyncRequest = {
    ...claim,
    epoch: identity.epoch,
    exchange,
    after: after?.exchange ?? 0,
    afterAnswer: after?.hash ?? 'none',
    report: full ? 'full' : 'changes',
    writtenAt: sync.at,
    enrollment:
      code === null ? 'none' : computeEnrollmentMac(sync.credentials.secrets.decryptSecret(code), claim),
    redactedFields,
    issuingCa: await sync.credentials.satellite.createIssuingCaRequest(),
    serverNames: await sync.credentials.servers.readRequestedNames(sync.tx),
    virtualAccounts: virtualAccounts.map(({ name, upstream }) => ({
      name,
      of: upstream ?? home ?? 'Default',
    })),
    ...report,
  }
  const { text: file, digest } = sync.credentials.satellite.signSync(formatSyncRequest(request))
  await sync.tx
    .insertInto('sync_requests')
    .values({ epoch: identity.epoch, sequence: exchange, digest, written_at: sync.at })
    .execute()
  await sync.tx
    .deleteFrom('sync_requests')
    .where('sequence', '<=', exchange - MAX_OPEN_REQUESTS)
    .execute()
  await writeSetting(sync.tx, SYNC_SEQUENCE_KEY, String(exchange))
  await TimeFloor.raise(sync.tx, sync.at)
  if (by === 'offline') await applySyncEvent(sync, { type: 'sync.exported', at: sync.at, exchange })
  return {
    file,
    exchange,
    epoch: identity.epoch,
    report: request.report,
    instances: request.instances.length,
    ended: request.ended.length,
    redactedFields,
    fingerprint: formatKeyFingerprint(key),
  }
}

/**
 * Creates the proof for the HTTP header that the body is from this satellite. Returns null while its manager is
 * unknown.
 */
export async function proveRequest(sync: Synchronization, file: string): Promise<string | null> {
  const { managerId } = sync.facts
  if (managerId === null) return null
  return sync.credentials.satellite.proveSync({
    manager: managerId,
    account: sync.account.domain,
    length: Buffer.byteLength(file),
    digest: createHash('sha256').update(file).digest('base64url'),
  })
}
