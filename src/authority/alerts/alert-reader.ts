import { sql } from 'kysely'
import { defaultPeriods } from '../../../machines/index.ts'
import type { Instant } from '../../core/time.ts'
import { hashUdi } from '../../protocol/digest.ts'
import { listLicenses, listVirtualAccounts } from '../inventory/accounts.ts'
import type { VirtualAccount } from '../context/account-context.ts'
import {
  computeAgreementAlerts,
  computeRevertedAlerts,
  REVERT_ALERT_PERIOD,
  type AlertDocument,
  sortBySeverity,
  computeMailAlerts,
  computeOfflineAlerts,
  computeOrderAlert,
  computeScheduleAlert,
  computeWebhookAlert,
} from './alerts.ts'
import {
  computeClonedInstanceAlert,
  computeDuplicateAlert,
  RENEWAL_OVERDUE_WINDOW_MS,
  computeRenewalAlerts,
  computeReservedTermAlert,
  RETURN_ALERT_WINDOW_MS,
  computeReturnAlert,
  computeMissedContactAlerts,
  computePendingUpdateAlert,
  computeProfileAlert,
} from './instance-alerts.ts'
import { computePoolAlerts, TERM_ALERT_WINDOW_MS, computeTermAlerts } from './pool-alerts.ts'
import { computeSatelliteAlerts, type SatelliteFacts } from './satellite-alerts.ts'
import { readOutboxStatus, readMailSettings } from '../outbox/mail.ts'
import { describeOrder } from '../inventory/orders.ts'
import { listLots } from '../inventory/pools.ts'
import { readReviewAlerts } from './review-alerts.ts'
import { countActiveReservations } from '../inventory/reservation-ledger.ts'
import { openSync } from '../satellite-sync/sync-repository.ts'
import { type SyncStatus, toSyncStatus } from '../satellite-sync/sync-status.ts'
import type { AccountContext } from '../context/account-context.ts'

/** A smart account and the locations of its instances. */
interface AlertContext extends AccountContext {
  /** Requested virtual account. Null stands for all, including alerts of no virtual account. */
  readonly only: VirtualAccount | null
  readonly locations: ReadonlyMap<string, { virtualAccount: string; satellite: string | null }>
}

const BATCH_SIZE = 500

/** Returns the alerts of a smart account, or of one of its virtual accounts, the most urgent first. */
export async function readAlerts(
  accountContext: AccountContext,
  only: VirtualAccount | null,
): Promise<AlertDocument[]> {
  const { tx, credentials, account } = accountContext
  const virtualAccounts = await listVirtualAccounts(tx, account.id)
  const locations = new Map(
    virtualAccounts.map(({ id, name, satellite }) => [
      id,
      { virtualAccount: name, satellite: satellite?.name ?? null },
    ]),
  )
  const context: AlertContext = { ...accountContext, only, locations }
  const sync =
    credentials.keyRing.identity.role === 'satellite' ? toSyncStatus(await openSync(accountContext)) : null
  const own = sync === null ? await readSatelliteFacts(context) : [toSatelliteFacts(sync)]
  return sortBySeverity([
    ...(context.only ? [] : await readAccountAlerts(context, sync === null)),
    ...(await readPoolAlerts(context)),
    ...(await readTermAlerts(context)),
    ...(await readMissedContactAlerts(context)),
    ...(await readRenewalAlerts(context)),
    ...(await readClonedInstanceAlerts(context)),
    ...(await readProfileAlerts(context)),
    ...(await readPendingUpdateAlerts(context)),
    ...(await readReservedTermAlerts(context)),
    ...(await readReportedTermAlerts(context)),
    ...(await readReviewAlerts(context.tx, context.account, (id) => findLocation(context, id))),
    ...(await readReturnAlerts(context)),
    ...(sync === null ? await readDuplicateAlerts(context) : []),
    ...own
      .filter(({ virtualAccount }) => !context.only || virtualAccount === context.only.name)
      .flatMap((facts) => computeSatelliteAlerts(facts, context.at)),
  ])
}

/** Returns the alerts that belong to no virtual account. */
async function readAccountAlerts(context: AlertContext, manager: boolean): Promise<AlertDocument[]> {
  const orders = await context.tx
    .selectFrom('orders')
    .selectAll()
    .where('account_id', 'is', null)
    .where('status', '<>', sql.lit('fulfilled'))
    .execute()
  const configured = (await readMailSettings(context.tx)) !== null
  return [
    ...computeAgreementAlerts(context.account),
    ...computeRevertedAlerts(context.account, await findRevert(context)),
    // The alert recommends a satellite.
    ...(manager ? computeOfflineAlerts(context.account, await countActiveReservations(context)) : []),
    ...orders.map((row) =>
      computeOrderAlert({
        id: row.id,
        what: describeOrder(row),
        status: row.status === 'escalated' ? 'escalated' : 'waiting',
        reminders: row.reminders,
        nextAt: row.next_at,
      }),
    ),
    ...computeMailAlerts({ ...(await readOutboxStatus(context.tx)), configured }),
    ...(await readWebhookAlerts(context)),
    ...(await readScheduleAlerts(context)),
  ]
}

