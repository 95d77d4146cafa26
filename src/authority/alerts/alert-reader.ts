import { sql } from 'kysely'
import { groupBy } from '../../core/group-by.ts'
import type { Instant } from '../../core/time.ts'
import { hashUdi } from '../../protocol/digest.ts'
import type { AccountContext, VirtualAccount } from '../context/account-context.ts'
import { listLicenses, listVirtualAccounts, resolveVirtualAccount } from '../inventory/accounts.ts'
import { describeOrder } from '../inventory/orders.ts'
import { countActiveReservations } from '../inventory/reservation-ledger.ts'
import { readMailSettings, readOutboxStatus } from '../outbox/mail.ts'
import { openSync } from '../satellite-sync/sync-repository.ts'
import { type SyncStatus, toSyncStatus } from '../satellite-sync/sync-status.ts'
import type { AccountReader, ListPart } from '../satellites/all-instances.ts'
import type { Tx } from '../store/store.ts'
import { ALERT_STREAMS, type AlertKey, type AlertStream, readStreamedInstances } from './alert-streams.ts'
import {
  computeRevertedAlerts,
  REVERT_ALERT_PERIOD,
  type AlertDocument,
  type AlertSeverity,
  computeAgreementAlerts,
  computeMailAlerts,
  computeOfflineAlerts,
  computeOrderAlert,
  computeScheduleAlert,
  computeWebhookAlert,
  getDue,
  SEVERITIES,
  sortBySeverity,
} from './alerts.ts'
import {
  computeClonedInstanceAlert,
  computeDuplicateAlert,
  computePendingUpdateAlert,
  computeProfileAlert,
  computeReservedTermAlert,
  computeReturnAlert,
  RETURN_ALERT_WINDOW_MS,
} from './instance-alerts.ts'
import { computePoolAlerts, computeTermAlerts, TERM_ALERT_WINDOW_MS } from './pool-alerts.ts'
import { readReviewAlerts } from './review-alerts.ts'
import { computeSatelliteAlerts, type SatelliteFacts } from './satellite-alerts.ts'

/** A smart account and the locations of its instances. */
interface AlertContext extends AccountContext {
  /** Requested virtual account. Null stands for all, including alerts of no virtual account. */
  readonly only: VirtualAccount | null
  readonly locations: ReadonlyMap<string, { virtualAccount: string; satellite: string | null }>
}

const BATCH_SIZE = 500

/** Alerts to read. Without conditions all alerts of the smart account match. */
export interface AlertFilter {
  /** Name of the virtual account. Alerts of no virtual account do not match. */
  readonly virtualAccount?: string | undefined
  /** Names of several virtual accounts. Alerts of no virtual account do not match. */
  readonly virtualAccounts?: readonly string[] | undefined
  readonly severities?: readonly AlertSeverity[] | undefined
  /** Condition for alerts other than those of single instances about contact, renewal and review. */
  readonly isWanted?: ((alert: AlertDocument) => boolean) | undefined
}

/** A page of alerts, and the number of all alerts that match, by severity. */
export interface AlertPage {
  readonly alerts: readonly AlertDocument[]
  readonly counts: Readonly<Record<AlertSeverity, number>>
}

/** The alerts that match a filter: the alerts of the streams are not yet read, because they may be many. */
export interface FoundAlerts {
  readonly short: readonly AlertDocument[]
  readonly streams: readonly { readonly stream: AlertStream; readonly count: number }[]
}

interface AlertScope {
  readonly only: VirtualAccount | null
  readonly locations: AlertContext['locations']
  readonly virtualAccountIds: readonly string[] | null
}

/** Returns a page of the alerts of a smart account, the most urgent first. @throws LicensingError NOT_FOUND */
export async function readAlertPage(
  read: AccountReader,
  filter: AlertFilter,
  { skip, limit }: ListPart,
): Promise<AlertPage> {
  const scope = await read((context) => readScope(context, filter))
  const { short, streams } = await findInScope(read, filter, scope)
  const alerts: AlertDocument[] = []
  const counts = { major: 0, minor: 0, informational: 0 }
  let start = 0
  for (const severity of SEVERITIES) {
    const listed = short.filter((alert) => alert.severity === severity)
    const streamed = streams.filter(({ stream }) => stream.severity === severity)
    const count = listed.length + streamed.reduce((sum, one) => sum + one.count, 0)
    counts[severity] = count
    const part = { from: Math.max(skip - start, 0), until: Math.min(skip + limit - start, count) }
    if (part.from < part.until)
      alerts.push(
        ...(await readPart(
          read,
          scope,
          { listed, streams: streamed.filter((one) => one.count > 0).map(({ stream }) => stream) },
          part,
        )),
      )
    start += count
  }
  return { alerts, counts }
}

