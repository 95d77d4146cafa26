import {
  canHandle,
  type Context,
  type Event,
  type Failure,
  type InstalledAuthorization,
  type Instant,
  type AgentSnapshot,
  toMachineSnapshot,
  transition,
  getLicenseState,
} from '../../machines/index.ts'
import { errorTable } from '../core/errors.ts'
import { formatDuration, toIsoString } from '../core/time.ts'
import type { AgentCore } from './agent-core.ts'
import { readProfileDifference } from './authority-profile.ts'
import { describeEvent } from './event-catalog.ts'
import type { Status } from './status.ts'
import type { HistoryRow } from './history-table.ts'

/** Explanation of the device's state for administrators, computed from the machine and its history. */
export interface Explanation {
  readonly state: Status['state']
  /** Descriptions of the active states, outermost first. */
  readonly meaning: readonly string[]
  /** Transition that led to the current state. Null when the history does not contain it. */
  readonly cause: {
    at: string
    event: string
    label: string
    from: string
    fact: string | null
  } | null
  /** Current problems and their remedies. */
  readonly problems: readonly (Failure & { at: string | null })[]
  readonly capabilities: { functionality: Status['functionality']; reason: string | null }
  /** Events that will happen automatically, soonest first. */
  readonly next: readonly { at: string; label: string; what: string }[]
  /** Possible events that would change the license state, computed with the machine itself. */
  readonly wouldChange: readonly { event: string; state: Status['state']; effect: string }[]
}

/** Explains the state of an agent. */
export function explain(
  { runner, store, clock, profile }: Pick<AgentCore, 'runner' | 'store' | 'clock' | 'profile'>,
  status: Status,
): Explanation {
  const { snapshot } = runner
  const now = clock.now()
  const change = store.history.findLastChangeTo(getLicenseState(snapshot.value))
  return {
    state: status.state,
    meaning: describeActiveStates(snapshot),
    cause: change && toCause(change),
    problems: collectProblems(status, readProfileDifference(store, profile)),
    capabilities: { functionality: status.functionality, reason: status.functionalityReason },
    next: listUpcomingEvents(snapshot, now),
    wouldChange: predictChanges(snapshot, now),
  }
}

/** Converts a history row to a cause, with the most severe notice: an expiry rather than its consequences. */
function toCause(row: HistoryRow): NonNullable<Explanation['cause']> {
  const before = JSON.parse(row.before) as { state: string }
  const notices = JSON.parse(row.notices) as { message: string; severity: number }[]
  const [mostSevere] = notices.toSorted((a, b) => a.severity - b.severity)
  return {
    at: toIsoString(row.at),
    event: row.event,
    label: describeEvent(row.event),
    from: before.state,
    fact: mostSevere?.message ?? null,
  }
}

function collectProblems(status: Status, profileDifference: string | null): Explanation['problems'] {
  const { registration, authorization, transport, clock } = status
  const failures = [
    authorization.status === 'not-authorized' && {
      code: 'NOT_AUTHORIZED',
      message: status.functionalityReason ?? '',
      remedy:
        errorTable[status.reservation.status === 'returning' ? 'RESERVATION_RETURNING' : 'NOT_AUTHORIZED']
          .remedy,
      at: authorization.since,
    },
    registration.failure,
    authorization.lastAttempt?.reason && {
      ...authorization.lastAttempt.reason,
      at: authorization.lastAttempt.at,
    },
    registration.lastRenewal?.reason && {
      ...registration.lastRenewal.reason,
      at: registration.lastRenewal.at,
    },
    transport.lastFailure,
    profileDifference !== null && {
      code: 'PROFILE_DIFFERS',
      message: profileDifference,
      remedy: errorTable.PROFILE_DIFFERS.remedy,
      at: null,
    },
    clock.reason !== null && {
      code: 'CLOCK_NOT_TRUSTED',
      message: `The clock is not trusted: ${clock.reason}.`,
      remedy: 'Set the clock of the device.',
      at: null,
    },
  ].filter((failure) => failure !== null && failure !== undefined && failure !== false)
  // One failure may appear in several places.
  return [...new Map(failures.map((failure) => [`${failure.code} ${failure.message}`, failure])).values()]
}

interface StateNode {
  readonly path: readonly string[]
  readonly description: string | undefined
}

/** Describes the active states of the license and registration regions, outermost first. */
function describeActiveStates(snapshot: AgentSnapshot): string[] {
  const { _nodes: nodes } = toMachineSnapshot(snapshot) as unknown as { _nodes: StateNode[] }
  const regions = ['license', 'registration']
  const getRegionIndex = ({ path }: StateNode) => regions.indexOf(path[0] ?? '')
  return nodes
    .filter((node) => node.path.length > 1 && getRegionIndex(node) !== -1)
    .sort((a, b) => getRegionIndex(a) - getRegionIndex(b) || a.path.length - b.path.length)
    .flatMap(({ path, description }) =>
      description === undefined ? [] : [`${path.slice(1).join('.')}: ${description}`],
    )
}

