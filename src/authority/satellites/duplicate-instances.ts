import { sql } from 'kysely'
import { type Instant, toIsoString } from '../../core/time.ts'
import { hashUdi } from '../../protocol/digest.ts'
import type { SyncRequest } from '../../protocol/sync-request.ts'
import type { AccountContext } from '../context/account-context.ts'
import { logAccountEvent } from '../events/event-log.ts'
import { deactivateInstance } from '../inventory/instances.ts'
import { replaceReported } from './reported-instances.ts'
import type { SatelliteRow } from './satellites.ts'

/** Rows that are looked up at a time. */
const BATCH_SIZE = 500

/** Another product instance of the same box. */
interface DuplicateInstance {
  readonly id: string
  readonly kind: 'registered' | 'reserved'
  readonly since: Instant
  /** Null for one of the manager's own. */
  readonly satelliteId: string | null
  readonly name: string
}

type DuplicatesContext = Pick<AccountContext, 'tx' | 'account' | 'at'>

/**
 * Resolves the duplicates that a satellite's report shows. One device is one product instance: of two registrations the newer
 * is in force, wherever they are (trust §6).
 */
export async function resolveDuplicates(
  context: DuplicatesContext,
  row: SatelliteRow,
  instances: SyncRequest['instances'],
  notices: string[],
): Promise<void> {
  const rivalsOf = await listRivals(context, instances)
  for (const one of instances) {
    const rivals = (rivalsOf.get(hashUdi(one.pid, one.serial)) ?? []).filter(
      ({ id, satelliteId }) => id !== one.id || satelliteId !== row.id,
    )
    for (const rival of rivals) {
      const words = `${one.pid}:${one.serial} is here, since ${toIsoString(one.since)}, and at ${rival.name}, since ${toIsoString(rival.since)}`
      if (one.kind === 'reserved' || rival.kind === 'reserved') {
        // What is reserved may be in use out of reach: both count until a person has looked.
        notices.push(`${words}: licenses are reserved for it, so both count.`)
        await log(context, row, `${words}: both count.`)
        continue
      }
      const newer = Math.min(one.since, context.at) > rival.since
      notices.push(`${words}: the ${newer ? 'newer, here,' : 'newer one there'} is in force.`)
      await log(context, row, `${words}: the newer is in force, at ${newer ? row.name : rival.name}.`)
      if (!newer) await replace(context, row.id, one.id)
      else if (rival.satelliteId === null) await endOwn(context, rival.id)
      else await replace(context, rival.satelliteId, rival.id)
    }
  }
}

/** Lists the other product instances of the same devices in the smart account, by the digest of the UDI. */
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
    const below = await context.tx
      .selectFrom('reported_instances as one')
      .innerJoin('satellites', 'satellites.id', 'one.satellite_id')
      .select(['one.id', 'one.kind', 'one.udi', 'one.since_at as since', 'one.satellite_id as satelliteId'])
      .select('satellites.name')
      .where('udi', 'in', udis)
      .where('one.status', '=', sql.lit('active'))
      .where('satellites.account_id', '=', context.account.id)
      .where('satellites.status', '<>', sql.lit('expired'))
      .execute()
    for (const { udi, ...rival } of below) add(udi, rival)
  }
  // Where serial numbers are left out, only the digests can be compared: of all there are.
  const leftOut = instances.some(({ serial }) => serial.startsWith('sha256:'))
  for (let at = 0; at < instances.length; at += leftOut ? instances.length : BATCH_SIZE) {
    const serials = leftOut ? null : instances.slice(at, at + BATCH_SIZE).map(({ serial }) => serial)
    for (const { pid, serial, ...rival } of await listOwn(context, serials))
      add(hashUdi(pid, serial), { ...rival, satelliteId: null, name: 'the manager' })
  }
  return found
}

/** Lists the manager's own registrations and reservations, of some serial numbers or all. */
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

/** Ends the counting of a satellite's instance that gave way to a newer one. The satellite hears of it. */
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