/** Returns the alerts of a smart account, and the numbers of those of single instances. @throws LicensingError NOT_FOUND */
export async function findAlerts(read: AccountReader, filter: AlertFilter = {}): Promise<FoundAlerts> {
  return findInScope(read, filter, await read((context) => readScope(context, filter)))
}

async function readScope(context: AccountContext, filter: AlertFilter): Promise<AlertScope> {
  const { tx, account } = context
  const { virtualAccount, virtualAccounts: names } = filter
  const only = virtualAccount === undefined ? null : await resolveVirtualAccount(tx, account, virtualAccount)
  const virtualAccounts = await listVirtualAccounts(tx, account.id)
  const locations = new Map(
    virtualAccounts.map(({ id, name, satellite }) => [
      id,
      { virtualAccount: name, satellite: satellite?.name ?? null },
    ]),
  )
  const isChosen = ({ name }: VirtualAccount) =>
    (only === null || name === only.name) && (names === undefined || names.includes(name))
  return {
    only,
    locations,
    virtualAccountIds:
      only === null && names === undefined
        ? null
        : virtualAccounts.filter((one) => isChosen(one)).map(({ id }) => id),
  }
}

async function findInScope(
  read: AccountReader,
  filter: AlertFilter,
  scope: AlertScope,
): Promise<FoundAlerts> {
  const { virtualAccounts, severities, isWanted } = filter
  const short: AlertDocument[] = []
  for (const readShort of SHORT_LISTS)
    short.push(...(await read((context) => readShort({ ...context, ...scope }))))
  const streams: FoundAlerts['streams'][number][] = []
  for (const stream of ALERT_STREAMS)
    if ((severities?.includes(stream.severity) ?? true) && scope.virtualAccountIds?.length !== 0)
      streams.push({
        stream,
        count: await read((context) => stream.count({ ...context, ...scope })),
      })
  return {
    short: sortBySeverity(short)
      .filter(({ severity }) => severities?.includes(severity) ?? true)
      .filter(
        ({ virtualAccount }) =>
          virtualAccounts === undefined ||
          (virtualAccount !== null && virtualAccounts.includes(virtualAccount)),
      )
      .filter((alert) => isWanted?.(alert) ?? true),
    streams,
  }
}

/** Instances whose alerts one transaction reads. */
const MAX_INSTANCES = 250

/** Returns a part of the alerts of one severity, ordered by deadline. Alerts of streams come after others of the same deadline. */
async function readPart(
  read: AccountReader,
  scope: AlertScope,
  { listed, streams }: { listed: readonly AlertDocument[]; streams: readonly AlertStream[] },
  { from, until }: { readonly from: number; readonly until: number },
): Promise<AlertDocument[]> {
  const entries: (AlertDocument | StreamedKey)[] = []
  let position = 0
  const add = (entry: AlertDocument | StreamedKey) => {
    if (position >= from && position < until) entries.push(entry)
    position++
  }
  const waiting = [...listed]
  for await (const key of mergeStreams(read, scope, streams)) {
    while (waiting[0] && getDue(waiting[0]) <= key.due) {
      add(waiting[0])
      waiting.shift()
    }
    add(key)
    if (position >= until) break
  }
  for (const alert of waiting) add(alert)
  const alerts: AlertDocument[] = []
  for (let start = 0; start < entries.length; start += MAX_INSTANCES) {
    const slice = entries.slice(start, start + MAX_INSTANCES)
    const ids = slice.flatMap((entry) => ('stream' in entry ? [entry.id] : []))
    alerts.push(
      ...(await read(async (context) => {
        const instances = await readStreamedInstances(context, ids, scope.locations)
        return slice.flatMap((entry) => {
          if (!('stream' in entry)) return [entry]
          const instance = instances.get(entry.id)
          return instance ? entry.stream.compute(instance, { ...context, ...scope }) : []
        })
      })),
    )
  }
  return alerts
}

interface StreamedKey extends AlertKey {
  readonly stream: AlertStream
}

