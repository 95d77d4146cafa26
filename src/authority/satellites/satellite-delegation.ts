import type { AccountContext } from '../context/account-context.ts'
import { type KeyObject } from 'node:crypto'
import { type Instant, toIsoString } from '../../core/time.ts'
import { type SyncLot } from '../../protocol/sync-answer.ts'
import { type SyncRequest } from '../../protocol/sync-request.ts'
import { hashPublicKey, signDelegationJws } from '../../pki/delegation.ts'
import { computePeakOwned } from '../policy.ts'
import { type SatelliteRow } from './satellites.ts'
import { moveLicenses } from '../inventory/transfers.ts'

/** Moves reclaimed licenses once the satellite has confirmed that it no longer uses them. */
export async function finishReclaims(
  context: AccountContext,
  row: SatelliteRow,
  request: SyncRequest,
): Promise<void> {
  const reclaims = await context.tx
    .selectFrom('reclaims')
    .selectAll()
    .where('satellite_id', '=', row.id)
    .execute()
  for (const reclaim of reclaims) {
    const isConfirmed =
      reclaim.notified_epoch === request.epoch && (reclaim.notified_sequence ?? Infinity) <= request.after
    if (!isConfirmed) continue
    await context.tx.deleteFrom('reclaims').where('id', '=', reclaim.id).execute()
    await moveLicenses(context, reclaim.license_id, reclaim.quantity, reclaim.to_virtual_account_id)
  }
}

/** Lists the licenses that are delegated to a satellite: those of its virtual accounts without the reclaimed ones. */
export async function listDelegatedLots(
  context: AccountContext,
  row: SatelliteRow,
  request: SyncRequest,
): Promise<SyncLot[]> {
  // A restored satellite may have forgotten a reclaim, so the manager sends it again in the new epoch.
  await context.tx
    .updateTable('reclaims')
    .set({ notified_epoch: request.epoch, notified_sequence: request.exchange })
    .where('satellite_id', '=', row.id)
    .where((or) => or.or([or('notified_epoch', 'is', null), or('notified_epoch', '<', request.epoch)]))
    .execute()
  const rows = await context.tx
    .selectFrom('licenses')
    .innerJoin('virtual_accounts as va', 'va.id', 'licenses.virtual_account_id')
    .leftJoin('reclaims', 'reclaims.license_id', 'licenses.id')
    .select([
      'licenses.id',
      'licenses.tag',
      'licenses.quantity',
      'licenses.starts_at as startsAt',
      'licenses.ends_at as endsAt',
      'va.name as virtualAccount',
      (eb) => eb.fn.sum<number | null>('reclaims.quantity').as('recalled'),
    ])
    .where('va.satellite_id', '=', row.id)
    .where((or) => or.or([or('licenses.ends_at', 'is', null), or('licenses.ends_at', '>', context.at)]))
    .groupBy(['licenses.id', 'licenses.tag', 'licenses.quantity', 'startsAt', 'endsAt', 'va.name'])
    .orderBy('licenses.id')
    .execute()
  return rows
    .map(({ recalled, ...lot }) => ({ ...lot, quantity: lot.quantity - (recalled ?? 0) }))
    .filter(({ quantity }) => quantity > 0)
}

export async function signDelegation(
  context: AccountContext,
  request: SyncRequest,
  { issuingKey, lots, notAfter }: { issuingKey: KeyObject; lots: readonly SyncLot[]; notAfter: Instant },
): Promise<string> {
  const tags = [...new Set(lots.map(({ tag }) => tag))].sort()
  return signDelegationJws(
    {
      use: 'mandate',
      satellite: request.satelliteId,
      account: context.account.domain,
      issuingKey: hashPublicKey(issuingKey),
      epoch: request.epoch,
      sequence: request.exchange,
      quantities: tags.map((tag) => ({
        tag,
        quantity: computePeakOwned(
          lots.filter((lot) => lot.tag === tag),
          context.at,
          notAfter,
        ),
      })),
      issuedAt: toIsoString(context.at),
      notAfter: toIsoString(notAfter),
    },
    await context.credentials.signer(context.tx, 'sync', context.at),
  )
}
