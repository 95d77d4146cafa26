import { getAdjacencyMap } from 'xstate/graph'
import type { resolve } from '../../machines/index.ts'
import {
  axisPath,
  type Context,
  defaultPeriods,
  type Event,
  type Failure,
  type Grant,
  nextDueAt,
  type Position,
  smartAgent,
} from '../../machines/index.ts'

/** Every place that the chart of a box can be at, and every event that can come there. */

export type Snapshot = ReturnType<typeof resolve>
export type ChartEvent = Event

const HOUR = 3_600_000
export const DAY = 24 * HOUR
export const START = Date.parse('2027-01-01T00:00:00Z')
export const periods = { ...defaultPeriods, evaluationSeconds: 40 * 86_400 }
const failure: Failure = { code: 'SOME_CODE', message: 'it failed', remedy: 'mend it' }

export const positionOf = (snapshot: Snapshot): Position => ({
  value: snapshot.value,
  context: snapshot.context,
})

/** The latest instant the facts mention as past: time goes on from there. */
export function nowOf(context: Context): number {
  const { registration, authorization, renewal, registrationFailure, lastFailure, usage, reservation } =
    context
  const { current } = reservation
  const told = current?.stage === 'installed' ? current.grant.licenses : []
  return Math.max(
    START,
    registration?.registeredAt ?? 0,
    authorization.since,
    authorization.last?.at ?? 0,
    renewal.last?.at ?? 0,
    registrationFailure?.at ?? 0,
    lastFailure?.at ?? 0,
    (usage.reportAt ?? 0) - periods.usageReport,
    ...told.map(({ endsAt, told }) => (endsAt === null || told === null ? 0 : endsAt - told * 1000)),
  )
}

/** An authorization that covers what the histories here use, until a term ends, or does not cover it. */
const grantOf = (at: number, enough: boolean): Grant => ({
  reservationId: 'r',
  authorityId: 'a',
  authorityKey: 'k',
  smartAccount: 'acme.example',
  virtualAccount: 'Default',
  epoch: 1,
  sequence: 1,
  issuedAt: at,
  installedAt: at,
  reservedAt: at,
  licenses: [
    { tag: 'HOST', name: 'Host License', count: 1, endsAt: null, told: null },
    ...(enough ? [{ tag: 'HOST', name: 'Host License', count: 1, endsAt: at + 100 * DAY, told: null }] : []),
  ],
  confirmationCode: null,
  knownAt: at,
})