/** Keys of a stream that one transaction reads. */
const MAX_KEYS = 500

/** Yields the keys of streams, ordered by deadline. */
async function* mergeStreams(
  read: AccountReader,
  scope: AlertScope,
  streams: readonly AlertStream[],
): AsyncGenerator<StreamedKey> {
  const iterators = streams.map((stream) => readKeys(read, scope, stream))
  const heads = await Promise.all(iterators.map((keys) => keys.next()))
  for (;;) {
    let first: { index: number; key: StreamedKey } | null = null
    for (const [index, head] of heads.entries())
      if (head.done !== true && (first === null || head.value.due < first.key.due))
        first = { index, key: head.value }
    if (first === null) return
    yield first.key
    const next = await iterators[first.index]?.next()
    if (next) heads[first.index] = next
  }
}

async function* readKeys(
  read: AccountReader,
  scope: AlertScope,
  stream: AlertStream,
): AsyncGenerator<StreamedKey, undefined> {
  let after: AlertKey | null = null
  for (;;) {
    const position: AlertKey | null = after
    const keys: AlertKey[] = await read((context) =>
      stream.listKeys({ ...context, ...scope }, position, MAX_KEYS),
    )
    for (const key of keys) yield { ...key, stream }
    if (keys.length < MAX_KEYS) return undefined
    after = keys.at(-1) ?? null
  }
}

/** Lists of alerts that are short in every account. Each is read in a transaction of its own. */
const SHORT_LISTS: readonly ((context: AlertContext) => Promise<AlertDocument[]>)[] = [
  async (context) => (context.only ? [] : readAccountAlerts(context, isManager(context))),
  readPoolAlerts,
  readTermAlerts,
  readClonedInstanceAlerts,
  readProfileAlerts,
  readPendingUpdateAlerts,
  readReservedTermAlerts,
  readReportedTermAlerts,
  (context) => readReviewAlerts(context.tx, context.account, (id) => findLocation(context, id)),
  readReturnAlerts,
  async (context) => (isManager(context) ? readDuplicateAlerts(context) : []),
  readSatelliteAlerts,
]

const isManager = ({ credentials }: AlertContext): boolean => credentials.keyRing.identity.role === 'manager'

