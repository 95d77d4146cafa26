import { agentSetup } from './agent-actions.ts'
import type { RequestKind } from './agent-machine.types.ts'

/** Each outcome of a request shows whether the authority is reachable. */
type Outcome = 'accepted' | 'refused' | 'unreachable'
const REQUEST_KINDS = ['register', 'authorize', 'renew', 'acknowledge', 'deregister'] as const

/** Returns the same transition for an outcome of each kind of request. */
const onEachRequest = <O extends Outcome, T>(outcome: O, transition: T) =>
  Object.fromEntries(REQUEST_KINDS.map((kind) => [`${kind}.${outcome}`, transition])) as Record<
    `${RequestKind}.${O}`,
    T
  >

const fails = {
  target: 'down',
  actions: ['recordConnectionFailure', { type: 'notifyFailure', params: { notice: 'COMM_FAILED' } }],
  description: 'the authority was not reached; the failure is reported once per outage',
  meta: { label: 'no answer' },
} as const
const failsAgain = { actions: 'recordConnectionFailure' } as const
const succeeds = {
  target: 'up',
  actions: ['retryImmediately'],
  description: 'the authority accepted or refused a request',
  meta: { label: 'answer' },
} as const
const succeedsAgain = {
  ...succeeds,
  actions: [{ type: 'notify', params: { notice: 'COMM_RESTORED' } }, 'retryImmediately'],
} as const

/** Connection region: whether the authority can be reached. */
export const connection = agentSetup.createStateConfig({
  initial: 'unknown',
  on: {
    'transport.changed': {
      target: '.unknown',
      actions: ['clearConnectionFailure', 'retryImmediately', 'notifyTransportChanged'],
      description:
        'the transport changed: the connection state is unknown, and pending retries are due immediately',
      meta: { label: 'settings changed' },
    },
  },
  states: {
    unknown: {
      description: 'no request was sent yet over this transport',
      meta: { label: 'Not tried yet' },
      on: {
        ...onEachRequest('unreachable', fails),
        ...onEachRequest('accepted', succeeds),
        ...onEachRequest('refused', succeeds),
      },
    },
    up: {
      description: 'the last exchange was answered',
      meta: { label: 'Working' },
      on: onEachRequest('unreachable', fails),
    },
    down: {
      description: 'the last exchange was not answered',
      meta: { label: 'Not working' },
      on: {
        ...onEachRequest('unreachable', failsAgain),
        ...onEachRequest('accepted', succeedsAgain),
        ...onEachRequest('refused', succeedsAgain),
      },
    },
  },
})
