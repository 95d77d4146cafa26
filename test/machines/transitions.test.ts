import { describe, expect, it } from 'vitest'
import { axisPath, type Command, type Event, type Notice, type Position, step } from '../../machines/index.ts'
import { adjacency, positionOf } from './places.ts'

type Axis = 'registration' | 'license' | 'link'

/** What is said by which axis; what is not named here is said by the registration. */
const OF_LICENSE: readonly Notice[] = [
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
  'RESERVATION_TERM_WARNING',
  'RESERVATION_TERM_ENDED',
]
const OF_LINK: readonly Notice[] = ['COMM_FAILED', 'COMM_RESTORED', 'TRANSPORT_CHANGED']

function axisOf(command: Command): Axis {
  if (command.type === 'request') return command.params.kind === 'authorize' ? 'license' : 'registration'
  if (command.type === 'forget') return 'registration'
  const { notice } = command.params
  return OF_LICENSE.includes(notice) ? 'license' : OF_LINK.includes(notice) ? 'link' : 'registration'
}

function worded(command: Command): string {
  switch (command.type) {
    case 'request':
      return `request ${command.params.kind}${command.params.force === true ? ' by force' : ''}`
    case 'forget':
      return `forget ${command.params.what}`
    case 'notice':
      return command.params.notice
  }
}

/** What tells events of one type apart, as a person would say it. */
function named(event: Event): string {
  const facts = [
    ...('ended' in event && event.ended ? ['ended'] : []),
    ...('again' in event && event.again ? ['again'] : []),
    ...('compliant' in event ? [event.compliant ? 'enough' : 'too few'] : []),
    ...('force' in event && event.force ? ['by force'] : []),
  ]
  return facts.length === 0 ? event.type : `${event.type} (${facts.join(', ')})`
}

const steps = adjacency.flatMap(({ state, transitions }) =>
  Object.values(transitions).map(({ event }) => {
    const before = positionOf(state)
    return { before, event, ...step(before, event) }
  }),
)
const placeOn = (axis: Axis, { value }: Position) => axisPath(value[axis])

/** Every way that a step goes on an axis: once, whatever the other axes do meanwhile. */
function linesOf(axis: Axis): string[] {
  const lines = steps.flatMap(({ before, event, position, commands }) => {
    const [from, to] = [placeOn(axis, before), placeOn(axis, position)]
    const words = commands.filter((one) => axisOf(one) === axis).map(worded)
    const does = words.length === 0 ? '' : `: ${words.join(', ')}`
    return from === to && words.length === 0 ? [] : [`${from}, ${named(event)} → ${to}${does}`]
  })
  return [...new Set(lines)].toSorted()
}

describe('each transition of the chart, with what is to be done', () => {
  it('is as it was read by people', async () => {
    const text = (['registration', 'license', 'link'] as const)
      .map((axis) => `${axis}\n${linesOf(axis).join('\n')}\n`)
      .join('\n')
    await expect(text).toMatchFileSnapshot('transitions.txt')
  })
})