/** Everything that can come at a place: each kind of event, and the time at which anything is due. */
export function eventsAt(snapshot: Snapshot): ChartEvent[] {
  const { context } = snapshot
  const at = nowOf(context) + 1000
  const { registration, registering, authorization, usage, renewal, evaluation } = context
  const dues = [
    registration?.expiresAt,
    registering?.nextAttemptAt,
    authorization.nextAttemptAt,
    authorization.deadlineAt,
    usage.reportAt,
    renewal.nextAt,
    nextDueAt(positionOf(snapshot)),
  ].filter((due): due is number => typeof due === 'number')
  const refused = (ended: boolean) => ({ at, failure, ended })
  const unreachable = { at, failure, jitter: 0.5, retryAfter: null }
  const pending = pendingOf(positionOf(snapshot))
  const outcomes: ChartEvent[] = []
  if (pending.has('register')) {
    outcomes.push(
      {
        type: 'register.accepted',
        at,
        registration: {
          instanceId: 'i',
          smartAccount: 'acme.example',
          virtualAccount: 'Default',
          exportControlled: true,
          registeredAt: at,
          expiresAt: at + 365 * DAY,
        },
      },
      { type: 'register.refused', ...refused(false) },
      { type: 'register.unreachable', ...unreachable },
    )
  }
  if (pending.has('authorize')) {
    const accepted = (compliant: boolean): ChartEvent => ({
      type: 'authorize.accepted',
      at,
      counts: usage.counts,
      compliant,
      entitlements: [],
      deadlineAt: at + 90 * DAY,
      nextContactAt: null,
      smartAccount: 'acme.example',
      virtualAccount: 'Default',
    })
    outcomes.push(
      accepted(true),
      accepted(false),
      { type: 'authorize.refused', ...refused(false) },
      { type: 'authorize.refused', ...refused(true) },
      { type: 'authorize.refused', ...refused(false), again: true },
      { type: 'authorize.unreachable', ...unreachable },
    )
  }
  if (pending.has('renew')) {
    outcomes.push(
      { type: 'renew.accepted', at, expiresAt: at + 365 * DAY },
      { type: 'renew.refused', ...refused(false) },
      { type: 'renew.refused', ...refused(true) },
      { type: 'renew.unreachable', ...unreachable },
    )
  }
  if (pending.has('acknowledge')) {
    outcomes.push(
      { type: 'acknowledge.accepted', at },
      { type: 'acknowledge.refused', ...refused(false) },
      { type: 'acknowledge.refused', ...refused(true) },
      { type: 'acknowledge.unreachable', ...unreachable },
    )
  }
  if (pending.has('deregister')) {
    outcomes.push(
      { type: 'deregister.accepted', at },
      { type: 'deregister.refused', ...refused(false) },
      { type: 'deregister.unreachable', ...unreachable },
    )
  }
  // A request that was on its way when something else was decided is still answered.
  const registrationPath = axisPath(positionOf(snapshot).value.registration)
  if (registrationPath === 'deregistering' || registrationPath.startsWith('registered')) {
    outcomes.push(
      { type: 'acknowledge.refused', ...refused(true) },
      { type: 'renew.accepted', at, expiresAt: at + 365 * DAY },
      { type: 'renew.refused', ...refused(false) },
      { type: 'renew.refused', ...refused(true) },
      { type: 'renew.unreachable', ...unreachable },
    )
  }
  return [
    ...outcomes,
    { type: 'REGISTER', at, force: false, again: false },
    { type: 'REGISTER', at, force: true, again: false },
    { type: 'DEREGISTER', at },
    { type: 'TRANSPORT_CHANGED', at, road: 'direct' },
    { type: 'RENEW_REGISTRATION', at },
    { type: 'RENEW_AUTHORIZATION', at },
    { type: 'UPGRADE', at, version: '5.0', evaluate: true },
    { type: 'UPGRADE', at, version: '5.0', evaluate: false },
    { type: 'RESERVATION_REQUEST', at, requestCode: 'code' },
    { type: 'RESERVATION_CANCEL', at },
    { type: 'RESERVATION_INSTALL', at, grant: grantOf(at, true) },
    { type: 'RESERVATION_INSTALL', at, grant: grantOf(at, false) },
    { type: 'RESERVATION_UPDATE', at, grant: grantOf(at, true) },
    { type: 'RESERVATION_UPDATE', at, grant: grantOf(at, false) },
    { type: 'RESERVATION_RETURN_CODE', at, returnCode: 'code' },
    { type: 'RESERVATION_RETURN', at },
    {
      type: 'RESERVATION_DISCARD',
      at,
      returned: { request: 1, reservationId: 'r', returnCode: 'code', at },
    },
    ...(usage.counts.HOST === 2 ? [] : [{ type: 'USAGE', at, tag: 'HOST', count: 2 } as const]),
    { type: 'TICK', at, used: 0 },
    ...(evaluation.remainingSeconds > 0
      ? [{ type: 'TICK', at, used: evaluation.remainingSeconds } as const]
      : []),
    ...(typeof authorization.nextAttemptAt === 'number' && evaluation.remainingSeconds > 0
      ? [
          {
            type: 'TICK',
            at: Math.max(authorization.nextAttemptAt, at),
            used: evaluation.remainingSeconds,
          } as const,
        ]
      : []),
    ...dues.map((due): ChartEvent => ({ type: 'TICK', at: Math.max(due, at), used: 0 })),
  ]
}

/** The requests whose outcome the chart waits for: what the runtime would have under way. */
export function pendingOf({ value }: Position): Set<string> {
  const registration = axisPath(value.registration)
  const license = axisPath(value.license)
  const pending = new Set<string>()
  if (registration === 'registering.asking' || registration === 'registered.reregistering.asking')
    pending.add('register')
  if (license.endsWith('.asking')) pending.add('authorize')
  if (registration === 'registered.renewing') pending.add('renew')
  if (registration === 'registered.acknowledging') pending.add('acknowledge')
  if (registration === 'deregistering') pending.add('deregister')
  return pending
}

/** What tells two places apart: where the chart stands, and the facts its guards look at. */
function serializeState(snapshot: Snapshot): string {
  const { context } = snapshot
  const { current } = context.reservation
  const next = nowOf(context) + 1000
  const isDue = (instant: number | null | undefined) => typeof instant === 'number' && next >= instant
  return JSON.stringify([
    snapshot.value,
    context.evaluation.remainingSeconds > 0,
    context.evaluation.running,
    context.registration !== null,
    context.usage.reportAt !== null,
    context.authorization.deadlineAt !== null,
    isDue(context.registration?.expiresAt),
    isDue(context.authorization.deadlineAt),
    current?.stage,
    current?.stage === 'installed' &&
      current.grant.licenses.map(({ endsAt, told }) => [endsAt !== null, told]),
    context.usage.counts.HOST === 2,
    axisPath(positionOf(snapshot).value.license) === 'registered.refused' &&
      context.authorization.nextAttemptAt !== null,
  ])
}

export const options = {
  events: eventsAt as never,
  serializeState: serializeState as never,
  serializeEvent: (event: unknown) => JSON.stringify(event),
  input: { at: START, periods } as never,
  limit: 200_000,
}

export const adjacency = Object.values(getAdjacencyMap(smartAgent as never, options)) as {
  state: Snapshot
  transitions: Record<string, { event: ChartEvent; state: Snapshot }>
}[]
