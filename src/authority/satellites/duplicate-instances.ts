import { sql } from 'kysely'
import { type Instant, toIsoString } from '../../core/time.ts'
import { hashUdi } from '../../protocol/digest.ts'
import type { SyncRequest } from '../../protocol/sync-request.ts'
import type { AccountContext } from '../context/account-context.ts'
import { logAccountEvent } from '../events/event-log.ts'
import { deactivateInstance } from '../inventory/instances.ts'
import { replaceReported } from './reported-instances.ts'
import type { SatelliteRow } from './satellites.ts'

/** Rows per query. */
const BATCH_SIZE = 500

/** Another product instance of the same device. */
interface DuplicateInstance {
  readonly id: string
  readonly kind: 'registered' | 'reserved'
  readonly since: Instant
  /** Null for an instance of the manager. */
  readonly satelliteId: string | null
  readonly name: string
}

type DuplicatesContext = Pick<AccountContext, 'tx' | 'account' | 'at'>

/**
 * Resolves the duplicates that a satellite's report reveals. A device has one product instance in force: the newer of
 * two registrations, at the manager or at any satellite.
 */
export async function resolveDuplicates(
  context: DuplicatesContext,
  row: SatelliteRow,
  instances: SyncRequest['instances'],
  notices: string[],
): Promise<void> {
  const rivalsOf = await listRivals(context, instances)
  for (const instance of instances) {
    const rivals = (rivalsOf.get(hashUdi(instance.pid, instance.serial)) ?? []).filter(
      ({ id, satelliteId }) => id !== instance.id || satelliteId !== row.id,
    )
    for (const rival of rivals) {
      const conflict = `${instance.pid}:${instance.serial} exists at this satellite, since ${toIsoString(instance.since)}, and at ${rival.name}, since ${toIsoString(rival.since)}`
      if (instance.kind === 'reserved' || rival.kind === 'reserved') {
        // The licenses may be in use on an offline device, so both count until an administrator has checked.
        notices.push(`${conflict}. At least one of them is a reservation, so both count.`)
        await log(context, row, `${conflict}. Both count.`)
        continue
      }
      const newer = Math.min(instance.since, context.at) > rival.since
      notices.push(`${conflict}. Only the newer one counts, at ${newer ? 'this satellite' : rival.name}.`)
      await log(context, row, `${conflict}. Only the newer one counts, at ${newer ? row.name : rival.name}.`)
      if (!newer) await replace(context, row.id, instance.id)
      else if (rival.satelliteId === null) await endOwn(context, rival.id)
      else await replace(context, rival.satelliteId, rival.id)
    }
  }
}

/** Lists the other product instances of the same devices in the smart account, by UDI digest. */
async function listRivals(
  context: DuplicatesContext,
  instances: SyncRequest['instances'],
): Promise<Map<string, DuplicateInstance[]>> {
  const found = new Map<string, DuplicateInstance[]>()
  const add = (udi: string, rival: DuplicateInstance) => {
    found.set(udi, [...(found.get(udi) ?? []), rival])
  }
  for (let at = 0; at < instances.length; at += BATCH_SIZE) {
    const udis = instances.slice(at, at + BATCH_SIZE).map(({ pid, serial }) => hashUdi(pid, serial))
    const reported = await context.tx
      .selectFrom('reported_instances as one')
      .innerJoin('satellites', 'satellites.id', 'one.satellite_id')
      .select(['one.id', 'one.kind', 'one.udi', 'one.since_at as since', 'one.satellite_id as satelliteId'])
      .select('satellites.name')
      .where('udi', 'in', udis)
      .where('one.status', '=', sql.lit('active'))
      .where('satellites.account_id', '=', context.account.id)
      .where('satellites.status', '<>', sql.lit('expired'))
      .execute()
    for (const { udi, ...rival } of reported) add(udi, rival)
  }
  // For redacted serial numbers only the digests can be compared, so all rows are read.
  const isRedacted = instances.some(({ serial }) => serial.startsWith('sha256:'))
  for (let at = 0; at < instances.length; at += isRedacted ? instances.length : BATCH_SIZE) {
    const serials = isRedacted ? null : instances.slice(at, at + BATCH_SIZE).map(({ serial }) => serial)
    for (const { pid, serial, ...rival } of await listOwn(context, serials))
      add(hashUdi(pid, serial), { ...rival, satelliteId: null, name: 'the manager' })
  }
  return found
}

/** Lists the manager's own registrations and reservations. @param serials null for all */
async function listOwn(context: DuplicatesContext, serials: readonly string[] | null) {
  let registered = context.tx
    .selectFrom('instances')
    .select(['id', 'pid', 'serial', 'registered_at as since'])
    .where('account_id', '=', context.account.id)
    .where('status', '=', sql.lit('active'))
  let reserved = context.tx
    .selectFrom('reservations')
    .select(['id', 'pid', 'serial', 'created_at as since'])
    .where('account_id', '=', context.account.id)
    .where('status', '=', sql.lit('active'))
  if (serials) {
    registered = registered.where('serial', 'in', serials)
    reserved = reserved.where('serial', 'in', serials)
  }
  return [
    ...(await registered.execute()).map((row) => ({ ...row, kind: 'registered' as const })),
    ...(await reserved.execute()).map((row) => ({ ...row, kind: 'reserved' as const })),
  ]
}

/** Replaces a satellite's instance by a newer registration. The satellite is notified at its next exchange. */
async function replace({ tx, at }: DuplicatesContext, satelliteId: string, id: string): Promise<void> {
  await replaceReported({ tx, at, satellite: { id: satelliteId, status: 'active' } }, id)
}

async function endOwn(context: DuplicatesContext, id: string): Promise<void> {
  const row = await context.tx
    .selectFrom('instances')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  await deactivateInstance(context.tx, row, 'replaced', context.at)
}

async function log(context: DuplicatesContext, row: SatelliteRow, message: string): Promise<void> {
  await logAccountEvent(context, {
    type: 'DUPLICATE_PRODUCT_INSTANCE',
    severity: 'major',
    message: `${row.name}: ${message}`,
  })
}
