import { createActor } from 'xstate'
import { getShortestPaths } from 'xstate/graph'
import { describe, expect, it } from 'vitest'
import {
  toRegionPath,
  initialTransition,
  canHandle,
  type Event,
  isFullyFunctional,
  nextDeadline,
  toMachineSnapshot,
  agentMachine,
  getLicenseState,
  getReservation,
  transition,
} from '../../machines/index.ts'
import { parseState, serializeState } from '../../src/agent/persisted-state.ts'
import { listNodes } from './nodes.ts'
import {
  adjacency,
  DAY,
  listEvents,
  explorationOptions,
  getLatestInstant,
  listPendingRequests,
  periods,
  toAgentSnapshot,
  type Snapshot,
  START,
} from './reachable-states.ts'
import { pickEveryNth, selectScale } from '../support/scale.ts'

interface Node {
  readonly id: string
  readonly path: readonly string[]
  readonly states: Record<string, Node>
  readonly transitions: Map<string, readonly object[]>
  readonly always?: readonly { readonly target?: readonly { readonly id: string }[] | undefined }[]
}
const nodes = listNodes<Node>(agentMachine.root)

/** Lists the transitions taken on the events that the machine raises itself, which a running actor shows. */
function listRaisedTransitions(
  state: Snapshot,
  transitions: readonly { event: Event; state: Snapshot }[],
): object[] {
  const taken: object[] = []
  for (const { event, state: after } of transitions) {
    if (state.context.registration === null || after.context.registration !== null) continue
    const actor = createActor(agentMachine, {
      input: { at: START },
      snapshot: state,
      inspect: (inspected) => {
        if (inspected.type === '@xstate.microstep' && inspected.event.type === 'registration.ended')
          taken.push(...inspected._transitions)
      },
    })
    actor.start()
    actor.send(event)
    actor.stop()
  }
  return taken
}

