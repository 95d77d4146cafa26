import type { AgentSnapshot } from '../../machines/transition.ts'
import type { WhatIfOptions, WhatIfRun } from '../../machines/what-if.ts'

/** Run to assert: where it began, what it assumed, and the path that it took. */
export interface TestedRun {
  /** Device from which the snapshot is, or null. */
  readonly device: string | null
  readonly snapshot: AgentSnapshot
  readonly options: WhatIfOptions
  readonly run: Pick<WhatIfRun, 'states' | 'functionality'>
}

/**
 * Writes a test file that asserts the path of a run, for vitest. The snapshot is part of the file, so that the test
 * needs no device.
 */
export function toWhatIfTest({ device, snapshot, options, run }: TestedRun): string {
  const { from, days, authority, events = [] } = options
  return `import { whatIf } from 'smart-licensing-agent/machines'
import { expect, it } from 'vitest'

/** Snapshot of ${device === null ? 'a device' : JSON.stringify(device).slice(1, -1)} on ${toIso(from)}, without codes and keys. */
const snapshot: Parameters<typeof whatIf>[0] = ${toLiteral(snapshot)}

const options: Parameters<typeof whatIf>[1] = {
  from: Date.parse('${toIso(from)}'),
  days: ${days},
  authority: '${authority}',
  events: ${toLiteral(events, 1)},
}

const toPath = <T>(periods: readonly { readonly value: T; readonly from: number }[]) =>
  periods.map(({ value, from }) => [value, new Date(from).toISOString()])

it(${toText(describeRun(options, run))}, () => {
  const { states, functionality } = whatIf(snapshot, options)
  expect(toPath(states)).toEqual(${toPathLiteral(run.states)})
  expect(toPath(functionality)).toEqual(${toPathLiteral(run.functionality)})
})
`
}

/** Names the run, as in `stays authorized for 30 days with a reachable license server`. */
function describeRun({ days, authority }: WhatIfOptions, { states }: TestedRun['run']): string {
  const names = states.map(({ value }) => value)
  const [first = 'nothing'] = names
  const path = names.length === 1 ? `stays ${first}` : `goes ${names.join(', ')}`
  const server =
    authority === 'short'
      ? 'a license server that is short of licenses'
      : `a license server that is ${authority}`
  return `${path} in ${days} days, with ${server}`
}

const toIso = (at: number): string => new Date(at).toISOString()
const toText = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`

/** Writes a value as a literal, indented by `depth` levels of two spaces. */
const toLiteral = (value: unknown, depth = 0): string =>
  JSON.stringify(value, null, 2).replaceAll('\n', `\n${'  '.repeat(depth)}`)

const toPathLiteral = (periods: readonly { readonly value: string; readonly from: number }[]): string =>
  `[\n${periods.map(({ value, from }) => `    ['${value}', '${toIso(from)}'],\n`).join('')}  ]`
