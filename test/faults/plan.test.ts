import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  faultCatalog,
  type FaultName,
  FaultPlan,
  parseChaos,
  type PlannedFault,
} from '../../src/faults/index.ts'
import { errorTable, LicensingError } from '../../src/core/errors.ts'
import { requestTypeSchema } from '../../src/protocol/messages.ts'

const names = Object.keys(faultCatalog) as FaultName[]
const many = (plan: FaultPlan, count: number) =>
  Array.from({ length: count }, () => plan.next('authorize')?.fault ?? null)

describe('R-UI-5: planned faults', () => {
  it('occur as often as planned, after the planned number of requests', () => {
    const plan = new FaultPlan([{ fault: 'error503', after: 2, times: 3 }])
    expect(many(plan, 7)).toEqual([null, null, 'error503', 'error503', 'error503', null, null])
  })

  it('occur only for the planned type of request', () => {
    const plan = new FaultPlan([{ fault: 'error503', on: 'renew' }])
    expect([plan.next('authorize'), plan.next('renew')?.fault]).toEqual([null, 'error503'])
  })

  it('occur with the planned probability', () => {
    const draws = [0.05, 0.5, 0.099, 0.1]
    const plan = new FaultPlan([{ fault: 'error503', probability: 0.1 }], () => draws.shift() ?? 1)
    expect(many(plan, 4)).toEqual(['error503', null, 'error503', null])
  })

  it('are delayed by all matching delays, and a delay alone is not a failure', () => {
    const plan = new FaultPlan(parseChaos('delay=200ms,error503=1+50msx1'))
    expect(plan.next('authorize')).toEqual({ fault: 'error503', probability: 1, times: 1, delay: 250 })
    expect(plan.next('authorize')).toEqual({ fault: 'delay', delay: 200 })
  })
})

describe('R-UI-5: serve --chaos', () => {
  it.each([
    ['error503', [{ fault: 'error503' }]],
    [
      'delay=200ms,error503=0.1',
      [
        { fault: 'delay', delay: 200 },
        { fault: 'error503', probability: 0.1 },
      ],
    ],
    [
      ' lost-answer=0.5+2sx3@10/authorize ',
      [{ fault: 'lost-answer', on: 'authorize', probability: 0.5, times: 3, after: 10, delay: 2000 }],
    ],
    ['', []],
  ] as [string, PlannedFault[]][])('parses %j', (spec, expected) => {
    expect(parseChaos(spec)).toEqual(expected)
  })

  it.each([
    'nonsense',
    'error503=2',
    'error503=-1',
    'delay',
    'error503/nothing',
    'error503=0.1=0.2',
    '=0.5',
    'x x',
  ])('refuses %j with a LicensingError', (spec) => {
    expect(() => parseChaos(spec)).toThrow(LicensingError)
  })

  it('parses any formatted plan', () => {
    const planned = fc.record(
      {
        fault: fc.constantFrom(...names.filter((name) => name !== 'delay')),
        on: fc.constantFrom(...requestTypeSchema.options),
        probability: fc.integer({ min: 0, max: 100 }).map((percent) => percent / 100),
        times: fc.nat(1000),
        after: fc.nat(1000),
        delay: fc.nat(100_000),
      },
      { requiredKeys: ['fault'] },
    )
    const write = ({ fault, on, probability, times, after, delay }: PlannedFault): string =>
      [
        fault,
        probability === undefined ? '' : `=${probability}`,
        delay === undefined ? '' : `+${delay}ms`,
        times === undefined ? '' : `x${times}`,
        after === undefined ? '' : `@${after}`,
        on === undefined ? '' : `/${on}`,
      ].join('')
    fc.assert(
      fc.property(fc.array(planned, { maxLength: 5 }), (faults) => {
        expect(parseChaos(faults.map(write).join(','))).toEqual(faults)
      }),
    )
  })
})

it('R-UI-5: every transport error has a fault in the catalog or is listed here', () => {
  const covered = new Set(Object.values(faultCatalog).map(({ code }) => code))
  const rest = Object.entries(errorTable)
    .filter(([code, { kind }]) => kind === 'transport' && !covered.has(code as never))
    .map(([code]) => code)
    .sort()
  // The others depend on settings of the device, on the load of the authority, on MSW, or on peers that a plan cannot simulate.
  expect(rest).toEqual([
    'ANSWER_NOT_HTTP',
    'AUTHORITY_BUSY',
    'CONNECT_TIMED_OUT',
    'HOST_UNREACHABLE',
    'PROXY_TLS_FAILED',
    'REQUEST_INTERCEPTED',
    'TLS_FAILED',
    'TLS_WRONG_AUTHORITY',
  ])
})
