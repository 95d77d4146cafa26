import { getAdjacencyMap } from 'xstate/graph'
import type { toMachineSnapshot } from '../../machines/index.ts'
import {
  toRegionPath,
  type Context,
  defaultPeriods,
  type Event,
  type Failure,
  type InstalledAuthorization,
  nextDeadline,
  type AgentSnapshot,
  type RefusalConsequence,
  agentMachine,
} from '../../machines/index.ts'

// Explores every state that the agent machine can reach, and every event that can occur there.

export type Snapshot = ReturnType<typeof toMachineSnapshot>

const HOUR = 3_600_000
export const DAY = 24 * HOUR
export const START = Date.parse('2027-01-01T00:00:00Z')
export const periods = { ...defaultPeriods, evaluationSeconds: 40 * 86_400 }
const failure: Failure = { code: 'SOME_CODE', message: 'it failed', remedy: 'fix it' }

export const toAgentSnapshot = (snapshot: Snapshot): AgentSnapshot => ({
  value: snapshot.value,
  context: snapshot.context,
})

/** Returns the latest past instant in the context, from which time continues. */
export function getLatestInstant(context: Context): number {
  const { registration, authorization, renewal, registrationFailure, lastFailure, usage, reservation } =
    context
  const licenses = reservation.current?.grant?.licenses ?? []
  return Math.max(
    START,
    registration?.registeredAt ?? 0,
    authorization.since,
    authorization.last?.at ?? 0,
    renewal.last?.at ?? 0,
    registrationFailure?.at ?? 0,
    lastFailure?.at ?? 0,
    (usage.reportAt ?? 0) - periods.usageReportDelay,
    ...licenses.map(({ endsAt, lastWarningSeconds }) =>
      endsAt === null || lastWarningSeconds === null ? 0 : endsAt - lastWarningSeconds * 1000,
    ),
  )
}

/** Creates an authorization. If `enough` is true, it covers the usage until one of its terms ends. */
const createGrant = (at: number, enough: boolean): InstalledAuthorization => ({
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
    { tag: 'HOST', name: 'Host License', count: 1, endsAt: null, lastWarningSeconds: null },
    ...(enough
      ? [{ tag: 'HOST', name: 'Host License', count: 1, endsAt: at + 100 * DAY, lastWarningSeconds: null }]
      : []),
  ],
  confirmationCode: null,
  knownAt: at,
})