async function findRevert({ tx, at }: AlertContext): Promise<Instant | null> {
  const event = await tx
    .selectFrom('events')
    .select((eb) => eb.fn.max('at').as('at'))
    .where('type', '=', 'AUTHORITY_REVERTED')
    .where('at', '>', at - REVERT_ALERT_PERIOD)
    .executeTakeFirst()
  return event?.at ?? null
}

async function readWebhookAlerts(context: AlertContext): Promise<AlertDocument[]> {
  const rows = await context.tx
    .selectFrom('webhook_deliveries as one')
    .innerJoin('webhooks', 'webhooks.id', 'one.webhook_id')
    .select(['webhooks.id', 'webhooks.url', (eb) => eb.fn.countAll<number | string>().as('dead')])
    .where('webhooks.account_id', '=', context.account.id)
    .where('one.dead', '=', sql.lit(1))
    .groupBy(['webhooks.id', 'webhooks.url'])
    .execute()
  return rows.map(({ id, url, dead }) =>
    computeWebhookAlert({ id, host: new URL(url).host, dead: Number(dead) }),
  )
}

async function readScheduleAlerts(context: AlertContext): Promise<AlertDocument[]> {
  const rows = await context.tx
    .selectFrom('report_schedules')
    .select(['id', 'kind', 'failure'])
    .where('account_id', '=', context.account.id)
    .where('failure', 'is not', null)
    .execute()
  return rows.map(({ id, kind, failure }) => computeScheduleAlert({ id, kind, failure: failure ?? '' }))
}

async function readPoolAlerts(context: AlertContext): Promise<AlertDocument[]> {
  const licenses = await listLicenses(context.tx, context.account, context.profile, context.at)
  const satellites = new Map(
    [...context.locations.values()].map(({ virtualAccount, satellite }) => [virtualAccount, satellite]),
  )
  return licenses
    .filter(({ virtualAccount }) => !context.only || virtualAccount === context.only.name)
    .flatMap((license) => computePoolAlerts(license, satellites.get(license.virtualAccount) ?? null))
}

async function readTermAlerts(context: AlertContext): Promise<AlertDocument[]> {
  const pools = await context.tx
    .selectFrom('licenses')
    .select(['virtual_account_id as id', 'tag'])
    .distinct()
    .where('ends_at', '>=', context.at - TERM_ALERT_WINDOW_MS)
    .where('ends_at', '<=', context.at + TERM_ALERT_WINDOW_MS)
    .execute()
  const alerts: AlertDocument[] = []
  for (const { id, tag } of pools) {
    const location = findLocation(context, id)
    if (!location) continue
    const lots = await listLots(context.tx, id, tag)
    alerts.push(...computeTermAlerts({ ...location, tag, lots }, context.at))
  }
  return alerts
}

async function readMissedContactAlerts(context: AlertContext): Promise<AlertDocument[]> {
  const renewal = context.profile.periods.authorizationRenewal ?? defaultPeriods.authorizationRenewal
  const rows = await selectActiveInstances(context)
    .select('last_contact_at as lastContactAt')
    .where('last_contact_at', '<', context.at - renewal)
    // The last contact of an instance that was added again after a restore is not known.
    .where('in_review', '=', 0)
    .execute()
  return addLocations(context, rows).flatMap((row) => computeMissedContactAlerts(row, renewal, context.at))
}

async function readRenewalAlerts(context: AlertContext): Promise<AlertDocument[]> {
  const rows = await selectActiveInstances(context)
    .select('expires_at as expiresAt')
    .where('expires_at', '<=', context.at + RENEWAL_OVERDUE_WINDOW_MS)
    .execute()
  return addLocations(context, rows).flatMap((row) => computeRenewalAlerts(row, context.at))
}

/** Returns an alert for each virtual account and profile with instances that use another profile than this authority. */
async function readProfileAlerts(context: AlertContext): Promise<AlertDocument[]> {
  const { name, version } = context.profile
  const groups = await context.tx
    .selectFrom('instances')
    .select(['virtual_account_id', 'profile_name', 'profile_version', sql<number>`count(*)`.as('count')])
    .where('account_id', '=', context.account.id)
    .where('status', '=', sql.lit('active'))
    .where('profile_name', 'is not', null)
    .where((or) => or.or([or('profile_name', '<>', name), or('profile_version', '<>', version)]))
    .groupBy(['virtual_account_id', 'profile_name', 'profile_version'])
    .execute()
  return addLocations(context, groups).map(({ profile_name, profile_version, count, ...location }) => {
    const profile = { name: profile_name ?? '', version: profile_version ?? 0 }
    return computeProfileAlert({ ...location, count, profile }, context.profile)
  })
}

