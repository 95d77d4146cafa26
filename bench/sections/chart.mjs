// Measures the state machine. The baseline is XState's own work on an empty machine with the same states and transitions.
import { createActor, createMachine, initialTransition as initialMachineTransition } from 'xstate'
import { initialTransition, agentMachine, transition } from '../../dist/machines/index.js'
import { rate } from '../rate.mjs'
import { perSecond } from '../table.mjs'

/** Copies the states and transitions of a machine, with guards that always refuse and without context and actions. */
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

/** Returns a function that takes one step of the empty machine with a shared actor, as the agent does. */
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
    'state machine: one tick',
    perSecond(measured),
    `${perSecond(floor)} XState, empty machine`,
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
  let current = snapshot
  const events = rate((i) => {
    current = transition(current, cycle[i % cycle.length]).snapshot
  })
  row(
    'state machine: events of a registration',
    perSecond(events),
    `${perSecond(floor)} XState, empty machine`,
    floor / events,
    '',
  )
}
