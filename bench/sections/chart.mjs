// The statechart itself, beside XState's own work on a chart of the same form.
import { createActor, createMachine, initialTransition as initialMachineTransition } from 'xstate'
import { initialTransition, agentMachine, transition } from '../../dist/machines/index.js'
import { rate } from '../rate.mjs'
import { perSecond } from '../table.mjs'

/** The same states and as many transitions, each with a guard that says no, without a fact or an action. */
function hollow(node) {
  const on = {}
  for (const [event, transitions] of node.transitions)
    on[event] = transitions.map(() => ({ guard: () => false }))
  const states = Object.entries(node.states).map(([key, child]) => [key, hollow(child)])
  return {
    ...(states.length > 0 && { states: Object.fromEntries(states) }),
    ...(node.type === 'parallel' ? { type: 'parallel' } : states.length > 0 && { initial: states[0][0] }),
    on,
  }
}

/** Steps of a hollow chart of the agent's form, as the agent takes its own: with one actor for them all. */
export function hollowSteps() {
  const machine = createMachine({ id: 'hollow', ...hollow(agentMachine.root) })
  const actor = createActor(machine)
  const nothing = () => undefined
  const scope = {
    self: actor,
    system: actor.system,
    id: '',
    sessionId: '',
    logger: nothing,
    defer: nothing,
    emit: nothing,
    stopChild: nothing,
    actionExecutor: nothing,
  }
  const [empty] = initialMachineTransition(machine)
  return () => machine.transition(empty, { type: 'tick' }, scope)
}

export function chart(row) {
  const floor = rate(hollowSteps())
  const { snapshot } = initialTransition(0)
  const measured = rate((i) => transition(snapshot, { type: 'tick', at: i, used: 0 }))
  row(
    'chart: one beat, facts kept',
    perSecond(measured),
    `${perSecond(floor)} XState, hollow chart`,
    floor / measured,
    '',
  )
  const cycle = [
    { type: 'usage.changed', at: 0, tag: 'HOST', count: 1 },
    { type: 'register', at: 1, force: false, again: false },
    {
      type: 'register.unreachable',
      at: 2,
      failure: { code: '', message: '', remedy: '' },
      jitter: 0.5,
      retryAfter: null,
    },
    { type: 'tick', at: 3, used: 60 },
    { type: 'deregister', at: 4 },
  ]
  let place = snapshot
  const events = rate((i) => {
    place = transition(place, cycle[i % cycle.length]).snapshot
  })
  row(
    'chart: events of a registration',
    perSecond(events),
    `${perSecond(floor)} XState, hollow chart`,
    floor / events,
    '',
  )
}
