import { describe, expect, it } from 'vitest'
import {
  REGIONS,
  type Region,
  toRegionPath,
  type Command,
  type Event,
  type Notice,
  type AgentSnapshot,
  transition,
} from '../../machines/index.ts'
import { adjacency, toAgentSnapshot } from './reachable-states.ts'
import { formatTransitions } from './transition-lines.ts'

/** Notices of the license region. All others belong to the registration region. */
const LICENSE_NOTICES: readonly Notice[] = [
  'EVAL_START',
  'EVAL_EXPIRED',
  'EVAL_EXPIRED_WARNING',
  'AUTH_RENEW_SUCCESS',
  'AUTH_RENEW_FAILED',
  'AUTHORIZATION_EXPIRED',
  'OUT_OF_COMPLIANCE',
  'IN_COMPLIANCE',
  'INVALID_TAG',
  'PRODUCT_UPGRADED',
  'NOT_AUTHORIZED',
]
const RESERVATION_NOTICES: readonly Notice[] = [
  'RESERVATION_REQUESTED',
  'RESERVATION_CANCELED',
  'RESERVED_INSTALLED',
  'RESERVATION_UPDATED',
  'RETURN_CODE_CREATED',
  'RESERVATION_RETURNED',
  'RESERVATION_DISCARDED',
  'RESERVATION_TERM_WARNING',
  'RESERVATION_TERM_ENDED',
]
const CONNECTION_NOTICES: readonly Notice[] = ['COMM_FAILED', 'COMM_RESTORED', 'TRANSPORT_CHANGED']

function getRegion(command: Command): Region {
  if (command.type === 'request') return command.params.kind === 'authorize' ? 'license' : 'registration'
  if (command.type === 'discardSecrets') return 'registration'
  const { notice } = command.params
  if (LICENSE_NOTICES.includes(notice)) return 'license'
  if (CONNECTION_NOTICES.includes(notice)) return 'connection'
  return RESERVATION_NOTICES.includes(notice) ? 'reservation' : 'registration'
}

function formatCommand(command: Command): string {
  switch (command.type) {
    case 'request':
      return `request ${command.params.kind}`
    case 'discardSecrets':
      return `discard ${command.params.what}`
    case 'notice':
      return command.params.notice
  }
}

/** Returns the details that distinguish events of one type in the list. */
function formatEvent(event: Event): string {
  const details = [
    ...('ended' in event && event.ended ? ['ended'] : []),
    ...('again' in event && event.again ? ['again'] : []),
    ...('compliant' in event ? [event.compliant ? 'enough' : 'too few'] : []),
    ...('force' in event && event.force ? ['by force'] : []),
    ...('evaluate' in event && event.evaluate ? ['with an evaluation'] : []),
  ]
  return details.length === 0 ? event.type : `${event.type} (${details.join(', ')})`
}

const toPaths = ({ value }: AgentSnapshot) => ({
  registration: toRegionPath(value.registration),
  license: toRegionPath(value.license),
  reservation: value.reservation,
  connection: value.connection,
})
const steps = adjacency.flatMap(({ state, transitions }) =>
  Object.values(transitions).map(({ event }) => {
    const before = toAgentSnapshot(state)
    const { snapshot, commands } = transition(before, event)
    return {
      from: toPaths(before),
      to: toPaths(snapshot),
      event: formatEvent(event),
      effects: commands.map((command) => ({ region: getRegion(command), text: formatCommand(command) })),
    }
  }),
)

describe('the transitions of the agent machine, with their commands', () => {
  it('match the reviewed list in transitions.txt', async () => {
    const text = formatTransitions<Region>(REGIONS, steps)
    await expect(text).toMatchFileSnapshot('transitions.txt')
  })
})
