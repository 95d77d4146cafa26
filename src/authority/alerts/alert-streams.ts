import { sql } from 'kysely'
import { defaultPeriods } from '../../../machines/index.ts'
import type { Instant } from '../../core/time.ts'
import type { AccountContext } from '../context/account-context.ts'
import { AUTHORIZATION_LIFETIME, BACKDATE_MS } from '../policy.ts'
import type { AlertDocument, AlertLocation, AlertSeverity } from './alerts.ts'
import {
  computeMissedContactAlerts,
  computeRenewalAlerts,
  computeReviewAlert,
  FINAL_WARNING_WINDOW_MS,
  RENEWAL_OVERDUE_WINDOW_MS,
} from './instance-alerts.ts'

/** Alerts of one kind and severity, of which a large account may have one for each product instance. */
export interface AlertStream {
  readonly severity: AlertSeverity
  count(context: StreamContext): Promise<number>
  /** Returns the next keys after a key, in the order of the deadlines. */
  listKeys(context: StreamContext, after: AlertKey | null, limit: number): Promise<AlertKey[]>
  compute(instance: StreamedInstance, context: StreamContext): AlertDocument[]
}

/** Deadline of an alert, and its instance. */
export interface AlertKey {
  readonly due: number
  readonly id: string
}

/** A smart account, and the ids of the requested virtual accounts; null for all. */
export interface StreamContext extends AccountContext {
  readonly virtualAccountIds: readonly string[] | null
}

/** A product instance with the instants that its alerts depend on. */
export interface StreamedInstance extends AlertLocation {
  readonly id: string
  readonly pid: string
  readonly serial: string
  readonly lastContactAt: Instant
  readonly expiresAt: Instant
}

/** Half-open range of instants, from the first to before the last. */
interface Range {
  readonly from: Instant
  readonly until: Instant
}

const AUTHORIZATION_END_MS = AUTHORIZATION_LIFETIME - BACKDATE_MS

/** Selects the active instances of the requested virtual accounts. An index has all the columns that a stream needs. */
function selectActive({ tx, account, virtualAccountIds }: StreamContext) {
  const query = tx
    .selectFrom('instances')
    .where('account_id', '=', account.id)
    .where('status', '=', sql.lit('active'))
  return virtualAccountIds === null ? query : query.where('virtual_account_id', 'in', virtualAccountIds)
}

const getRenewalMs = ({ profile }: AccountContext): number =>
  profile.periods.authorizationRenewal ?? defaultPeriods.authorizationRenewal

/** Creates a stream of instances by an instant, whose distance from the deadline is fixed. */
function createStream(
  severity: AlertSeverity,
  column: 'last_contact_at' | 'expires_at',
  dueAfterMs: number,
  getRange: (context: StreamContext) => Range,
  compute: AlertStream['compute'],
): AlertStream {
  const select = (context: StreamContext) => {
    const { from, until } = getRange(context)
    let query = selectActive(context).where(column, '>=', from).where(column, '<', until)
    // The last contact of an instance that was added again after a restore is not known.
    if (column === 'last_contact_at') query = query.where('in_review', '=', 0)
    return query
  }
  return {
    severity,
    count: async (context) => {
      const { count } = await select(context)
        .select((eb) => eb.fn.countAll<number | string>().as('count'))
        .executeTakeFirstOrThrow()
      return Number(count)
    },
    listKeys: async (context, after, limit) => {
      let query = select(context)
        .select(['id', `${column} as at`])
        .orderBy(column)
        .orderBy('id')
        .limit(limit)
      if (after !== null)
        query = query.where(
          sql<boolean>`(${sql.ref(column)}, ${sql.ref('id')}) > (${after.due - dueAfterMs}, ${after.id})`,
        )
      return (await query.execute()).map(({ id, at }) => ({ id, due: at + dueAfterMs }))
    },
    compute,
  }
}

const computeMissedContact: AlertStream['compute'] = (instance, context) =>
  computeMissedContactAlerts(instance, getRenewalMs(context), context.at)

const computeRenewal: AlertStream['compute'] = (instance, { at }) => computeRenewalAlerts(instance, at)

/** Instances that are in review after a restore, which have no deadline. */
const reviewStream: AlertStream = {
  severity: 'major',
  count: async (context) => {
    const { count } = await selectActive(context)
      .select((eb) => eb.fn.countAll<number | string>().as('count'))
      .where('in_review', '=', sql.lit(2))
      .executeTakeFirstOrThrow()
    return Number(count)
  },
  listKeys: async (context, after, limit) => {
    let query = selectActive(context)
      .select('id')
      .where('in_review', '=', sql.lit(2))
      .orderBy('id')
      .limit(limit)
    if (after !== null) query = query.where('id', '>', after.id)
    return (await query.execute()).map(({ id }) => ({ id, due: Infinity }))
  },
  compute: (instance) => [computeReviewAlert(instance)],
}

/** Returns the end of the range of last contacts whose authorization has ended. */
const getLastEnded = (context: StreamContext): Instant =>
  Math.min(context.at - AUTHORIZATION_END_MS + 1, context.at - getRenewalMs(context))

export const ALERT_STREAMS: readonly AlertStream[] = [
  createStream(
    'major',
    'last_contact_at',
    AUTHORIZATION_END_MS,
    (context) => ({ from: 0, until: getLastEnded(context) }),
    computeMissedContact,
  ),
  createStream(
    'minor',
    'last_contact_at',
    AUTHORIZATION_END_MS,
    (context) => ({ from: getLastEnded(context), until: context.at - getRenewalMs(context) }),
    computeMissedContact,
  ),
  createStream(
    'major',
    'expires_at',
    0,
    ({ at }) => ({ from: 0, until: at + FINAL_WARNING_WINDOW_MS + 1 }),
    computeRenewal,
  ),
  createStream(
    'minor',
    'expires_at',
    0,
    ({ at }) => ({ from: at + FINAL_WARNING_WINDOW_MS + 1, until: at + RENEWAL_OVERDUE_WINDOW_MS + 1 }),
    computeRenewal,
  ),
  reviewStream,
]

/** Returns instances with their location, by id. */
export async function readStreamedInstances(
  { tx }: AccountContext,
  ids: readonly string[],
  locations: ReadonlyMap<string, AlertLocation>,
): Promise<Map<string, StreamedInstance>> {
  if (ids.length === 0) return new Map()
  const rows = await tx
    .selectFrom('instances')
    .select(['id', 'pid', 'serial', 'virtual_account_id'])
    .select(['last_contact_at as lastContactAt', 'expires_at as expiresAt'])
    .where('id', 'in', ids)
    .execute()
  return new Map(
    rows.flatMap(({ virtual_account_id, ...row }): [string, StreamedInstance][] => {
      const location = locations.get(virtual_account_id)
      return location ? [[row.id, { ...row, ...location }]] : []
    }),
  )
}
