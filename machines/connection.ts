import { notifyFailure, agentSetup, notify, notifyTransportChanged } from './agent-setup.ts'
import type { RequestKind } from './agent-machine.types.ts'

/** Type of an event that reports the outcome of a request. Each outcome shows whether the authority is reachable. */
type RequestOutcomeEvent<Outcome extends 'accepted' | 'refused' | 'unreachable'> = `${RequestKind}.${Outcome}`
const REQUEST_KINDS = ['register', 'authorize', 'renew', 'acknowledge', 'deregister'] as const

function onEachRequest<Outcome extends 'accepted' | 'refused' | 'unreachable', T>(
  outcome: Outcome,
  value: T,
) {
  return Object.fromEntries(REQUEST_KINDS.map((kind) => [`${kind}.${outcome}`, value])) as Record<
    RequestOutcomeEvent<Outcome>,
    T
  >
}
function onUnreachable() {
  return onEachRequest('unreachable', {
    target: 'down',
    actions: ['recordConnectionFailure' as const, notifyFailure('COMM_FAILED')],
    description: 'the authority was not reached; the failure is reported once per outage',
  })
}
function onUnreachableAgain() {
  return onEachRequest('unreachable', { actions: 'recordConnectionFailure' as const })
}
function onReachable(...actions: ReturnType<typeof notify>[]) {
  const up = {
    target: 'up',
    actions: [...actions, 'retryImmediately' as const],
    description: 'the authority accepted or refused a request',
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
      description:
        'the transport changed: the connection state is unknown, and pending retries are due immediately',
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