async function readSatelliteAlerts(context: AlertContext): Promise<AlertDocument[]> {
  const facts = isManager(context)
    ? await readSatelliteFacts(context)
    : [toSatelliteFacts(toSyncStatus(await openSync(context)))]
  return facts
    .filter(({ virtualAccount }) => !context.only || virtualAccount === context.only.name)
    .flatMap((one) => computeSatelliteAlerts(one, context.at))
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
  const ending = await context.tx
    .selectFrom('licenses')
    .select(['virtual_account_id as id', 'tag'])
    .distinct()
    .where('ends_at', '>=', context.at - TERM_ALERT_WINDOW_MS)
    .where('ends_at', '<=', context.at + TERM_ALERT_WINDOW_MS)
    .execute()
  const wanted = new Set(ending.map(({ id, tag }) => `${id} ${tag}`))
  const ids = [...new Set(ending.map(({ id }) => id))].filter((id) => findLocation(context, id))
  if (ids.length === 0) return []
  const lots = await context.tx
    .selectFrom('licenses')
    .select(['virtual_account_id as id', 'tag', 'quantity', 'starts_at as startsAt', 'ends_at as endsAt'])
    .where('virtual_account_id', 'in', ids)
    .execute()
  const rows = lots.filter(({ id, tag }) => wanted.has(`${id} ${tag}`))
  const pools = groupBy(rows, ({ id, tag }) => `${id} ${tag}`)
  return [...pools.values()].flatMap((lots) => {
    const [first] = lots
    const location = first && findLocation(context, first.id)
    return location ? computeTermAlerts({ ...location, tag: first.tag, lots }, context.at) : []
  })
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
    const newest = new Map(found.map((one) => [one.id, one]))
    const registrations = new Map(registered.map((one) => [one.id, one]))
    for (const row of addLocations(context, rows)) {
      const last = newest.get(row.id)
      const since = registrations.get(row.id)
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
  const parts = await context.tx
    .selectFrom('reserved_licenses as part')
    .innerJoin('reservations as r', 'r.id', 'part.reservation_id')
    .select(['r.id', 'part.tag', 'part.count'])
    .where('r.account_id', '=', context.account.id)
    .where('r.ended_at', '>', context.at - RETURN_ALERT_WINDOW_MS)
    .whereRef('part.sequence', '=', 'r.sequence')
    .where('part.count', '>', 0)
    .execute()
  const licenses = groupBy(parts, ({ id }) => id)
  return addLocations(context, rows).map((row) =>
    computeReturnAlert({ ...row, lost: row.status === 'lost', licenses: licenses.get(row.id) ?? [] }),
  )
}

/**
 * Returns an alert for each device of a satellite that also exists elsewhere in the smart account. Of two registrations only the
 * newer one counts, so at least one of a pair is a reservation. The search therefore begins with the reservations, which are few.
 */
async function readDuplicateAlerts(context: AlertContext): Promise<AlertDocument[]> {
  const { tx, account } = context
  const rows = await tx
    .selectFrom('satellites')
    .select(['id', 'name'])
    .where('account_id', '=', account.id)
    .where('status', 'in', ['active', 'waiting'])
    .execute()
  const satellites = new Map(rows.map(({ id, name }) => [id, name]))
  if (satellites.size === 0) return []
  const reported = await selectReported(tx)
    .where('satellite_id', 'in', [...satellites.keys()])
    .where('kind', '=', sql.lit('reserved'))
    .execute()
  const own = await tx
    .selectFrom('reservations')
    .select(['pid', 'serial'])
    .where('account_id', '=', account.id)
    .where('status', '=', sql.lit('active'))
    .execute()
  const found: (ReportedDevice & { readonly other: string })[] = []
  for (const batch of splitBatches(reported)) {
    const others = groupBy(await listReportedByUdi(tx, batch, satellites), ({ udi }) => udi)
    for (const one of batch)
      for (const other of others.get(one.udi) ?? [])
        if (other.satellite_id !== one.satellite_id) {
          // The alert of a pair is about the registration, if there is one. A pair of reservations is reported once.
          if (other.kind === 'registered')
            found.push({ ...other, other: satellites.get(one.satellite_id) ?? '' })
          else if (one.satellite_id < other.satellite_id)
            found.push({ ...one, other: satellites.get(other.satellite_id) ?? '' })
        }
    const registered = await listRegisteredDevices(tx, account.id, batch)
    for (const one of batch)
      if (registered.has(`${one.pid}:${one.serial}`)) found.push({ ...one, other: 'the manager' })
  }
  for (const batch of splitBatches(own)) {
    const udis = batch.map(({ pid, serial }) => ({ udi: hashUdi(pid, serial) }))
    for (const one of await listReportedByUdi(tx, udis, satellites))
      found.push({ ...one, other: 'the manager' })
  }
  return addLocations(context, found).map(computeDuplicateAlert)
}

function* splitBatches<T>(list: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < list.length; from += BATCH_SIZE) yield list.slice(from, from + BATCH_SIZE)
}

const selectReported = (tx: Tx) =>
  tx
    .selectFrom('reported_instances')
    .select(['id', 'kind', 'pid', 'serial', 'udi', 'satellite_id', 'virtual_account_id'])
    .where('status', '=', sql.lit('active'))

type ReportedDevice = Awaited<ReturnType<ReturnType<typeof selectReported>['execute']>>[number]

/** Returns the product instances of satellites that have one of the UDIs. */
async function listReportedByUdi(
  tx: Tx,
  devices: readonly { readonly udi: string }[],
  satellites: ReadonlyMap<string, string>,
): Promise<ReportedDevice[]> {
  const rows = await selectReported(tx)
    .where(
      'udi',
      'in',
      devices.map(({ udi }) => udi),
    )
    .execute()
  return rows.filter(({ satellite_id }) => satellites.has(satellite_id))
}

/** Returns the given devices that are registered in the account. */
async function listRegisteredDevices(
  tx: Tx,
  accountId: string,
  devices: readonly { readonly serial: string }[],
): Promise<Set<string>> {
  // The serial numbers alone choose the index. With further conditions SQLite reads all instances of the account.
  const rows = await tx
    .selectFrom('instances')
    .select(['pid', 'serial', 'account_id', 'status'])
    .where(
      'serial',
      'in',
      devices.map(({ serial }) => serial),
    )
    .execute()
  return new Set(
    rows
      .filter(({ account_id, status }) => account_id === accountId && status === 'active')
      .map(({ pid, serial }) => `${pid}:${serial}`),
  )
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
