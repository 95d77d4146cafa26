import { randomUUID } from 'node:crypto'
import { type Instant, iso } from '../domain/instant.ts'
import type { SyncAnswer, SyncLot } from '../protocol/sync-answer.ts'
import type { ReportedInstance } from '../protocol/sync-request.ts'
import { type Account, addVirtualAccount, listVirtualAccounts, type VirtualAccount } from './accounts.ts'
import { logEvent } from './event-log.ts'
import { endInstance } from './instances.ts'
import { assessPool, setDemand } from './pools.ts'
import { touchInstance, touchPlace, touchReservation } from './revisions.ts'
import { IDENTITY_LIFE } from './rules.ts'
import type { Tx } from './store.ts'

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
    for (const { id, how } of answer.ended) await this.#end(id, how)
    const home = places.get(answer.virtualAccounts.find((one) => one.home)?.name ?? '')
    for (const one of answer.known) await this.#takeBack(one, home)
    for (const notice of answer.notices) await this.#log('SYNCHRONISATION_NOTICE', notice, 'major')
    return withdrawn || answer.ended.length > 0 || answer.known.length > 0
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
        all.find((one) => (home ? one.home : one.upstream === name)) ??
        all.find((one) => (home ? one.isDefault : one.name === name)) ??
        (await addVirtualAccount(this.#tx, this.#account, name, this.#at))
      await bind(local.id, name, home)
      places.set(name, { ...local, upstream: name, home })
    }
    const kept = new Set([...places.values()].map(({ id }) => id))
    // What the manager has freed is this satellite's own from here on.
    for (const one of all) if (one.upstream !== null && !kept.has(one.id)) await bind(one.id, null, false)
    return places
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
        warned: null,
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

  /** An instance that the manager knows to have ended: a newer registration of its box, or an end before a restore. */
  async #end(id: string, how: 'replaced' | 'ended'): Promise<void> {
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
      return
    }
    // It is told until it was heard.
    if (instance) await touchInstance(this.#tx, id)
    const reservation = await this.#tx
      .selectFrom('reservations')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst()
    if (!reservation) return
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
  }

  /** What was here before a restore, and is not any more: it counts, and its box proves itself by its certificate. */
  async #takeBack(one: ReportedInstance, home: VirtualAccount | undefined): Promise<void> {
    const table = one.kind === 'registered' ? 'instances' : 'reservations'
    const there = await this.#tx.selectFrom(table).select('id').where('id', '=', one.id).executeTakeFirst()
    if (there) {
      if (table === 'instances') await touchInstance(this.#tx, one.id)
      else await touchReservation(this.#tx, one.id)
      return
    }
    const all = await listVirtualAccounts(this.#tx, this.#account.id)
    const place = all.find(({ name }) => name === one.virtualAccount) ?? home
    if (!place) return
    if (one.kind === 'registered') await this.#takeBackInstance(one, place)
    else await this.#takeBackReservation(one, place)
    await this.#log(
      'INSTANCE_TAKEN_BACK',
      `${one.pid}:${one.serial} was registered before the restore, since ${iso(one.since)}: taken back for review.`,
      'major',
      one.id,
    )
  }

  async #takeBackInstance(one: ReportedInstance, place: VirtualAccount): Promise<void> {
    const rival = await this.#tx
      .selectFrom('instances')
      .selectAll()
      .where('account_id', '=', this.#account.id)
      .where('pid', '=', one.pid)
      .where('serial', '=', one.serial)
      .where('status', '=', 'active')
      .executeTakeFirst()
    // The box registered again since: that one is in force, and the old one is told to have ended.
    await this.#tx
      .insertInto('instances')
      .values({
        id: one.id,
        account_id: this.#account.id,
        virtual_account_id: place.id,
        pid: one.pid,
        serial: one.serial,
        version: one.version,
        hostname: one.hostname,
        status: rival ? 'replaced' : 'active',
        export_controlled: 0,
        thumbprint: '',
        public_key: '',
        registered_key: '',
        token_id: '',
        certificates: '[]',
        next_thumbprint: null,
        next_public_key: null,
        next_certificates: null,
        registered_at: one.since,
        last_contact_at: one.since,
        expires_at: this.#at + IDENTITY_LIFE,
        sequence: 0,
        request_digest: null,
        message_id: null,
        decision: null,
        last_answer: null,
        answer_before: null,
        epoch: 0,
        revision: 0,
        in_review: 1,
      })
      .execute()
    await touchInstance(this.#tx, one.id)
    if (!rival) await setDemand(this.#tx, { id: one.id, virtualAccountId: place.id }, one.licenses, this.#at)
  }

  /** Without the key of its box: its codes cannot be checked, and only a person can end it. */
  async #takeBackReservation(one: ReportedInstance, place: VirtualAccount): Promise<void> {
    await this.#tx
      .insertInto('reservations')
      .values({
        id: one.id,
        account_id: this.#account.id,
        virtual_account_id: place.id,
        pid: one.pid,
        serial: one.serial,
        version: one.version,
        status: 'active',
        request: 0,
        box_key: `unknown ${one.id}`,
        sequence: 1,
        confirmed: 1,
        created_at: one.since,
        updated_at: this.#at,
        ended_at: null,
        wrong_codes: 0,
        wrong_since: 0,
        revision: 0,
      })
      .execute()
    if (one.licenses.length === 0) return
    await this.#tx
      .insertInto('reserved_licenses')
      .values(
        one.licenses.map(({ tag, count, endsAt }) => ({
          reservation_id: one.id,
          sequence: 1,
          epoch: 0,
          tag,
          count,
          ends_at: endsAt,
        })),
      )
      .execute()
    await touchReservation(this.#tx, one.id)
    for (const { tag } of one.licenses) await assessPool(this.#tx, place.id, tag, this.#at)
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
