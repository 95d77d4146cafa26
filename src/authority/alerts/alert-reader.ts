import { sql } from 'kysely'
import { defaultPeriods } from '../../../machines/index.ts'
import type { Instant } from '../../core/time.ts'
import type { ProductProfile } from '../../core/profile.ts'
import { udiDigest } from '../../protocol/digest.ts'
import { listLicenses, listVirtualAccounts } from '../inventory/accounts.ts'
import type { Account, VirtualAccount } from '../context/account-context.ts'
import {
  agreementAlerts,
  type AlertDocument,
  bySeverity,
  divergedAlert,
  duplicateAlert,
  mailAlerts,
  offlineAlerts,
  orderAlert,
  poolAlerts,
  RENEWAL_LATE,
  renewalAlerts,
  reservedTermAlert,
  RETURNED_WINDOW,
  returnedAlert,
  satelliteAlerts,
  type SatelliteFacts,
  scheduleAlert,
  silenceAlerts,
  TERM_WINDOW,
  termAlerts,
  updateAlert,
  webhookAlert,
} from './alerts.ts'
import { outbox, readMailSettings } from '../outbox/mail.ts'
import { describeOrder } from '../inventory/orders.ts'
import { lotsOf } from '../inventory/pools.ts'
import { reviewAlerts } from './review-alerts.ts'
import { ReservationLedger } from '../inventory/reservation-ledger.ts'
import type { Tx } from '../store/store.ts'
import { Synchronisation, type SyncStatus } from '../satellite-sync/synchronization.ts'
import type { AccountContext } from '../context/account-context.ts'

/** Ids that one query names at most. */
const BATCH = 500

/** Returns the alerts of a smart account, or of one virtual account of it: the most urgent first. */
export async function readAlerts(
  { tx, credentials, profile, account, at }: AccountContext,
  virtual: VirtualAccount | null,
): Promise<AlertDocument[]> {
  const sync =
    credentials.identity.role === 'satellite'
      ? (await Synchronisation.open(tx, credentials, account, at)).status()
      : null
  return new AlertReader(tx, profile, account, at, virtual).all(sync)
}

/**
 * Reads what the alerts of a smart account are computed from, in the transaction it is given. Of product instances only
 * those are read that something is the matter with.
 */
export class AlertReader {
  readonly #tx: Tx
  readonly #profile: ProductProfile
  readonly #account: Account
  readonly #at: Instant
  /** The one virtual account that is asked for; null for all, and what is of no virtual account. */
  readonly #only: VirtualAccount | null
  #places = new Map<string, { virtualAccount: string; satellite: string | null }>()

  constructor(
    tx: Tx,
    profile: ProductProfile,
    account: Account,
    at: Instant,
    only: VirtualAccount | null = null,
  ) {
    this.#tx = tx
    this.#profile = profile
    this.#account = account
    this.#at = at
    this.#only = only
  }

