import { notifyFailure, agentSetup, notify, notifyTransportChanged } from './agent-setup.ts'
import type { RequestKind } from './agent-machine.types.ts'

/** Events that report the outcome of a request, and so whether the authority can be reached. */
type RequestOutcomeEvent<E extends 'accepted' | 'refused' | 'unreachable'> = `${RequestKind}.${E}`
const REQUEST_KINDS = ['register', 'authorize', 'renew', 'acknowledge', 'deregister'] as const

function onEachRequest<E extends 'accepted' | 'refused' | 'unreachable', T>(outcome: E, value: T) {
  return Object.fromEntries(REQUEST_KINDS.map((kind) => [`${kind}.${outcome}`, value])) as Record<
    RequestOutcomeEvent<E>,
    T
  >
}
function onUnreachable() {
  return onEachRequest('unreachable', {
    target: 'down',
    actions: ['recordConnectionFailure' as const, notifyFailure('COMM_FAILED')],
    description: 'reported once per outage',
  })
}
function onUnreachableAgain() {
  return onEachRequest('unreachable', { actions: 'recordConnectionFailure' as const })
}
function onReachable(...actions: ReturnType<typeof notify>[]) {
  const up = {
    target: 'up',
    actions: [...actions, 'retryImmediately' as const],
    description: 'the authority answered: accepted or refused',
  }
  return { ...onEachRequest('accepted', up), ...onEachRequest('refused', up) }
}

/** Region that tracks whether the authority can be reached. */
export const connection = agentSetup.createStateConfig({
  initial: 'unknown',
  on: {
    'transport.changed': {
      target: '.unknown',
      actions: ['clearConnectionFailure', 'retryImmediately', notifyTransportChanged],
      description: 'the transport changed: its state is unknown, and pending retries use it now',
    },
  },
  states: {
    unknown: {
      description: 'no request was sent yet over this transport',
      on: { ...onUnreachable(), ...onReachable() },
    },
    up: { description: 'the last exchange was answered', on: onUnreachable() },
    down: {
      description: 'the last exchange was not answered',
      on: { ...onUnreachableAgain(), ...onReachable(notify('COMM_RESTORED')) },
    },
  },
})
