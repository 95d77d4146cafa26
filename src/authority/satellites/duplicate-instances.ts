import { sql } from 'kysely'
import { type Instant, iso } from '../../core/time.ts'
import { udiDigest } from '../../protocol/digest.ts'
import type { SyncRequest } from '../../protocol/sync-request.ts'
import type { Account } from '../context/account-context.ts'
import { logEvent } from '../events/event-log.ts'
import { endInstance } from '../inventory/instances.ts'
import type { Tx } from '../store/store.ts'
import { Reported } from './reported-instances.ts'
import type { SatelliteRow } from './satellites.ts'

/** Rows that are looked up at a time. */
const BATCH = 500

/** Another product instance of the same box. */
interface Rival {
  readonly id: string
  readonly kind: 'registered' | 'reserved'
  readonly since: Instant
  /** Null for one of the manager's own. */
  readonly satelliteId: string | null
  readonly name: string
}

/** Boxes that a smart account has twice, as a satellite's report shows, in the transaction it is given. */
export class Conflicts {
  readonly #tx: Tx
  readonly #account: Account
  readonly #at: Instant

  constructor(tx: Tx, account: Account, at: Instant) {
    this.#tx = tx
    this.#account = account
    this.#at = at
  }

  /** One box is one product instance: of two registrations the newer is in force, wherever they are (trust §6). */
  async resolve(row: SatelliteRow, instances: SyncRequest['instances'], notices: string[]): Promise<void> {
    const rivalsOf = await this.#rivals(instances)
    for (const one of instances) {
      const rivals = (rivalsOf.get(udiDigest(one.pid, one.serial)) ?? []).filter(
        ({ id, satelliteId }) => id !== one.id || satelliteId !== row.id,
      )
      for (const rival of rivals) {
        const words = `${one.pid}:${one.serial} is here, since ${iso(one.since)}, and at ${rival.name}, since ${iso(rival.since)}`
        if (one.kind === 'reserved' || rival.kind === 'reserved') {
          // What is reserved may be in use out of reach: both count until a person has looked.
          notices.push(`${words}: licences are reserved for it, so both count.`)
          await this.#log(row, `${words}: both count.`)
          continue
        }
        const newer = Math.min(one.since, this.#at) > rival.since
        notices.push(`${words}: the ${newer ? 'newer, here,' : 'newer one there'} is in force.`)
        await this.#log(row, `${words}: the newer is in force, at ${newer ? row.name : rival.name}.`)
        if (!newer) await this.#replace(row.id, one.id)
        else if (rival.satelliteId === null) await this.#endOwn(rival.id)
        else await this.#replace(rival.satelliteId, rival.id)
      }
    }
  }

  /** Whatever else the smart account has of the same boxes: of the manager's own, and of satellites. */
  async #rivals(instances: SyncRequest['instances']): Promise<Map<string, Rival[]>> {
    const found = new Map<string, Rival[]>()
    const add = (udi: string, rival: Rival) => {
      found.set(udi, [...(found.get(udi) ?? []), rival])
    }
    for (let at = 0; at < instances.length; at += BATCH) {
      const udis = instances.slice(at, at + BATCH).map(({ pid, serial }) => udiDigest(pid, serial))
      const below = await this.#tx
        .selectFrom('reported_instances as one')
        .innerJoin('satellites', 'satellites.id', 'one.satellite_id')
        .select(['one.id', 'one.kind', 'one.udi', 'one.since_at as since', 'one.satellite_id as satelliteId'])
        .select('satellites.name')
        .where('udi', 'in', udis)
        .where('one.status', '=', sql.lit('active'))
        .where('satellites.account_id', '=', this.#account.id)
        .where('satellites.status', '<>', sql.lit('expired'))
        .execute()
      for (const { udi, ...rival } of below) add(udi, rival)
    }
    // Where serial numbers are left out, only the digests can be compared: of all there are.
    const leftOut = instances.some(({ serial }) => serial.startsWith('sha256:'))
    for (let at = 0; at < instances.length; at += leftOut ? instances.length : BATCH) {
      const serials = leftOut ? null : instances.slice(at, at + BATCH).map(({ serial }) => serial)
      for (const { pid, serial, ...rival } of await this.#own(serials))
        add(udiDigest(pid, serial), { ...rival, satelliteId: null, name: 'the manager' })
    }
    return found
  }

  /** The manager's own registrations and reservations, of some serial numbers or all. */
  async #own(serials: readonly string[] | null) {
    let registered = this.#tx
      .selectFrom('instances')
      .select(['id', 'pid', 'serial', 'registered_at as since'])
      .where('account_id', '=', this.#account.id)
      .where('status', '=', sql.lit('active'))
    let reserved = this.#tx
      .selectFrom('reservations')
      .select(['id', 'pid', 'serial', 'created_at as since'])
      .where('account_id', '=', this.#account.id)
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

  /** A satellite's instance gave way to a newer one: it counts no more, and the satellite is told. */
  async #replace(satelliteId: string, id: string): Promise<void> {
    await new Reported(this.#tx, { id: satelliteId, status: 'active' }, this.#at).replace(id)
  }

  async #endOwn(id: string): Promise<void> {
    const row = await this.#tx
      .selectFrom('instances')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    await endInstance(this.#tx, row, 'replaced', this.#at)
  }

  async #log(row: SatelliteRow, message: string): Promise<void> {
    await logEvent(this.#tx, {
      at: this.#at,
      type: 'DUPLICATE_PRODUCT_INSTANCE',
      severity: 'major',
      accountId: this.#account.id,
      message: `${row.name}: ${message}`,
    })
  }
}
