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
import { describeEvent } from './event-catalog.ts'
import type { Status } from './status.ts'
import type { HistoryRow } from './history-table.ts'

/** Why a box is in its state: computed from the chart and its history, in words a person reads. */
export interface Explanation {
  readonly state: Status['state']
  /** What the chart says of the states that are active, outermost first. */
  readonly meaning: readonly string[]
  /** The transition that led here; null when the history does not reach back so far. */
  readonly cause: {
    at: string
    event: string
    label: string
    from: string
    fact: string | null
  } | null
  /** What is not as it should be, and what to do about it. */
  readonly problems: readonly (Failure & { at: string | null })[]
  readonly capabilities: { functionality: Status['functionality']; reason: string | null }
  /** What will happen by itself, soonest first. */
  readonly next: readonly { at: string; label: string; what: string }[]
  /** What would change the state word, and to which: tried on the chart itself. */
  readonly wouldChange: readonly { event: string; state: Status['state']; effect: string }[]
}

export function explain(
  snapshot: AgentSnapshot,
  facts: { now: Instant; status: Status; change: HistoryRow | null },
): Explanation {
  const { status, now } = facts
  return {
    state: status.state,
    meaning: describeActiveStates(snapshot),
    cause: facts.change && lastCause(facts.change),
    problems: collectProblems(status),
    capabilities: { functionality: status.functionality, reason: status.functionalityReason },
    next: upcomingEvents(snapshot, now),
    wouldChange: predictChanges(snapshot, now),
  }
}

/** The gravest of what was said when the state was entered: an expiry rather than what follows from it. */
function lastCause(row: HistoryRow): NonNullable<Explanation['cause']> {
  const before = JSON.parse(row.before) as { state: string }
  const notices = JSON.parse(row.notices) as { message: string; severity: number }[]
  const [gravest] = notices.toSorted((a, b) => a.severity - b.severity)
  return {
    at: toIsoString(row.at),
    event: row.event,
    label: describeEvent(row.event),
    from: before.state,
    fact: gravest?.message ?? null,
  }
}

function collectProblems(status: Status): Explanation['problems'] {
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
    clock.reason !== null && {
      code: 'CLOCK_NOT_TRUSTED',
      message: `The clock is not trusted: ${clock.reason}.`,
      remedy: 'Set the clock of the box.',
      at: null,
    },
  ].filter((one) => one !== null && one !== undefined && one !== false)
  // One failure may be the reason of several things.
  return [...new Map(failures.map((one) => [`${one.code} ${one.message}`, one])).values()]
}

interface StateNode {
  readonly path: readonly string[]
  readonly description: string | undefined
}

/** The active states of the license and registration axes, outermost first. */
function describeActiveStates(snapshot: AgentSnapshot): string[] {
  const { _nodes: nodes } = toMachineSnapshot(snapshot) as unknown as { _nodes: StateNode[] }
  const regions = ['license', 'registration']
  const axisOf = ({ path }: StateNode) => regions.indexOf(path[0] ?? '')
  return nodes
    .filter((node) => node.path.length > 1 && axisOf(node) !== -1)
    .sort((a, b) => axisOf(a) - axisOf(b) || a.path.length - b.path.length)
    .flatMap(({ path, description }) =>
      description === undefined ? [] : [`${path.slice(1).join('.')}: ${description}`],
    )
}

/** The deadlines that are set, with what each of them does. */
function upcomingEvents(snapshot: AgentSnapshot, now: Instant): Explanation['next'] {
  const { registration, renewal, authorization, usage, registering, evaluation, reservation } =
    snapshot.context
  const reserved = reservation.current?.stage === 'installed' ? reservation.current.grant.licenses : []
  const state = getLicenseState(snapshot.value)
  const list: [Instant | null | undefined, string][] = [
    [registering?.nextAttemptAt, 'the registration is tried again'],
    [
      authorization.nextAttemptAt,
      authorization.failures > 0 ? 'the authorization is tried again' : 'the authorization is renewed',
    ],
    [usage.reportAt, 'the changed usage is reported'],
    [
      renewal.nextAt,
      renewal.failures > 0 ? 'the renewal of the registration is tried again' : 'the registration is renewed',
    ],
    [
      state === 'auth-expired' ? null : authorization.deadlineAt,
      'the authorization expires, unless the authority is reached before',
    ],
    [registration?.expiresAt, 'the registration expires, unless it is renewed before'],
    [
      evaluation.running ? now + evaluation.remainingSeconds * 1000 : null,
      'the evaluation period is used up, if the agent runs until then',
    ],
    ...reserved
      .filter(({ lastWarningSeconds }) => lastWarningSeconds !== 0)
      .map(({ tag, count, endsAt }): [Instant | null, string] => [
        endsAt,
        `the term of ${count} of ${tag} ends, which are reserved until then`,
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

/** A history that may follow, as a person would name its cause. */
interface Hypothesis {
  readonly event: string
  readonly events: readonly Event[]
}

/**
 * Which of the things that may happen would change the state word: each is tried on the chart, from here.
 * What the chart would not take here, or what would change nothing, is not mentioned.
 */
function predictChanges(snapshot: AgentSnapshot, now: Instant): Explanation['wouldChange'] {
  const here = getLicenseState(snapshot.value)
  return hypotheticalEvents(snapshot.context, now).flatMap(({ event, events }) => {
    let place = snapshot
    for (const one of events) {
      if (!canHandle(place, one)) return []
      place = transition(place, one).snapshot
    }
    const state = getLicenseState(place.value)
    const meaning = describeActiveStates(place)[0]?.replace(/^[^:]*: /, '')
    return state === here ? [] : [{ event, state, effect: meaning ?? '' }]
  })
}

function hypotheticalEvents(context: Context, at: Instant): Hypothesis[] {
  const { registration, authorization, evaluation, usage, reservation } = context
  const place = { smartAccount: '', virtualAccount: '' }
  const found = (compliant: boolean): Event => ({
    type: 'authorize.accepted',
    at,
    counts: usage.counts,
    compliant,
    entitlements: [],
    deadlineAt: at + 1,
    nextContactAt: null,
    ...place,
  })
  const noFailure: Failure = { code: '', message: '', remedy: '' }
  const later = (instant: Instant, used: number): Event => ({ type: 'tick', at: Math.max(instant, at), used })
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
            ...place,
          },
        },
        found(true),
      ],
    },
    {
      event: 'enough licenses, found at the next contact: more are bought, or less is in use',
      events: [found(true)],
    },
    { event: 'too few licenses, found at the next contact', events: [found(false)] },
    {
      event: 'removing or replacing the product instance at the authority',
      events: [{ type: 'authorize.refused', at, failure: noFailure, ended: true }],
    },
    {
      event: 'deregistering',
      events: [
        { type: 'deregister', at },
        { type: 'deregister.accepted', at },
      ],
    },
    {
      event: 'reserving licenses, for a box that never makes a connection',
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
      : [{ event: 'no contact until the deadline', events: [later(authorization.deadlineAt, 0)] }]),
    ...(registration === null
      ? []
      : [{ event: 'no renewal until the registration ends', events: [later(registration.expiresAt, 0)] }]),
    ...(evaluation.running
      ? [{ event: 'using up the evaluation', events: [later(at, evaluation.remainingSeconds)] }]
      : []),
  ]
}

/** A grant of which only the place it leads to matters. */
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