/** Events after which the history of an instance that this authority remembers was no proof of a copy. */
const EPOCH_EVENTS = ['AUTHORITY_RESTORED', 'AUTHORITY_REVERTED', 'SATELLITE_RESTORED']

/**
 * Returns an alert for each active instance with a clone event in the event log, and neither a later registration nor a
 * later epoch of the authority.
 */
async function readClonedInstanceAlerts(context: AlertContext): Promise<AlertDocument[]> {
  const epoch = await context.tx
    .selectFrom('events')
    .select((eb) => eb.fn.max('id').as('event'))
    .where('type', 'in', EPOCH_EVENTS)
    .executeTakeFirst()
  const found = await context.tx
    .selectFrom('events')
    .select(['instance_id as id', (eb) => eb.fn.max('id').as('event'), (eb) => eb.fn.max('at').as('at')])
    .where('type', '=', 'INSTANCE_DIVERGED')
    .where('id', '>', epoch?.event ?? 0)
    .where('account_id', '=', context.account.id)
    .where('instance_id', 'is not', null)
    .groupBy('instance_id')
    .execute()
  const alerts: AlertDocument[] = []
  for (let from = 0; from < found.length; from += BATCH_SIZE) {
    const ids = found.slice(from, from + BATCH_SIZE).flatMap(({ id }) => (id === null ? [] : [id]))
    const registered = await context.tx
      .selectFrom('events')
      .select(['instance_id as id', (eb) => eb.fn.max('id').as('event')])
      .where('type', '=', 'INSTANCE_REGISTERED')
      .where('instance_id', 'in', ids)
      .groupBy('instance_id')
      .execute()
    const rows = await selectActiveInstances(context).where('id', 'in', ids).execute()
    for (const row of addLocations(context, rows)) {
      const last = found.find(({ id }) => id === row.id)
      const since = registered.find(({ id }) => id === row.id)
      if (last && last.event > (since?.event ?? 0))
        alerts.push(computeClonedInstanceAlert({ ...row, at: last.at }))
    }
  }
  return alerts
}

async function readPendingUpdateAlerts(context: AlertContext): Promise<AlertDocument[]> {
  const rows = await context.tx
    .selectFrom('reservations')
    .select(['id', 'pid', 'serial', 'virtual_account_id', 'updated_at as updatedAt'])
    .where('account_id', '=', context.account.id)
    .where('status', '=', sql.lit('active'))
    .whereRef('sequence', '<>', 'confirmed')
    .execute()
  return addLocations(context, rows).map(computePendingUpdateAlert)
}

async function readReservedTermAlerts(context: AlertContext): Promise<AlertDocument[]> {
  const rows = await context.tx
    .selectFrom('reservations as r')
    .innerJoin('reserved_licenses as part', 'part.reservation_id', 'r.id')
    .select(['r.id', 'r.pid', 'r.serial', 'r.virtual_account_id', 'part.tag', 'part.count'])
    .select((eb) => eb.ref('part.ends_at').$notNull().as('endsAt'))
    .where('r.account_id', '=', context.account.id)
    .where('r.status', '=', sql.lit('active'))
    .whereRef('part.sequence', '=', 'r.sequence')
    .where('part.ends_at', '<=', context.at)
    .execute()
  return addLocations(context, rows).map(computeReservedTermAlert)
}

/** Returns the ended terms of reservations that satellites reported. */
async function readReportedTermAlerts(context: AlertContext): Promise<AlertDocument[]> {
  const rows = await context.tx
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
    .where('satellites.account_id', '=', context.account.id)
    .where('part.ends_at', '<=', context.at)
    .execute()
  // After the satellite was removed, its virtual account belongs to the manager again.
  return addLocations(
    context,
    rows.map(({ satellite: tellsOf, ...row }) => ({ ...row, tellsOf })),
  ).map((row) => computeReservedTermAlert({ ...row, satellite: row.tellsOf }))
}

/** Returns an alert for each reservation that ended within the return alert window. */
async function readReturnAlerts(context: AlertContext): Promise<AlertDocument[]> {
  const rows = await context.tx
    .selectFrom('reservations')
    .select(['id', 'pid', 'serial', 'virtual_account_id', 'status', 'sequence'])
    .select((eb) => eb.ref('ended_at').$notNull().as('endedAt'))
    .where('account_id', '=', context.account.id)
    .where('ended_at', '>', context.at - RETURN_ALERT_WINDOW_MS)
    .execute()
  const alerts: AlertDocument[] = []
  for (const row of addLocations(context, rows)) {
    const licenses = await context.tx
      .selectFrom('reserved_licenses')
      .select(['tag', 'count'])
      .where('reservation_id', '=', row.id)
      .where('sequence', '=', row.sequence)
      .where('count', '>', 0)
      .execute()
    alerts.push(computeReturnAlert({ ...row, lost: row.status === 'lost', licenses }))
  }
  return alerts
}

