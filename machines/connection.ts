import { because, chart, say, sayRoad } from './agent-setup.ts'
import type { RequestKind } from './agent-machine.types.ts'

/** The kinds of exchange whose ends say whether the authority can be reached. */
type Ending<E extends 'accepted' | 'refused' | 'unreachable'> = `${RequestKind}.${E}`
const KINDS = ['register', 'authorize', 'renew', 'acknowledge', 'deregister'] as const

function onEach<E extends 'accepted' | 'refused' | 'unreachable', T>(ending: E, value: T) {
  return Object.fromEntries(KINDS.map((kind) => [`${kind}.${ending}`, value])) as Record<Ending<E>, T>
}
function wentDown() {
  return onEach('unreachable', {
    target: 'down',
    actions: ['rememberFailure' as const, because('COMM_FAILED')],
    description: 'said once per outage',
  })
}
function stillDown() {
  return onEach('unreachable', { actions: 'rememberFailure' as const })
}
function cameUp(...actions: ReturnType<typeof say>[]) {
  const up = {
    target: 'up',
    actions: [...actions, 'retryNow' as const],
    description: 'answered, with yes or no',
  }
  return { ...onEach('accepted', up), ...onEach('refused', up) }
}

/** The link axis: whether the authority can be reached. */
export const link = chart.createStateConfig({
  initial: 'unknown',
  on: {
    TRANSPORT_CHANGED: {
      target: '.unknown',
      actions: ['forgetFailure', 'retryNow', sayRoad],
      description: 'another road, of which nothing is known yet: what waits tries it now',
    },
  },
  states: {
    unknown: {
      description: 'nothing was asked yet on this road',
      on: { ...wentDown(), ...cameUp() },
    },
    up: { description: 'the last exchange was answered', on: wentDown() },
    down: {
      description: 'the last exchange was not answered',
      on: { ...stillDown(), ...cameUp(say('COMM_RESTORED')) },
    },
  },
})