describe('the agent machine on generated paths', () => {
  it('reaches every state', () => {
    const reached = new Set(
      adjacency.flatMap(({ state }) => (state as unknown as { _nodes: Node[] })._nodes.map(({ id }) => id)),
    )
    expect(nodes.filter(({ id }) => !reached.has(id)).map(({ id }) => id)).toEqual([])
  })

  it('takes every eventless transition', () => {
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

  it('takes every transition', () => {
    const taken = new Set<object>()
    for (const { state, transitions } of adjacency) {
      for (const { event } of Object.values(transitions)) {
        for (const one of agentMachine.getTransitionData(state, event)) taken.add(one)
      }
      for (const one of listRaisedTransitions(state, Object.values(transitions))) taken.add(one)
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

describe('the agent machine in every reachable state', () => {
  const places = adjacency.map(({ state }) => toAgentSnapshot(state))
  /** Every event in every place, and what a step makes of it: taken once, for all who ask. */
  let taken: ReturnType<typeof takeAll> | undefined
  const takeAll = () =>
    adjacency.flatMap(({ state, transitions }) =>
      Object.values(transitions).map(({ event, state: to }) => {
        const before = toAgentSnapshot(state)
        const { snapshot: after, commands } = transition(before, event)
        return { before, event, after, commands, to }
      }),
    )
  const edges = () => (taken ??= takeAll())

  it('transitions as the XState machine does', () => {
    // There are thousands of states, so format a comparison only for one that differs.
    for (const { event, after, to } of edges())
      if (JSON.stringify(after.value) !== JSON.stringify(to.value))
        expect([event, after.value]).toEqual([event, to.value])
  })

  it('has regions that agree on whether there is a registration', () => {
    for (const { value, context } of places) {
      const registration = toRegionPath(value.registration)
      const held = context.registration !== null
      expect([
        registration,
        registration.startsWith('registered') || registration === 'deregistering',
      ]).toEqual([registration, held])
      const word = getLicenseState({ ...value })
      expect([word, !['evaluation', 'unregistered', 'reserved'].includes(word)]).toEqual([word, held])
      expect(context.registering !== null).toBe(/registering\.(requesting|retrying)$/.test(registration))
    }
  })

  it('ignores an answer to a registration that was canceled', () => {
    for (const position of places) {
      const { context } = position
      if (context.registering !== null) continue
      const at = getLatestInstant(context) + 1000
      const registration = {
        instanceId: 'late',
        smartAccount: 'acme.example',
        virtualAccount: 'Default',
        exportControlled: true,
        registeredAt: at,
        expiresAt: at + 365 * DAY,
      }
      const { snapshot: after } = transition(position, { type: 'register.accepted', at, registration })
      expect([after.value.registration, after.value.license]).toEqual([
        position.value.registration,
        position.value.license,
      ])
    }
  })

  it('R-SLR-4: has regions that agree on the reservation, and sends no request while reserved', () => {
    for (const position of places) {
      const { value } = position
      const { stage } = getReservation(position)
      expect(getLicenseState(value) === 'reserved').toBe(stage === 'installed' || stage === 'returning')
      if (stage === 'none') continue
      expect(toRegionPath(value.registration)).toBe('unregistered.idle')
      expect(listPendingRequests(position).size).toBe(0)
      for (const event of listEvents(toMachineSnapshot(position))) {
        const asked = transition(position, event).commands.filter(({ type }) => type === 'request')
        expect(asked).toEqual([])
      }
    }
  })

  it('R-HOST-9: is fully functional under a reservation exactly while it covers the usage', () => {
    const reserved = places.filter(({ value }) => getLicenseState(value) === 'reserved')
    expect(reserved.length).toBeGreaterThan(5)
    for (const position of reserved) {
      const current = getReservation(position)
      const lasting =
        current.stage === 'installed'
          ? current.grant.licenses.filter(
              ({ endsAt, lastWarningSeconds }) => endsAt === null || lastWarningSeconds !== 0,
            )
          : []
      const enough = (position.context.usage.counts.HOST ?? 0) <= lasting.length
      expect(isFullyFunctional(position)).toBe(current.stage === 'installed' && enough)
    }
  })

  it('R-EVAL-3: runs the evaluation exactly until registration and the first authorization have succeeded', () => {
    for (const { value, context } of places) {
      const { running, remainingSeconds } = context.evaluation
      const word = getLicenseState(value)
      if (word === 'evaluation') expect(running && remainingSeconds > 0).toBe(true)
      else if (word === 'unregistered') expect([running, remainingSeconds]).toEqual([false, 0])
      else if (word !== 'registered') expect(running).toBe(false)
    }
    for (const { before, after } of edges()) {
      const entered =
        getLicenseState(before.value) !== 'registered' && getLicenseState(after.value) === 'registered'
      const isDiverged = toRegionPath(after.value.license).startsWith('registered.diverged')
      // The first registration leaves the evaluation running. A later one leaves it stopped. A copy uses it up.
      if (entered && isDiverged)
        expect(after.context.evaluation.running).toBe(after.context.evaluation.remainingSeconds > 0)
      else if (entered) expect(after.context.evaluation.running).toBe(before.context.evaluation.running)
    }
  })

  it('renews the evaluation only by an upgrade with an evaluation, and moves the deadline only by an accepted answer', () => {
    for (const { before, event, after } of edges()) {
      if (event.type !== 'product.upgrade' || !event.evaluate)
        expect(after.context.evaluation.remainingSeconds).toBeLessThanOrEqual(
          before.context.evaluation.remainingSeconds,
        )
      const [was, is] = [before.context.authorization.deadlineAt, after.context.authorization.deadlineAt]
      if (is !== was && is !== null) expect(event.type).toBe('authorize.accepted')
    }
  })

  it('sends one request for each outcome that it waits for', () => {
    for (const { before, event, after, commands } of edges()) {
      const asked = commands.flatMap((command) =>
        command.type === 'request' ? [command.params.kind as string] : [],
      )
      const [was, is] = [listPendingRequests(before), listPendingRequests(after)]
      for (const kind of is) {
        const answered = event.type.startsWith(`${kind}.`)
        if (!was.has(kind) || answered) expect([kind, asked]).toEqual([kind, expect.arrayContaining([kind])])
      }
      for (const kind of asked) expect(is.has(kind)).toBe(true)
      expect(new Set(asked).size).toBe(asked.length)
    }
  })

  it('changes at the next deadline, and not before', () => {
    for (const position of places) {
      const due = nextDeadline(position)
      if (due === null) continue
      // An overdue deadline has no instant before it without changes.
      if (due > getLatestInstant(position.context)) {
        const quiet = transition(position, { type: 'clock.tick', at: due - 1, used: 0 })
        expect({ value: quiet.snapshot.value, commands: quiet.commands }).toEqual({
          value: position.value,
          commands: [],
        })
      }
      const { snapshot: after, commands } = transition(position, { type: 'clock.tick', at: due, used: 0 })
      expect([
        toRegionPath(after.value.license),
        toRegionPath(after.value.registration),
        commands.length,
      ]).not.toEqual([toRegionPath(position.value.license), toRegionPath(position.value.registration), 0])
    }
  })

  it('survives serialization unchanged', () => {
    for (const position of places) expect(parseState(serializeState(position))).toEqual(position)
  })

  it('can always reach the state authorized when the authority answers', () => {
    for (const place of places) {
      let position = place
      const now = () => getLatestInstant(position.context) + 1000
      for (let i = 0; i < 20 && getLicenseState(position.value) !== 'authorized'; i++) {
        const events = listEvents(toMachineSnapshot(position))
        const good = events.find(
          (event) =>
            event.type.endsWith('.accepted') &&
            listPendingRequests(position).has(event.type.split('.')[0] ?? '') &&
            !(event.type === 'authorize.accepted' && !event.compliant),
        )
        const ask: Event[] = [
          { type: 'reservation.cancel', at: now() },
          { type: 'reservation.return', at: now() },
          { type: 'reservation.return-code', at: now(), returnCode: 'code' },
          { type: 'authorization.renew', at: now() },
          { type: 'registration.start', at: now(), force: false, again: false },
          { type: 'clock.tick', at: nextDeadline(position) ?? now(), used: 0 },
        ]
        const next = good ?? ask.find((event) => canHandle(position, event))
        if (!next) break
        position = transition(position, next).snapshot
      }
      expect([place.value, getLicenseState(position.value)]).toEqual([place.value, 'authorized'])
    }
  })
})

describe('a path to every reachable state', () => {
  it('leads there again through the pure transition function', () => {
    const paths = getShortestPaths(agentMachine as never, explorationOptions) as unknown as {
      state: Snapshot
      steps: { event: Event }[]
    }[]
    expect(paths.length).toBe(adjacency.length)
    for (const path of pickEveryNth(selectScale(15, 1), paths)) {
      let { snapshot } = initialTransition(START, periods)
      for (const { event } of path.steps)
        if ((event.type as string) !== 'xstate.init') snapshot = transition(snapshot, event).snapshot
      expect(snapshot.value).toEqual(path.state.value)
    }
  })
})