/** Returns all events that can occur in a state: each type, and a tick at each deadline. */
export function listEvents(snapshot: Snapshot): Event[] {
  const { context } = snapshot
  const at = getLatestInstant(context) + 1000
  const { registration, registering, authorization, usage, renewal, evaluation } = context
  const deadlines = [
    registration?.expiresAt,
    registering?.nextAttemptAt,
    authorization.nextAttemptAt,
    authorization.deadlineAt,
    usage.reportAt,
    renewal.nextAt,
    nextDeadline(toAgentSnapshot(snapshot)),
  ].filter((due): due is number => typeof due === 'number')
  const refused = (consequence: RefusalConsequence) => ({ at, failure, consequence })
  const unreachable = { at, failure, jitter: 0.5, retryAfter: null }
  const pending = listPendingRequests(toAgentSnapshot(snapshot))
  const outcomes: Event[] = []
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
      { type: 'register.refused', ...refused('none') },
      { type: 'register.unreachable', ...unreachable },
    )
  }
  if (pending.has('authorize')) {
    const accepted = (compliant: boolean): Event => ({
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
      { type: 'authorize.refused', ...refused('none') },
      { type: 'authorize.refused', ...refused('end') },
      { type: 'authorize.refused', ...refused('repeat') },
      { type: 'authorize.refused', ...refused('divergence') },
      { type: 'authorize.unreachable', ...unreachable },
    )
  }
  if (pending.has('renew')) {
    outcomes.push(
      { type: 'renew.accepted', at, expiresAt: at + 365 * DAY },
      { type: 'renew.refused', ...refused('none') },
      { type: 'renew.refused', ...refused('end') },
      { type: 'renew.refused', ...refused('divergence') },
      { type: 'renew.unreachable', ...unreachable },
    )
  }
  if (pending.has('acknowledge')) {
    outcomes.push(
      { type: 'acknowledge.accepted', at },
      { type: 'acknowledge.refused', ...refused('none') },
      { type: 'acknowledge.refused', ...refused('end') },
      { type: 'acknowledge.refused', ...refused('divergence') },
      { type: 'acknowledge.unreachable', ...unreachable },
    )
  }
  if (pending.has('deregister')) {
    outcomes.push(
      { type: 'deregister.accepted', at },
      { type: 'deregister.refused', ...refused('none') },
      { type: 'deregister.unreachable', ...unreachable },
    )
  }
  // The authority also answers a request that was in progress when another event changed the state.
  const registrationPath = toRegionPath(toAgentSnapshot(snapshot).value.registration)
  if (registrationPath === 'deregistering' || registrationPath.startsWith('registered')) {
    outcomes.push(
      { type: 'acknowledge.refused', ...refused('end') },
      { type: 'acknowledge.refused', ...refused('divergence') },
      { type: 'renew.accepted', at, expiresAt: at + 365 * DAY },
      { type: 'renew.refused', ...refused('none') },
      { type: 'renew.refused', ...refused('end') },
      { type: 'renew.refused', ...refused('divergence') },
      { type: 'renew.unreachable', ...unreachable },
    )
  }
  return [
    ...outcomes,
    { type: 'registration.start', at, force: false, again: false },
    { type: 'registration.start', at, force: true, again: false },
    { type: 'registration.end', at },
    { type: 'transport.changed', at, transport: 'direct' },
    { type: 'registration.renew', at },
    { type: 'authorization.renew', at },
    { type: 'product.upgrade', at, version: '5.0', evaluate: true },
    { type: 'product.upgrade', at, version: '5.0', evaluate: false },
    { type: 'reservation.request', at, requestCode: 'code' },
    { type: 'reservation.cancel', at },
    { type: 'reservation.install', at, grant: createGrant(at, true) },
    { type: 'reservation.install', at, grant: createGrant(at, false) },
    { type: 'reservation.update', at, grant: createGrant(at, true) },
    { type: 'reservation.update', at, grant: createGrant(at, false) },
    { type: 'reservation.return-code', at, returnCode: 'code' },
    { type: 'reservation.return', at },
    {
      type: 'reservation.discard',
      at,
      returned: { request: 1, reservationId: 'r', returnCode: 'code', at },
    },
    ...(usage.counts.HOST === 2 ? [] : [{ type: 'usage.changed', at, tag: 'HOST', count: 2 } as const]),
    { type: 'clock.tick', at, used: 0 },
    ...(evaluation.remainingSeconds > 0
      ? [{ type: 'clock.tick', at, used: evaluation.remainingSeconds } as const]
      : []),
    ...(typeof authorization.nextAttemptAt === 'number' && evaluation.remainingSeconds > 0
      ? [
          {
            type: 'clock.tick',
            at: Math.max(authorization.nextAttemptAt, at),
            used: evaluation.remainingSeconds,
          } as const,
        ]
      : []),
    ...deadlines.map((due): Event => ({ type: 'clock.tick', at: Math.max(due, at), used: 0 })),
  ]
}

/** Returns the kinds of the requests whose outcome the machine waits for. */
export function listPendingRequests({ value }: AgentSnapshot): Set<string> {
  const registration = toRegionPath(value.registration)
  const license = toRegionPath(value.license)
  const pending = new Set<string>()
  if (registration === 'registering.requesting' || registration === 'registered.reregistering.requesting')
    pending.add('register')
  if (license.endsWith('.requesting')) pending.add('authorize')
  if (registration === 'registered.renewing') pending.add('renew')
  if (registration === 'registered.acknowledging') pending.add('acknowledge')
  if (registration === 'deregistering') pending.add('deregister')
  return pending
}

/** Returns a key of a snapshot: its state value, and the context that the guards read. */
function serializeState(snapshot: Snapshot): string {
  const { context } = snapshot
  const { current } = context.reservation
  const next = getLatestInstant(context) + 1000
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
    snapshot.value.reservation === 'installed' &&
      current?.grant?.licenses.map(({ endsAt, lastWarningSeconds }) => [endsAt !== null, lastWarningSeconds]),
    context.usage.counts.HOST === 2,
    toRegionPath(toAgentSnapshot(snapshot).value.license) === 'registered.refused' &&
      context.authorization.nextAttemptAt !== null,
  ])
}

export const explorationOptions = {
  events: listEvents as never,
  serializeState: serializeState as never,
  serializeEvent: (event: unknown) => JSON.stringify(event),
  input: { at: START, periods } as never,
  limit: 200_000,
}

export const adjacency = Object.values(getAdjacencyMap(agentMachine as never, explorationOptions)) as {
  state: Snapshot
  transitions: Record<string, { event: Event; state: Snapshot }>
}[]