  /**
   * Everything that somebody should do something about, the most urgent first.
   *
   * @param sync at a satellite: how it stands with its manager; null at a manager
   */
  async all(sync: SyncStatus | null): Promise<AlertDocument[]> {
    const places = await listVirtualAccounts(this.#tx, this.#account.id)
    this.#places = new Map(
      places.map(({ id, name, satellite }) => [
        id,
        { virtualAccount: name, satellite: satellite?.name ?? null },
      ]),
    )
    const own = sync === null ? await this.#satellites() : [standingOf(sync)]
    return bySeverity([
      ...(this.#only ? [] : await this.#ofAccount(sync === null)),
      ...(await this.#pools()),
      ...(await this.#terms()),
      ...(await this.#silent()),
      ...(await this.#unrenewed()),
      ...(await this.#diverged()),
      ...(await this.#unconfirmed()),
      ...(await this.#reservedTerms()),
      ...(await this.#reservedTermsBelow()),
      ...(await reviewAlerts(this.#tx, this.#account, (id) => this.#place(id))),
      ...(await this.#returned()),
      ...(sync === null ? await this.#duplicates() : []),
      ...own
        .filter(({ virtualAccount }) => !this.#only || virtualAccount === this.#only.name)
        .flatMap((facts) => satelliteAlerts(facts, this.#at)),
    ])
  }

  /** What is of no virtual account. */
  async #ofAccount(manager: boolean): Promise<AlertDocument[]> {
    const orders = await this.#tx
      .selectFrom('orders')
      .selectAll()
      .where('account_id', 'is', null)
      .where('status', '<>', sql.lit('fulfilled'))
      .execute()
    const ledger = new ReservationLedger(this.#tx, this.#profile, this.#account, this.#at)
    const configured = (await readMailSettings(this.#tx)) !== null
    return [
      ...agreementAlerts(this.#account),
      // A satellite is what is recommended.
      ...(manager ? offlineAlerts(this.#account, await ledger.countActive()) : []),
      ...orders.map((row) =>
        orderAlert({
          id: row.id,
          what: describeOrder(row),
          status: row.status === 'handed-over' ? 'handed-over' : 'waiting',
          reminders: row.reminders,
          nextAt: row.next_at,
        }),
      ),
      ...mailAlerts({ ...(await outbox(this.#tx)), configured }),
      ...(await this.#webhooks()),
      ...(await this.#schedules()),
    ]
  }

  async #webhooks(): Promise<AlertDocument[]> {
    const rows = await this.#tx
      .selectFrom('webhook_deliveries as one')
      .innerJoin('webhooks', 'webhooks.id', 'one.webhook_id')
      .select(['webhooks.id', 'webhooks.url', (eb) => eb.fn.countAll<number | string>().as('dead')])
      .where('webhooks.account_id', '=', this.#account.id)
      .where('one.dead', '=', sql.lit(1))
      .groupBy(['webhooks.id', 'webhooks.url'])
      .execute()
    return rows.map(({ id, url, dead }) => webhookAlert({ id, host: new URL(url).host, dead: Number(dead) }))
  }

  async #schedules(): Promise<AlertDocument[]> {
    const rows = await this.#tx
      .selectFrom('report_schedules')
      .select(['id', 'kind', 'failure'])
      .where('account_id', '=', this.#account.id)
      .where('failure', 'is not', null)
      .execute()
    return rows.map(({ id, kind, failure }) => scheduleAlert({ id, kind, failure: failure ?? '' }))
  }

  async #pools(): Promise<AlertDocument[]> {
    const licenses = await listLicenses(this.#tx, this.#account, this.#profile, this.#at)
    const satellites = new Map(
      [...this.#places.values()].map(({ virtualAccount, satellite }) => [virtualAccount, satellite]),
    )
    return licenses
      .filter(({ virtualAccount }) => !this.#only || virtualAccount === this.#only.name)
      .flatMap((license) => poolAlerts(license, satellites.get(license.virtualAccount) ?? null))
  }

  async #terms(): Promise<AlertDocument[]> {
    const pools = await this.#tx
      .selectFrom('licenses')
      .select(['virtual_account_id as id', 'tag'])
      .distinct()
      .where('ends_at', '>=', this.#at - TERM_WINDOW)
      .where('ends_at', '<=', this.#at + TERM_WINDOW)
      .execute()
    const alerts: AlertDocument[] = []
    for (const { id, tag } of pools) {
      const place = this.#place(id)
      if (!place) continue
      const lots = await lotsOf(this.#tx, id, tag)
      alerts.push(...termAlerts({ ...place, tag, lots }, this.#at))
    }
    return alerts
  }

  async #silent(): Promise<AlertDocument[]> {
    const renewal = this.#profile.periods.authorizationRenewal ?? defaultPeriods.authorizationRenewal
    const rows = await this.#instances()
      .select('last_contact_at as lastContactAt')
      .where('last_contact_at', '<', this.#at - renewal)
      // Of one that was taken back after a restore nobody knows when it was in contact.
      .where('in_review', '=', 0)
      .execute()
    return this.#placed(rows).flatMap((row) => silenceAlerts(row, renewal, this.#at))
  }

  async #unrenewed(): Promise<AlertDocument[]> {
    const rows = await this.#instances()
      .select('expires_at as expiresAt')
      .where('expires_at', '<=', this.#at + RENEWAL_LATE)
      .execute()
    return this.#placed(rows).flatMap((row) => renewalAlerts(row, this.#at))
  }

  /** The active instances of whose two histories the event log tells, and not of a registration since. */
  async #diverged(): Promise<AlertDocument[]> {
    const found = await this.#tx
      .selectFrom('events')
      .select(['instance_id as id', (eb) => eb.fn.max('id').as('event'), (eb) => eb.fn.max('at').as('at')])
      .where('type', '=', 'INSTANCE_DIVERGED')
      .where('account_id', '=', this.#account.id)
      .where('instance_id', 'is not', null)
      .groupBy('instance_id')
      .execute()
    const alerts: AlertDocument[] = []
    for (let from = 0; from < found.length; from += BATCH) {
      const ids = found.slice(from, from + BATCH).flatMap(({ id }) => (id === null ? [] : [id]))
      const registered = await this.#tx
        .selectFrom('events')
        .select(['instance_id as id', (eb) => eb.fn.max('id').as('event')])
        .where('type', '=', 'INSTANCE_REGISTERED')
        .where('instance_id', 'in', ids)
        .groupBy('instance_id')
        .execute()
      const rows = await this.#instances().where('id', 'in', ids).execute()
      for (const row of this.#placed(rows)) {
        const last = found.find(({ id }) => id === row.id)
        const since = registered.find(({ id }) => id === row.id)
        if (last && last.event > (since?.event ?? 0)) alerts.push(divergedAlert({ ...row, at: last.at }))
      }
    }
    return alerts
  }

  async #unconfirmed(): Promise<AlertDocument[]> {
    const rows = await this.#tx
      .selectFrom('reservations')
      .select(['id', 'pid', 'serial', 'virtual_account_id', 'updated_at as updatedAt'])
      .where('account_id', '=', this.#account.id)
      .where('status', '=', sql.lit('active'))
      .whereRef('sequence', '<>', 'confirmed')
      .execute()
    return this.#placed(rows).map(updateAlert)
  }

  async #reservedTerms(): Promise<AlertDocument[]> {
    const rows = await this.#tx
      .selectFrom('reservations as r')
      .innerJoin('reserved_licenses as part', 'part.reservation_id', 'r.id')
      .select(['r.id', 'r.pid', 'r.serial', 'r.virtual_account_id', 'part.tag', 'part.count'])
      .select((eb) => eb.ref('part.ends_at').$notNull().as('endsAt'))
      .where('r.account_id', '=', this.#account.id)
      .where('r.status', '=', sql.lit('active'))
      .whereRef('part.sequence', '=', 'r.sequence')
      .where('part.ends_at', '<=', this.#at)
      .execute()
    return this.#placed(rows).map(reservedTermAlert)
  }

  /** The same for the boxes of satellites. */
  async #reservedTermsBelow(): Promise<AlertDocument[]> {
    const rows = await this.#tx
      .selectFrom('reported_reserved as part')
      .innerJoin('reported_instances as one', (join) =>
        join
          .onRef('one.satellite_id', '=', 'part.satellite_id')
          .onRef('one.id', '=', 'part.instance_id')
          .on('one.status', '=', sql.lit('active')),
      )
      .innerJoin('satellites', 'satellites.id', 'part.satellite_id')
      .select(['one.id', 'one.pid', 'one.serial', 'part.virtual_account_id', 'part.tag', 'part.count'])
      .select((eb) => eb.ref('part.ends_at').$notNull().as('endsAt'))
      .select('satellites.name as satellite')
      .where('satellites.account_id', '=', this.#account.id)
      .where('part.ends_at', '<=', this.#at)
      .execute()
    // The satellite may be removed, and its virtual account be the manager's again.
    return this.#placed(rows.map(({ satellite: tellsOf, ...row }) => ({ ...row, tellsOf }))).map((row) =>
      reservedTermAlert({ ...row, satellite: row.tellsOf }),
    )
  }

  /** The boxes whose reservations have ended of late. */
  async #returned(): Promise<AlertDocument[]> {
    const rows = await this.#tx
      .selectFrom('reservations')
      .select(['id', 'pid', 'serial', 'virtual_account_id', 'status', 'sequence'])
      .select((eb) => eb.ref('ended_at').$notNull().as('endedAt'))
      .where('account_id', '=', this.#account.id)
      .where('ended_at', '>', this.#at - RETURNED_WINDOW)
      .execute()
    const alerts: AlertDocument[] = []
    for (const row of this.#placed(rows)) {
      const licenses = await this.#tx
        .selectFrom('reserved_licenses')
        .select(['tag', 'count'])
        .where('reservation_id', '=', row.id)
        .where('sequence', '=', row.sequence)
        .where('count', '>', 0)
        .execute()
      alerts.push(returnedAlert({ ...row, lost: row.status === 'lost', licenses }))
    }
    return alerts
  }

  /** Boxes that a satellite has, and that the smart account has once more. */
  async #duplicates(): Promise<AlertDocument[]> {
    const below = this.#tx
      .selectFrom('reported_instances as one')
      .innerJoin('satellites as s', (join) =>
        join.onRef('s.id', '=', 'one.satellite_id').on('s.status', 'in', ['active', 'waiting']),
      )
      .select(['one.id', 'one.pid', 'one.serial', 'one.virtual_account_id'])
      .where('s.account_id', '=', this.#account.id)
      .where('one.status', '=', sql.lit('active'))
    const twice = await below
      .innerJoin('reported_instances as other', (join) =>
        join
          .onRef('other.udi', '=', 'one.udi')
          .onRef('other.satellite_id', '<>', 'one.satellite_id')
          .on('other.status', '=', sql.lit('active')),
      )
      .innerJoin('satellites as t', (join) =>
        join.onRef('t.id', '=', 'other.satellite_id').on('t.status', 'in', ['active', 'waiting']),
      )
      .select('t.name as other')
      .where('t.account_id', '=', this.#account.id)
      // Of two registrations the newer is in force by itself; and each pair is told once.
      .where((eb) => eb.or([eb('one.kind', '=', 'reserved'), eb('other.kind', '=', 'reserved')]))
      .where((eb) =>
        eb.or([
          eb('one.kind', '<', eb.ref('other.kind')),
          eb.and([
            eb('one.kind', '=', eb.ref('other.kind')),
            eb('one.satellite_id', '<', eb.ref('other.satellite_id')),
          ]),
        ]),
      )
      .execute()
    const registered = await below
      .innerJoin('instances as own', (join) =>
        join
          .onRef('own.pid', '=', 'one.pid')
          .onRef('own.serial', '=', 'one.serial')
          .on('own.status', '=', sql.lit('active'))
          .on('own.account_id', '=', this.#account.id),
      )
      .where('one.kind', '=', 'reserved')
      .execute()
    const own = await this.#tx
      .selectFrom('reservations')
      .select(['pid', 'serial'])
      .where('account_id', '=', this.#account.id)
      .where('status', '=', sql.lit('active'))
      .execute()
    const reserved: typeof registered = []
    for (let from = 0; from < own.length; from += BATCH) {
      const digests = own.slice(from, from + BATCH).map(({ pid, serial }) => udiDigest(pid, serial))
      reserved.push(...(await below.where('one.udi', 'in', digests).execute()))
    }
    const manager = [...registered, ...reserved].map((row) => ({ ...row, other: 'the manager' }))
    return this.#placed([...twice, ...manager]).map(duplicateAlert)
  }

  /** At a manager: its satellites, each at the virtual account that is asked for, or its first. */
  async #satellites(): Promise<SatelliteFacts[]> {
    let query = this.#tx
      .selectFrom('satellites as s')
      .innerJoin('virtual_accounts as va', 'va.satellite_id', 's.id')
      .selectAll('s')
      .select('va.name as virtualAccount')
      .where('s.account_id', '=', this.#account.id)
      .where('s.status', '<>', sql.lit('removed'))
    query = this.#only ? query.where('va.id', '=', this.#only.id) : query.where('va.is_home', '=', 1)
    return (await query.execute()).map((row) => ({
      side: 'manager',
      name: row.name,
      virtualAccount: row.virtualAccount,
      standing:
        row.status === 'waiting' ? 'unregistered' : row.status === 'expired' ? 'restricted' : 'active',
      codeUntil: row.code === null ? null : row.code_expires_at,
      lastSyncAt: row.answered_at,
      warnAt: row.warn_at,
      restrictAt: row.restrict_at,
      automaticUntil: row.automatic_until,
      inDoubt: false,
    }))
  }

  /** The active instances that are asked for. */
  #instances() {
    return this.#tx
      .selectFrom('instances')
      .select(['id', 'pid', 'serial', 'virtual_account_id'])
      .where('account_id', '=', this.#account.id)
      .where('status', '=', sql.lit('active'))
      .$if(this.#only !== null, (query) => query.where('virtual_account_id', '=', this.#only?.id ?? ''))
  }

  /** Where it is; undefined for what is not asked for, or of another smart account. */
  #place(virtualAccountId: string) {
    if (this.#only && virtualAccountId !== this.#only.id) return undefined
    return this.#places.get(virtualAccountId)
  }

  #placed<T extends { virtual_account_id: string }>(rows: readonly T[]) {
    return rows.flatMap((row) => {
      const place = this.#place(row.virtual_account_id)
      return place ? [{ ...row, ...place }] : []
    })
  }
}

const instantOf = (text: string | null): Instant | null => (text === null ? null : Date.parse(text))

/** A satellite as it sees itself. */
const standingOf = (sync: SyncStatus): SatelliteFacts => ({
  side: 'satellite',
  name: sync.satellite,
  virtualAccount: null,
  standing: sync.standing === 'current' || sync.standing === 'overdue' ? 'active' : sync.standing,
  codeUntil: null,
  lastSyncAt: instantOf(sync.lastSyncAt),
  warnAt: instantOf(sync.overdueAt),
  restrictAt: instantOf(sync.restrictedAt),
  automaticUntil: instantOf(sync.automaticUntil),
  inDoubt: sync.inDoubt,
})