/** Lists the pending deadlines with their effects, soonest first. */
function listUpcomingEvents(snapshot: AgentSnapshot, now: Instant): Explanation['next'] {
  const { registration, renewal, authorization, usage, registering, evaluation, reservation } =
    snapshot.context
  const reserved = reservation.current?.stage === 'installed' ? reservation.current.grant.licenses : []
  const state = getLicenseState(snapshot.value)
  const list: [Instant | null | undefined, string][] = [
    [registering?.nextAttemptAt, 'the registration is retried'],
    [
      authorization.nextAttemptAt,
      authorization.failures > 0 ? 'the authorization is retried' : 'the authorization is renewed',
    ],
    [usage.reportAt, 'the changed usage is reported'],
    [
      renewal.nextAt,
      renewal.failures > 0 ? 'the renewal of the registration is retried' : 'the registration is renewed',
    ],
    [
      state === 'auth-expired' ? null : authorization.deadlineAt,
      'the authorization expires unless the authority is reached before then',
    ],
    [registration?.expiresAt, 'the registration expires unless it is renewed before then'],
    [
      evaluation.running ? now + evaluation.remainingSeconds * 1000 : null,
      'the evaluation period is used up, if the agent runs until then',
    ],
    ...reserved
      .filter(({ lastWarningSeconds }) => lastWarningSeconds !== 0)
      .map(({ tag, count, endsAt }): [Instant | null, string] => [
        endsAt,
        `the term of ${count} reserved licenses of ${tag} ends`,
      ]),
  ]
  return list
    .filter((entry): entry is [Instant, string] => typeof entry[0] === 'number')
    .sort(([a], [b]) => a - b)
    .map(([at, what]) => ({
      at: toIsoString(at),
      label: at <= now ? 'now' : `in ${formatDuration(at - now)}`,
      what,
    }))
}

/** Sequence of events that may happen, with a description for administrators. */
interface Hypothesis {
  readonly event: string
  readonly events: readonly Event[]
}

/**
 * Finds the possible events that would change the license state, by running them on the machine. Omits events that the
 * machine does not handle in the current state, and events without an effect.
 */
function predictChanges(snapshot: AgentSnapshot, now: Instant): Explanation['wouldChange'] {
  const currentState = getLicenseState(snapshot.value)
  return listHypotheses(snapshot.context, now).flatMap(({ event, events }) => {
    let next = snapshot
    for (const hypothetical of events) {
      if (!canHandle(next, hypothetical)) return []
      next = transition(next, hypothetical).snapshot
    }
    const state = getLicenseState(next.value)
    const meaning = describeActiveStates(next)[0]?.replace(/^[^:]*: /, '')
    return state === currentState ? [] : [{ event, state, effect: meaning ?? '' }]
  })
}

function listHypotheses(context: Context, at: Instant): Hypothesis[] {
  const { registration, authorization, evaluation, usage, reservation } = context
  const account = { smartAccount: '', virtualAccount: '' }
  const authorizeAccepted = (compliant: boolean): Event => ({
    type: 'authorize.accepted',
    at,
    counts: usage.counts,
    compliant,
    entitlements: [],
    deadlineAt: at + 1,
    nextContactAt: null,
    ...account,
  })
  const emptyFailure: Failure = { code: '', message: '', remedy: '' }
  const tickAt = (instant: Instant, used: number): Event => ({
    type: 'tick',
    at: Math.max(instant, at),
    used,
  })
  return [
    {
      event: 'registering with a token',
      events: [
        { type: 'register', at, force: false, again: false },
        {
          type: 'register.accepted',
          at,
          registration: {
            instanceId: '',
            exportControlled: false,
            registeredAt: at,
            expiresAt: at + 1,
            ...account,
          },
        },
        authorizeAccepted(true),
      ],
    },
    {
      event: 'enough licenses at the next contact, after buying more or using fewer',
      events: [authorizeAccepted(true)],
    },
    { event: 'too few licenses at the next contact', events: [authorizeAccepted(false)] },
    {
      event: 'removing or replacing the product instance at the authority',
      events: [{ type: 'authorize.refused', at, failure: emptyFailure, ended: true }],
    },
    {
      event: 'deregistering',
      events: [
        { type: 'deregister', at },
        { type: 'deregister.accepted', at },
      ],
    },
    {
      event: 'reserving licenses, for a device that makes no connections',
      events: [
        ...(reservation.current === null
          ? [{ type: 'reservation.request' as const, at, requestCode: '' }]
          : []),
        { type: 'reservation.install', at, grant: createHypotheticalGrant(at) },
      ],
    },
    {
      event: 'returning the reservation',
      events: [
        ...(reservation.current?.stage === 'installed'
          ? [{ type: 'reservation.return-code' as const, at, returnCode: '' }]
          : []),
        { type: 'reservation.return', at },
      ],
    },
    ...(authorization.deadlineAt === null
      ? []
      : [
          {
            event: 'no contact before the authorization deadline',
            events: [tickAt(authorization.deadlineAt, 0)],
          },
        ]),
    ...(registration === null
      ? []
      : [
          {
            event: 'no renewal before the registration expires',
            events: [tickAt(registration.expiresAt, 0)],
          },
        ]),
    ...(evaluation.running
      ? [{ event: 'using up the evaluation period', events: [tickAt(at, evaluation.remainingSeconds)] }]
      : []),
  ]
}

/** Creates an authorization without licenses, to find the state after its installation. */
const createHypotheticalGrant = (at: Instant): InstalledAuthorization => ({
  reservationId: '',
  authorityId: '',
  authorityKey: '',
  smartAccount: '',
  virtualAccount: '',
  epoch: 1,
  sequence: 1,
  issuedAt: at,
  installedAt: at,
  reservedAt: at,
  licenses: [],
  confirmationCode: null,
  knownAt: at,
})
