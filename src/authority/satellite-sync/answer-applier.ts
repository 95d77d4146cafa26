import { randomUUID } from 'node:crypto'
import type { Instant } from '../../core/time.ts'
import type { SyncAnswer, SyncLot } from '../../protocol/sync-answer.ts'
import { addVirtualAccount, listVirtualAccounts, whatItHolds } from '../inventory/accounts.ts'
import type { Account, VirtualAccount } from '../context/account-context.ts'
import { logEvent } from '../events/event-log.ts'
import { endInstance } from '../inventory/instances.ts'
import { assessPool } from '../inventory/pools.ts'
import { touchInstance, touchPlace, touchReservation } from '../store/revisions.ts'
import type { Tx } from '../store/store.ts'
import { TakeBack } from './restored-instances.ts'

/** Takes what the manager answered into a satellite's own accounts and pools, in the transaction it is given. */
export class SyncApply {
  readonly #tx: Tx
  readonly #account: Account
  readonly #at: Instant

  constructor(tx: Tx, account: Account, at: Instant) {
    this.#tx = tx
    this.#account = account
    this.#at = at
  }

  /** @returns whether the manager should hear of it at once: something was given up, ended or found again */
  async apply(answer: SyncAnswer): Promise<boolean> {
    const places = await this.#virtualAccounts(answer)
    const withdrawn = await this.#lots(answer.lots, places)
    let changed = false
    for (const { id, how } of answer.ended) if (await this.#end(id, how)) changed = true
    const home = places.get(answer.virtualAccounts.find((one) => one.home)?.name ?? '')
    if (home) await new TakeBack(this.#tx, this.#account, home, answer.epoch, this.#at).all(answer.known)
    for (const notice of answer.notices) await this.#log('SYNCHRONISATION_NOTICE', notice, 'major')
    return withdrawn || changed || answer.known.length > 0
  }

  /** The local virtual accounts in which the manager's licences arrive: made where they are missing. */
  async #virtualAccounts(answer: SyncAnswer): Promise<Map<string, VirtualAccount>> {
    const places = new Map<string, VirtualAccount>()
    const all = await listVirtualAccounts(this.#tx, this.#account.id)
    const bind = async (id: string, upstream: string | null, home: boolean) => {
      await this.#tx
        .updateTable('virtual_accounts')
        .set({ upstream, is_home: home ? 1 : 0 })
        .where('id', '=', id)
        .execute()
      if (all.find((one) => one.id === id)?.upstream === upstream) return
      // What is in it counts for another of the manager's virtual accounts now: it is reported anew.
      await touchPlace(this.#tx, id)
    }
    for (const { name, home } of answer.virtualAccounts) {
      const local =
        all.find((one) => (home ? one.home : !one.home && one.upstream === name)) ??
        (home ? all.find((one) => one.isDefault) : undefined) ??
        (await this.#placeFor(name, all))
      await bind(local.id, name, home)
      places.set(name, { ...local, upstream: name, home })
    }
    const kept = new Set([...places.values()].map(({ id }) => id))
    // What the manager has freed is this satellite's own from here on.
    for (const one of all) if (one.upstream !== null && !kept.has(one.id)) await bind(one.id, null, false)
    return places
  }

  /** Where the licences of a further account arrive: under its name, unless one of the satellite's own has that and is in use. */
  async #placeFor(name: string, all: readonly VirtualAccount[]): Promise<VirtualAccount> {
    const same = all.find((one) => one.name === name)
    if (same && !same.isDefault && same.upstream === null && (await this.#isEmpty(same.id))) return same
    const taken = new Set(all.map((one) => one.name))
    let free = name
    for (let i = 1; taken.has(free); i++) free = `${name} (manager${i === 1 ? '' : ` ${i}`})`
    return addVirtualAccount(this.#tx, this.#account, free, this.#at)
  }

  async #isEmpty(id: string): Promise<boolean> {
    const license = await this.#tx
      .selectFrom('licenses')
      .select('id')
      .where('virtual_account_id', '=', id)
      .executeTakeFirst()
    return license === undefined && (await whatItHolds(this.#tx, id, this.#at)) === null
  }

  /**
   * The manager is the source of truth for what was bought: each of its lots is here as often as it says, in whichever
   * virtual accounts it was divided among.
   *
   * @returns whether something was taken away
   */
  async #lots(lots: readonly SyncLot[], places: ReadonlyMap<string, VirtualAccount>): Promise<boolean> {
    const rows = await this.#tx
      .selectFrom('licenses')
      .innerJoin('virtual_accounts as va', 'va.id', 'licenses.virtual_account_id')
      .selectAll('licenses')
      .select('va.name as place')
      .where('lot_id', 'is not', null)
      .execute()
    const touched = new Map<string, { virtualAccountId: string; tag: string }>()
    const touch = (virtualAccountId: string, tag: string) => {
      touched.set(`${virtualAccountId} ${tag}`, { virtualAccountId, tag })
    }
    const told = new Map(lots.map((lot) => [lot.id, lot]))
    let withdrawn = false
    for (const lot of lots) {
      const arrives = places.get(lot.virtualAccount)
      if (!arrives) continue
      // Where it arrives gives up first, so that what was divided stays as it was divided for as long as it can.
      const parts = rows
        .filter((row) => row.lot_id === lot.id)
        .sort(
          (a, b) => Number(b.virtual_account_id === arrives.id) - Number(a.virtual_account_id === arrives.id),
        )
      const there = parts.reduce((sum, { quantity }) => sum + quantity, 0)
      const [first] = parts
      if (lot.quantity > there || !first) {
        const mine = parts.find((row) => row.virtual_account_id === arrives.id)
        if (mine) await this.#setQuantity(mine.id, mine.quantity + lot.quantity - there)
        else await this.#add(lot, arrives.id, lot.quantity - there)
        touch(arrives.id, lot.tag)
      }
      let tooMany = there - lot.quantity
      for (const part of parts) {
        if (tooMany <= 0) break
        const taken = Math.min(tooMany, part.quantity)
        tooMany -= taken
        withdrawn = true
        await this.#setQuantity(part.id, part.quantity - taken)
        touch(part.virtual_account_id, part.tag)
        await this.#withdrawn(taken, part)
      }
    }
    for (const row of rows) {
      if (told.has(row.lot_id ?? '')) continue
      // What ended by its term is not told any more, and is not missed.
      const ended = row.ends_at !== null && row.ends_at <= this.#at
      await this.#tx.deleteFrom('licenses').where('id', '=', row.id).execute()
      touch(row.virtual_account_id, row.tag)
      if (ended) continue
      withdrawn = true
      await this.#withdrawn(row.quantity, row)
    }
    for (const { virtualAccountId, tag } of touched.values())
      await assessPool(this.#tx, virtualAccountId, tag, this.#at)
    return withdrawn
  }

  async #setQuantity(id: string, quantity: number): Promise<void> {
    if (quantity === 0) await this.#tx.deleteFrom('licenses').where('id', '=', id).execute()
    else await this.#tx.updateTable('licenses').set({ quantity }).where('id', '=', id).execute()
  }

  async #add(lot: SyncLot, virtualAccountId: string, quantity: number): Promise<void> {
    await this.#tx
      .insertInto('licenses')
      .values({
        id: randomUUID(),
        virtual_account_id: virtualAccountId,
        tag: lot.tag,
        quantity,
        starts_at: lot.startsAt,
        ends_at: lot.endsAt,
        source: 'manager',
        lot_id: lot.id,
        warned_days: null,
      })
      .execute()
    await this.#log('LICENSES_RECEIVED', `${quantity} of ${lot.tag} from the manager.`)
  }

  async #withdrawn(quantity: number, row: { tag: string; place: string }): Promise<void> {
    await this.#log(
      'LICENSES_WITHDRAWN',
      `${quantity} of ${row.tag} went back to the manager, from ${row.place}.`,
      'minor',
    )
  }

  /**
   * An instance that the manager knows to have ended: a newer registration of its box, or an end before a restore.
   *
   * @returns whether there is something to tell of it
   */
  async #end(id: string, how: 'replaced' | 'ended'): Promise<boolean> {
    const instance = await this.#tx
      .selectFrom('instances')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst()
    if (instance?.status === 'active') {
      await endInstance(this.#tx, instance, how === 'replaced' ? 'replaced' : 'removed', this.#at)
      const words =
        how === 'replaced' ? 'registered elsewhere in the smart account since' : 'ended before the restore'
      await this.#log(
        'INSTANCE_ENDED_BY_MANAGER',
        `${instance.pid}:${instance.serial}: ${words}.`,
        'major',
        id,
      )
      return true
    }
    // It is told until it was heard.
    if (instance) await touchInstance(this.#tx, id)
    const reservation = await this.#tx
      .selectFrom('reservations')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst()
    if (!reservation) return instance !== undefined
    if (reservation.status === 'active') {
      await this.#tx
        .updateTable('reservations')
        .set({ status: 'returned', ended_at: this.#at })
        .where('id', '=', id)
        .execute()
      await this.#log(
        'RESERVATION_ENDED_BY_MANAGER',
        `${reservation.pid}:${reservation.serial}: its reservation ended before the restore.`,
        'major',
        id,
      )
      const tags = await this.#tx
        .selectFrom('reserved_licenses')
        .select('tag')
        .distinct()
        .where('reservation_id', '=', id)
        .execute()
      for (const { tag } of tags) await assessPool(this.#tx, reservation.virtual_account_id, tag, this.#at)
    }
    await touchReservation(this.#tx, id)
    return true
  }

  async #log(
    type: string,
    message: string,
    severity: 'info' | 'minor' | 'major' = 'info',
    instanceId?: string,
  ): Promise<void> {
    await logEvent(this.#tx, {
      at: this.#at,
      type,
      severity,
      accountId: this.#account.id,
      instanceId: instanceId ?? null,
      message,
    })
  }
}
