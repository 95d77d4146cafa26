import { sql } from 'kysely'
import { type Instant, iso } from '../../core/time.ts'
import { udiDigest } from '../../protocol/digest.ts'
import type { ReportedInstance, ReportedLicense } from '../../protocol/sync-request.ts'
import { listVirtualAccounts } from '../inventory/accounts.ts'
import type { Account, AccountContext, VirtualAccount } from '../context/account-context.ts'
import { logEvent } from '../events/event-log.ts'
import { NO_EXCHANGE } from '../inventory/instances.ts'
import { assessPool, changeUse } from '../inventory/pools.ts'
import { nextRevision, touchInstance, touchReservation } from '../store/revisions.ts'
import { IDENTITY_LIFE } from '../policy.ts'
import type { Tx } from '../store/store.ts'

/**
 * What a satellite had before it was restored, and does not have any more: taken back as its manager knows it, so that it
 * counts. A box proves itself by its certificate; a reservation waits for a person (trust §9).
 */
export class TakeBack {
  readonly #tx: Tx
  readonly #account: Account
  readonly #home: VirtualAccount
  /** The epoch in which this satellite goes on: what was promised before is of an earlier one. */
  readonly #epoch: number
  readonly #at: Instant
  #places = new Map<string, VirtualAccount>()
  /** What is in use by then, gathered: `virtual account, tag`. */
  readonly #use = new Map<string, number>()
  readonly #touched = new Set<string>()

  constructor(
    { tx, account, at }: Pick<AccountContext, 'tx' | 'account' | 'at'>,
    home: VirtualAccount,
    epoch: number,
  ) {
    this.#tx = tx
    this.#account = account
    this.#home = home
    this.#epoch = epoch
    this.#at = at
  }

  async all(known: readonly ReportedInstance[]): Promise<void> {
    if (known.length === 0) return
    const places = await listVirtualAccounts(this.#tx, this.#account.id)
    this.#places = new Map(places.map((one) => [one.name, one]))
    for (const one of known) {
      const place = this.#places.get(one.virtualAccount) ?? this.#home
      if (one.kind === 'registered') await this.#instance(one, place)
      else await this.#reservation(one, place)
    }
    const split = (key: string) => key.split(' ') as [string, string]
    for (const [key, change] of this.#use) await changeUse(this.#tx, ...split(key), change, this.#at)
    for (const key of this.#touched) await assessPool(this.#tx, ...split(key), this.#at)
  }

  async #instance(one: ReportedInstance, place: VirtualAccount): Promise<void> {
    const there = await this.#tx
      .selectFrom('instances')
      .select('id')
      .where('id', '=', one.id)
      .executeTakeFirst()
    if (there) {
      await touchInstance(this.#tx, one.id)
      return
    }
    const rival = await this.#rival(one)
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
        // A box that registered again since is in force as that: the old registration is told to have ended.
        status: rival ? 'replaced' : 'active',
        export_controlled: 0,
        thumbprint: '',
        public_key: '',
        registered_key: '',
        token_id: '',
        certificates: '[]',
        ...NO_EXCHANGE,
        registered_at: one.since,
        last_contact_at: one.since,
        expires_at: this.#at + IDENTITY_LIFE,
        epoch: 0,
        revision: nextRevision,
        in_review: 1,
      })
      .execute()
    await this.#log(one)
    if (rival) return
    for (const { tag, count } of one.licenses) {
      await this.#tx.insertInto('instance_usage').values({ instance_id: one.id, tag, count }).execute()
      const key = `${place.id} ${tag}`
      this.#use.set(key, (this.#use.get(key) ?? 0) + count)
    }
  }

  /** The box registered again since, under its serial number, where that was left out of what comes back. */
  async #rival({ pid, serial }: ReportedInstance): Promise<boolean> {
    const rows = await this.#tx
      .selectFrom('instances')
      .select('serial')
      .where('account_id', '=', this.#account.id)
      .where('pid', '=', pid)
      .$if(!serial.startsWith('sha256:'), (query) => query.where('serial', '=', serial))
      .where('status', '=', sql.lit('active'))
      .execute()
    return rows.some((row) => udiDigest(pid, row.serial) === udiDigest(pid, serial))
  }

  async #reservation(one: ReportedInstance, place: VirtualAccount): Promise<void> {
    const there = await this.#tx
      .selectFrom('reservations')
      .selectAll()
      .where('id', '=', one.id)
      .executeTakeFirst()
    if (there?.status === 'active') {
      // It was updated since the backup: as one that waits for its confirmation, the larger of both is held.
      await this.#tx
        .updateTable('reservations')
        .set({ sequence: there.sequence + 1, updated_at: this.#at })
        .where('id', '=', one.id)
        .execute()
      await this.#hold(one.id, there.sequence + 1, one.licenses)
      this.#touch(there.virtual_account_id, one.licenses)
      await this.#log(one)
    }
    if (!there) {
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
          // Without the key of its box its codes cannot be checked: only a person can end it.
          device_key: `unknown ${one.id}`,
          sequence: 1,
          confirmed: 1,
          created_at: one.since,
          updated_at: this.#at,
          ended_at: null,
          failed_code_attempts: 0,
          failed_code_attempts_since: 0,
          revision: 0,
          in_review: 0,
        })
        .execute()
      await this.#hold(one.id, 1, one.licenses)
      this.#touch(place.id, one.licenses)
      await this.#log(one)
    }
    await touchReservation(this.#tx, one.id)
  }

  async #hold(id: string, sequence: number, licenses: readonly ReportedLicense[]): Promise<void> {
    if (licenses.length === 0) return
    const epoch = this.#epoch - 1
    await this.#tx
      .insertInto('reserved_licenses')
      .values(
        licenses.map(({ tag, count, endsAt }) => ({
          reservation_id: id,
          sequence,
          epoch,
          tag,
          count,
          ends_at: endsAt,
        })),
      )
      .execute()
  }

  #touch(virtualAccountId: string, licenses: readonly ReportedLicense[]): void {
    for (const { tag } of licenses) this.#touched.add(`${virtualAccountId} ${tag}`)
  }

  async #log(one: ReportedInstance): Promise<void> {
    await logEvent(this.#tx, {
      at: this.#at,
      type: 'INSTANCE_TAKEN_BACK',
      severity: 'major',
      accountId: this.#account.id,
      instanceId: one.id,
      message: `${one.pid}:${one.serial} was promised more before the restore than is known here, since ${iso(one.since)}: taken back for review.`,
    })
  }
}