/** Returns an alert for each device of a satellite that also exists elsewhere in the smart account. */
async function readDuplicateAlerts(context: AlertContext): Promise<AlertDocument[]> {
  const below = context.tx
    .selectFrom('reported_instances as one')
    .innerJoin('satellites as s', (join) =>
      join.onRef('s.id', '=', 'one.satellite_id').on('s.status', 'in', ['active', 'waiting']),
    )
    .select(['one.id', 'one.pid', 'one.serial', 'one.virtual_account_id'])
    .where('s.account_id', '=', context.account.id)
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
    .where('t.account_id', '=', context.account.id)
    // Of two registrations only the newer one counts, so at least one of a pair is a reservation. Each pair is reported once.
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
        .on('own.account_id', '=', context.account.id),
    )
    .where('one.kind', '=', 'reserved')
    .execute()
  const own = await context.tx
    .selectFrom('reservations')
    .select(['pid', 'serial'])
    .where('account_id', '=', context.account.id)
    .where('status', '=', sql.lit('active'))
    .execute()
  const reserved: typeof registered = []
  for (let from = 0; from < own.length; from += BATCH_SIZE) {
    const digests = own.slice(from, from + BATCH_SIZE).map(({ pid, serial }) => hashUdi(pid, serial))
    reserved.push(...(await below.where('one.udi', 'in', digests).execute()))
  }
  const manager = [...registered, ...reserved].map((row) => ({ ...row, other: 'the manager' }))
  return addLocations(context, [...twice, ...manager]).map(computeDuplicateAlert)
}

/** Returns the satellites of a manager, each with the requested virtual account or its home account. */
async function readSatelliteFacts(context: AlertContext): Promise<SatelliteFacts[]> {
  let query = context.tx
    .selectFrom('satellites as s')
    .innerJoin('virtual_accounts as va', 'va.satellite_id', 's.id')
    .selectAll('s')
    .select('va.name as virtualAccount')
    .where('s.account_id', '=', context.account.id)
    .where('s.status', '<>', sql.lit('removed'))
  query = context.only ? query.where('va.id', '=', context.only.id) : query.where('va.is_home', '=', 1)
  return (await query.execute()).map((row) => ({
    side: 'manager',
    name: row.name,
    virtualAccount: row.virtualAccount,
    status: row.status === 'waiting' ? 'unregistered' : row.status === 'expired' ? 'restricted' : 'active',
    codeUntil: row.code === null ? null : row.code_expires_at,
    lastSyncAt: row.answered_at,
    warnAt: row.warn_at,
    restrictAt: row.restrict_at,
    automaticUntil: row.automatic_until,
    inDoubt: false,
  }))
}

/** Selects the active instances of the requested virtual account, or of all. */
function selectActiveInstances(context: AlertContext) {
  return context.tx
    .selectFrom('instances')
    .select(['id', 'pid', 'serial', 'virtual_account_id'])
    .where('account_id', '=', context.account.id)
    .where('status', '=', sql.lit('active'))
    .$if(context.only !== null, (query) => query.where('virtual_account_id', '=', context.only?.id ?? ''))
}

/** Returns the location of a virtual account; undefined where it was not requested or is in another smart account. */
function findLocation(context: AlertContext, virtualAccountId: string) {
  if (context.only && virtualAccountId !== context.only.id) return undefined
  return context.locations.get(virtualAccountId)
}

function addLocations<T extends { virtual_account_id: string }>(context: AlertContext, rows: readonly T[]) {
  return rows.flatMap((row) => {
    const location = findLocation(context, row.virtual_account_id)
    return location ? [{ ...row, ...location }] : []
  })
}

const parseInstant = (text: string | null): Instant | null => (text === null ? null : Date.parse(text))

/** Returns the facts about a satellite from its own synchronization status. */
const toSatelliteFacts = (sync: SyncStatus): SatelliteFacts => ({
  side: 'satellite',
  name: sync.satellite,
  virtualAccount: null,
  status: sync.status === 'current' || sync.status === 'overdue' ? 'active' : sync.status,
  codeUntil: null,
  lastSyncAt: parseInstant(sync.lastSyncAt),
  warnAt: parseInstant(sync.overdueAt),
  restrictAt: parseInstant(sync.restrictedAt),
  automaticUntil: parseInstant(sync.automaticUntil),
  inDoubt: sync.inDoubt,
})
