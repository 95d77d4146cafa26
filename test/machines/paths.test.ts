import { getAdjacencyMap, getShortestPaths } from 'xstate/graph'
import { describe, expect, it } from 'vitest'
import {
  axisPath,
  begin,
  can,
  type Context,
  defaultPeriods,
  type Event,
  type Failure,
  fullyFunctional,
  type Grant,
  nextDueAt,
  type Position,
  resolve,
  smartAgent,
  stateWord,
  step,
} from '../../machines/index.ts'
import { readFacts, writeFacts } from '../../src/agent/facts.ts'

type Snapshot = ReturnType<typeof resolve>
type ChartEvent = Event

const HOUR = 3_600_000
const DAY = 24 * HOUR
const START = Date.parse('2027-01-01T00:00:00Z')
const periods = { ...defaultPeriods, evaluationSeconds: 40 * 86_400 }
const failure: Failure = { code: 'SOME_CODE', message: 'it failed', remedy: 'mend it' }

const positionOf = (snapshot: Snapshot): Position => ({
  value: snapshot.value,
  context: snapshot.context,
})

/** The latest instant the facts mention as past: time goes on from there. */
function nowOf(context: Context): number {
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
function eventsAt(snapshot: Snapshot): ChartEvent[] {
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
    { type: 'UPGRADE', at, version: '5.0' },
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
function pendingOf({ value }: Position): Set<string> {
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

const options = {
  events: eventsAt as never,
  serializeState: serializeState as never,
  serializeEvent: (event: unknown) => JSON.stringify(event),
  input: { at: START, periods } as never,
  limit: 200_000,
}

const adjacency = Object.values(getAdjacencyMap(smartAgent as never, options)) as {
  state: Snapshot
  transitions: Record<string, { event: ChartEvent; state: Snapshot }>
}[]

interface Node {
  readonly id: string
  readonly path: readonly string[]
  readonly states: Record<string, Node>
  readonly transitions: Map<string, readonly object[]>
  readonly always?: readonly { readonly target?: readonly { readonly id: string }[] | undefined }[]
}
const allNodes = (node: Node): Node[] => [node, ...Object.values(node.states).flatMap(allNodes)]
const nodes = allNodes(smartAgent.root)

describe('the chart, by generated paths', () => {
  it('every state is reached', () => {
    const reached = new Set(
      adjacency.flatMap(({ state }) => (state as unknown as { _nodes: Node[] })._nodes.map(({ id }) => id)),
    )
    expect(nodes.filter(({ id }) => !reached.has(id)).map(({ id }) => id)).toEqual([])
  })

  it('every transition that needs no event of its own is taken', () => {
    const missing = nodes.flatMap((node) =>
      (node.always ?? [])
        .filter(({ target }) => {
          const [to] = target ?? []
          const within = (id: string, state: Snapshot) =>
            (state as unknown as { _nodes: Node[] })._nodes.some((one) => one.id === id)
          return !adjacency.some(
            ({ state, transitions }) =>
              within(node.id, state) &&
              Object.values(transitions).some((one) => within(to?.id ?? '', one.state)),
          )
        })
        .map(() => node.path.join('.')),
    )
    expect(nodes.filter(({ always }) => always !== undefined && always.length > 0).length).toBe(2)
    expect(missing).toEqual([])
  })

  it('every transition is taken', () => {
    const taken = new Set<object>()
    for (const { state, transitions } of adjacency) {
      for (const { event } of Object.values(transitions)) {
        for (const one of smartAgent.getTransitionData(state, event)) taken.add(one)
      }
    }
    const missing = nodes.flatMap((node) =>
      [...node.transitions].flatMap(([event, transitions]) =>
        transitions
          .filter((one) => !taken.has(one))
          .map((one) => `${node.path.join('.')} on ${event} [${String((one as { guard?: unknown }).guard)}]`),
      ),
    )
    expect(missing).toEqual([])
  })
})

describe('what holds in every place', () => {
  const places = adjacency.map(({ state }) => positionOf(state))
  /** Every event in every place, and what a step makes of it: taken once, for all who ask. */
  let taken: ReturnType<typeof takeAll> | undefined
  const takeAll = () =>
    adjacency.flatMap(({ state, transitions }) =>
      Object.values(transitions).map(({ event, state: to }) => {
        const before = positionOf(state)
        const { position: after, commands } = step(before, event)
        return { before, event, after, commands, to }
      }),
    )
  const edges = () => (taken ??= takeAll())

  it('a step leads where the chart leads', () => {
    // Some thousand places: comparing in words is for the one that differs.
    for (const { event, after, to } of edges())
      if (JSON.stringify(after.value) !== JSON.stringify(to.value))
        expect([event, after.value]).toEqual([event, to.value])
  })

  it('the axes agree on whether there is a registration', () => {
    for (const { value, context } of places) {
      const registration = axisPath(value.registration)
      const held = context.registration !== null
      expect([
        registration,
        registration.startsWith('registered') || registration === 'deregistering',
      ]).toEqual([registration, held])
      const word = stateWord({ ...value })
      expect([word, !['evaluation', 'unregistered', 'reserved'].includes(word)]).toEqual([word, held])
      expect(context.registering !== null).toBe(/registering\.(asking|retrying)$/.test(registration))
    }
  })

  it('an answer to a registration that nobody waits for is nothing', () => {
    for (const position of places) {
      const { context } = position
      if (context.registering !== null) continue
      const at = nowOf(context) + 1000
      const registration = {
        instanceId: 'late',
        smartAccount: 'acme.example',
        virtualAccount: 'Default',
        exportControlled: true,
        registeredAt: at,
        expiresAt: at + 365 * DAY,
      }
      const { position: after } = step(position, { type: 'register.accepted', at, registration })
      expect([after.value.registration, after.value.license]).toEqual([
        position.value.registration,
        position.value.license,
      ])
    }
  })

  it('R-SLR-4: the axes agree on the reservation, and a box that has one asks nobody for anything', () => {
    const stages: Record<string, string | undefined> = {
      'reservation-requested': 'requested',
      'reserved.installed': 'installed',
      'reserved.returning': 'returning',
    }
    for (const position of places) {
      const { value, context } = position
      const registration = axisPath(value.registration)
      expect([registration, context.reservation.current?.stage]).toEqual([registration, stages[registration]])
      expect(stateWord(value) === 'reserved').toBe(registration.startsWith('reserved'))
      if (!registration.startsWith('reserv')) continue
      expect(pendingOf(position).size).toBe(0)
      for (const event of eventsAt(resolve(position))) {
        const asked = step(position, event).commands.filter(({ type }) => type === 'request')
        expect(event.type === 'REGISTER' ? [] : asked).toEqual([])
        if (registration !== 'reservation-requested') expect(asked).toEqual([])
      }
    }
  })

  it('R-HOST-9: everything works under a reservation exactly while it covers what is in use', () => {
    const reserved = places.filter(({ value }) => stateWord(value) === 'reserved')
    expect(reserved.length).toBeGreaterThan(5)
    for (const position of reserved) {
      const { current } = position.context.reservation
      const lasting =
        current?.stage === 'installed'
          ? current.grant.licenses.filter(({ endsAt, told }) => endsAt === null || told !== 0)
          : []
      const enough = (position.context.usage.counts.HOST ?? 0) <= lasting.length
      expect(fullyFunctional(position)).toBe(current?.stage === 'installed' && enough)
    }
  })

  it('R-EVAL-3: the evaluation runs exactly until registration and the first authorization have succeeded', () => {
    for (const { value, context } of places) {
      const { running, remainingSeconds } = context.evaluation
      const word = stateWord(value)
      if (word === 'evaluation') expect(running && remainingSeconds > 0).toBe(true)
      else if (word === 'unregistered') expect([running, remainingSeconds]).toEqual([false, 0])
      else if (word !== 'registered') expect(running).toBe(false)
    }
    for (const { before, after } of edges()) {
      const entered = stateWord(before.value) !== 'registered' && stateWord(after.value) === 'registered'
      // The first registration leaves it running; one that follows an authorization leaves it standing.
      if (entered) expect(after.context.evaluation.running).toBe(before.context.evaluation.running)
    }
  })

  it('no event but an upgrade gives evaluation back, and the deadline moves only by an accepted answer', () => {
    for (const { before, event, after } of edges()) {
      if (event.type !== 'UPGRADE')
        expect(after.context.evaluation.remainingSeconds).toBeLessThanOrEqual(
          before.context.evaluation.remainingSeconds,
        )
      const [was, is] = [before.context.authorization.deadlineAt, after.context.authorization.deadlineAt]
      if (is !== was && is !== null) expect(event.type).toBe('authorize.accepted')
    }
  })

  it('whoever waits for an outcome has asked for it, and nobody asks twice', () => {
    for (const { before, event, after, commands } of edges()) {
      const asked = commands.flatMap((command) =>
        command.type === 'request' ? [command.params.kind as string] : [],
      )
      const [was, is] = [pendingOf(before), pendingOf(after)]
      for (const kind of is) {
        const answered = event.type.startsWith(`${kind}.`)
        if (!was.has(kind) || answered) expect([kind, asked]).toEqual([kind, expect.arrayContaining([kind])])
      }
      for (const kind of asked) expect(is.has(kind)).toBe(true)
      expect(new Set(asked).size).toBe(asked.length)
    }
  })

  it('something happens when it is due, and nothing before', () => {
    for (const position of places) {
      const due = nextDueAt(position)
      if (due === null) continue
      // What is overdue has no quiet moment before it.
      if (due > nowOf(position.context)) {
        const quiet = step(position, { type: 'TICK', at: due - 1, used: 0 })
        expect({ value: quiet.position.value, commands: quiet.commands }).toEqual({
          value: position.value,
          commands: [],
        })
      }
      const { position: after, commands } = step(position, { type: 'TICK', at: due, used: 0 })
      expect([
        axisPath(after.value.license),
        axisPath(after.value.registration),
        commands.length,
      ]).not.toEqual([axisPath(position.value.license), axisPath(position.value.registration), 0])
    }
  })

  it('is written to disk and read back as it was', () => {
    for (const position of places) expect(readFacts(writeFacts(position))).toEqual(position)
  })

  it('a box that is answered is never stuck: every place leads to authorized', () => {
    for (const place of places) {
      let position = place
      const now = () => nowOf(position.context) + 1000
      for (let i = 0; i < 20 && stateWord(position.value) !== 'authorized'; i++) {
        const events = eventsAt(resolve(position))
        const good = events.find(
          (event) =>
            event.type.endsWith('.accepted') &&
            pendingOf(position).has(event.type.split('.')[0] ?? '') &&
            !(event.type === 'authorize.accepted' && !event.compliant),
        )
        const ask: Event[] = [
          { type: 'RESERVATION_CANCEL', at: now() },
          { type: 'RESERVATION_RETURN', at: now() },
          { type: 'RESERVATION_RETURN_CODE', at: now(), returnCode: 'code' },
          { type: 'RENEW_AUTHORIZATION', at: now() },
          { type: 'REGISTER', at: now(), force: false, again: false },
          { type: 'TICK', at: nextDueAt(position) ?? now(), used: 0 },
        ]
        const next = good ?? ask.find((event) => can(position, event))
        if (!next) break
        position = step(position, next).position
      }
      expect([place.value, stateWord(position.value)]).toEqual([place.value, 'authorized'])
    }
  })
})

describe('a path to every place', () => {
  it('leads there again, event by event, through the pure step', () => {
    const paths = getShortestPaths(smartAgent as never, options) as unknown as {
      state: Snapshot
      steps: { event: ChartEvent }[]
    }[]
    expect(paths.length).toBe(adjacency.length)
    for (const path of paths) {
      let { position } = begin(START, periods)
      for (const { event } of path.steps)
        if ((event.type as string) !== 'xstate.init') position = step(position, event).position
      expect(position.value).toEqual(path.state.value)
    }
  })
})
