import {
  agentMachine,
  canHandle,
  DEADLINES,
  getActiveMeta,
  getGrant,
  listAwaited,
  type Notice,
  toMachineSnapshot,
  type Event,
  type Failure,
  type InstalledAuthorization,
  type Instant,
  type AgentSnapshot,
  transition,
  getLicenseState,
} from '../../machines/index.ts'
import { errorTable } from '../core/errors.ts'
import { formatDuration, toIsoString } from '../core/time.ts'
import type { AgentCore } from './agent-core.ts'
import { readProfileDifference } from './authority-profile.ts'
import { describeEvent, eventCatalog } from './event-catalog.ts'
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
  readonly wouldChange: readonly PossibleChange[]
}

/** Possible event that would change the license state. */
export interface PossibleChange {
  /** Event in words. */
  readonly event: string
  /** Cause of the transition in a few words, as the chart shows it. */
  readonly label: string
  /** Name of the machine's condition, such as `isCompliant`. Null for a transition without one. */
  readonly guard: string | null
  /** Code of the most severe notice that would follow. Null without a notice. */
  readonly code: string | null
  readonly state: Status['state']
  /** Instant of the event. Null for an event that may happen at any time. */
  readonly at: string | null
  readonly effect: string
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
    status.state === 'reserved' &&
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

/** Describes the active states of the license and registration regions, outermost first. */
function describeActiveStates(snapshot: AgentSnapshot): string[] {
  const paths = Object.keys(getActiveMeta(snapshot)).map((id) => id.split('.').slice(1))
  return (['license', 'registration'] as const).flatMap((region) =>
    paths
      .filter((path) => path[0] === region && path.length > 1)
      .sort((a, b) => a.length - b.length)
      .map((path) => `${path.slice(1).join('.')}: ${describeState(path)}`),
  )
}

/** Returns the description of a state, by its path. */
const describeState = (path: readonly string[]): string =>
  agentMachine.getStateNodeById([agentMachine.id, ...path].join('.')).description ?? ''

/** Lists the deadlines that the active states wait for, soonest first. */
function listUpcomingEvents(snapshot: AgentSnapshot, now: Instant): Explanation['next'] {
  const { context } = snapshot
  const list = listAwaited(snapshot).flatMap((name): [Instant | null, string][] => {
    if (name === 'evaluationEnd')
      return context.evaluation.running
        ? [
            [
              now + context.evaluation.remainingSeconds * 1000,
              'the evaluation period is used up, if the agent runs until then',
            ],
          ]
        : []
    if (name === 'reservationTerm') return listTerms(snapshot)
    const { read, describe } = DEADLINES[name]
    return [[read(context), describe(context)]]
  })
  return list
    .filter((entry): entry is [Instant, string] => entry[0] !== null)
    .sort(([a], [b]) => a - b)
    .map(([at, what]) => ({
      at: toIsoString(at),
      label: at <= now ? 'now' : `in ${formatDuration(at - now)}`,
      what,
    }))
}

const listTerms = (snapshot: AgentSnapshot): [Instant | null, string][] =>
  (getGrant(snapshot)?.licenses ?? [])
    .filter(({ lastWarningSeconds }) => lastWarningSeconds !== 0)
    .map(({ tag, count, endsAt }) => [endsAt, `the term of ${count} reserved licenses of ${tag} ends`])

/** Sequence of events that may happen, with a description for administrators. */
interface Hypothesis {
  readonly event: string
  /** Instant of the events. Absent for events that may happen at any time. */
  readonly at?: Instant
  readonly events: readonly Event[]
}

/**
 * Finds the possible events that would change the license state, by running them on the machine. Omits events that the
 * machine does not handle in the current state, and events without an effect.
 */
function predictChanges(snapshot: AgentSnapshot, now: Instant): Explanation['wouldChange'] {
  const currentState = getLicenseState(snapshot.value)
  return listHypotheses(snapshot, now).flatMap(({ event, at = null, events }): PossibleChange[] => {
    let next = snapshot
    let notices: Notice[] = []
    let cause = { label: '', guard: null as string | null }
    for (const hypothetical of events) {
      if (!canHandle(next, hypothetical)) return []
      const before = next
      const { snapshot: after, commands } = transition(before, hypothetical)
      next = after
      if (getLicenseState(before.value) === getLicenseState(after.value)) continue
      cause = findCause(before, hypothetical)
      notices = commands.flatMap((command) => (command.type === 'notice' ? [command.params.notice] : []))
    }
    const state = getLicenseState(next.value)
    if (state === currentState) return []
    const effect = describeActiveStates(next)[0]?.replace(/^[^:]*: /, '') ?? ''
    return [{ event, ...cause, code: findMostSevere(notices), state, at: toIsoString(at), effect }]
  })
}

/** Returns label and guard of the transition that changes the license state on an event. */
function findCause(snapshot: AgentSnapshot, event: Event): { label: string; guard: string | null } {
  const taken = agentMachine.getTransitionData(toMachineSnapshot(snapshot), event)
  const labeled =
    taken.find(({ source, meta }) => source.path[0] === 'license' && meta !== undefined) ?? taken[0]
  const guard = labeled?.guard
  return {
    label: labeled?.meta?.label ?? 'registration ends',
    guard: typeof guard === 'string' ? guard : null,
  }
}

/** Returns the most severe notice. Of several, the last one is the consequence of the others. */
const findMostSevere = (notices: readonly Notice[]): Notice | null =>
  notices.toReversed().toSorted((a, b) => eventCatalog[a].severity - eventCatalog[b].severity)[0] ?? null

function listHypotheses({ context, value }: AgentSnapshot, at: Instant): Hypothesis[] {
  const { registration, authorization, evaluation, usage } = context
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
    type: 'clock.tick',
    at: Math.max(instant, at),
    used,
  })
  return [
    {
      event: 'registering with a token',
      events: [
        { type: 'registration.start', at, force: false, again: false },
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
      events: [{ type: 'authorize.refused', at, failure: emptyFailure, consequence: 'end' }],
    },
    {
      event: 'deregistering',
      events: [
        { type: 'registration.end', at },
        { type: 'deregister.accepted', at },
      ],
    },
    {
      event: 'reserving licenses, for a device that makes no connections',
      events: [
        ...(value.reservation === 'none'
          ? [{ type: 'reservation.request' as const, at, requestCode: '' }]
          : []),
        { type: 'reservation.install', at, grant: createHypotheticalGrant(at) },
      ],
    },
    {
      event: 'returning the reservation',
      events: [
        ...(value.reservation === 'installed'
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
            at: authorization.deadlineAt,
            events: [tickAt(authorization.deadlineAt, 0)],
          },
        ]),
    ...(registration === null
      ? []
      : [
          {
            event: 'no renewal before the registration expires',
            at: registration.expiresAt,
            events: [tickAt(registration.expiresAt, 0)],
          },
        ]),
    ...(evaluation.running
      ? [
          {
            event: 'using up the evaluation period',
            at: at + evaluation.remainingSeconds * 1000,
            events: [tickAt(at, evaluation.remainingSeconds)],
          },
        ]
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
