import { describe, expect, it } from 'vitest'
import { findRow } from '../../src/web/inspector/exchanges/find-row.ts'
import {
  chooseExchanges,
  describeExchange,
  listLanes,
  listRows,
  toggleExchange,
} from '../../src/web/inspector/exchanges/sequence-model.ts'
import type { Exchange } from '../../src/web/inspector/source.ts'
import { createInspectedYear } from '../support/inspected-year.ts'

const year = createInspectedYear()
const { exchanges } = year.exchanges(200)
const failed = exchanges.find(({ outcome }) => outcome === 'unreachable')!
const answered = exchanges.find(({ outcome }) => outcome === 'accepted')!
const direct: Exchange = { ...answered, route: { proxy: null, server: 'manager:443', role: 'manager' } }
const rowsOf = (exchange: Exchange) => listRows(exchange, listLanes(exchange, 'FCH1'))
const breakAt = (step: Exchange['steps'][number]['step'], exchange: Exchange) => {
  const index = exchange.steps.findIndex((each) => each.step === step)
  const steps = exchange.steps.map((each, i) => ({
    ...each,
    outcome: i < index ? ('ok' as const) : i === index ? ('failed' as const) : ('not-tried' as const),
  }))
  return rowsOf({ ...exchange, outcome: 'unreachable', steps }).find(({ kind }) => kind === 'broken')?.breakAt
}

describe('the lanes of an exchange', () => {
  it('are the parties on its way, with the manager behind a satellite (R-INS-3)', () => {
    expect(listLanes(failed, 'FCH1').map(({ name }) => name)).toEqual([
      ...['Device', 'Proxy', 'Satellite', 'License server'],
    ])
    expect(listLanes(direct, 'FCH1').map(({ name, address }) => [name, address])).toEqual([
      ['Device', 'FCH1'],
      ['License server', 'manager:443'],
    ])
  })
})

describe('the steps of an exchange', () => {
  it('have the time since its beginning and their duration (R-INS-3)', () => {
    expect(rowsOf(answered).map(({ key, time, duration }) => [key, time, duration])).toEqual([
      ['name', '0.1 ms', ''],
      ['connect', '1.0 ms', '0.9 ms'],
      ['proxy', '3.3 ms', '2.3 ms'],
      ['tls', '6.1 ms', '2.8 ms'],
      ['request', '', ''],
      ['answer', '15 ms', '8.9 ms'],
      ['synchronization', '', ''],
    ])
  })
  it('end at the break, and the request after it is not sent (R-INS-3)', () => {
    const rows = rowsOf(failed)
    expect(rows.map(({ key, kind }) => [key, kind])).toEqual([
      ['name', 'point'],
      ['connect', 'there'],
      ['proxy', 'there'],
      ['tls', 'broken'],
      ['not-sent', 'not-sent'],
    ])
    expect(rows[3]).toMatchObject({ name: 'TLS refused', breakAt: 1.5 })
  })
  it('break between the lanes where it happened (R-INS-3)', () => {
    expect(
      ['name', 'connect', 'proxy', 'tls', 'answer'].map((step) => breakAt(step as 'name', answered)),
    ).toEqual([...[0, 0.5, 1.5, 1.5, 1.5]])
    expect(['connect', 'tls', 'answer'].map((step) => breakAt(step as 'tls', direct))).toEqual([
      0.5, 0.5, 0.5,
    ])
  })
  it('send no “not sent” row for a request that was sent (R-INS-3)', () => {
    const steps = answered.steps.map((step) => ({
      ...step,
      outcome: step.step === 'answer' ? ('failed' as const) : ('ok' as const),
    }))
    const rows = rowsOf({ ...answered, outcome: 'unreachable', steps })
    expect(rows.map(({ kind }) => kind)).not.toContain('not-sent')
    expect(rows.at(-1)).toMatchObject({ name: 'No answer', kind: 'broken' })
  })
  it('omit those that a kept connection did not need (R-INS-3)', () => {
    const steps = direct.steps.map((step, i) => ({
      ...step,
      outcome: i < 4 ? ('not-needed' as const) : ('ok' as const),
    }))
    expect(rowsOf({ ...direct, steps }).map(({ key }) => key)).toEqual(['request', 'answer'])
  })
  it('say how the exchange went (R-INS-3)', () => {
    expect(describeExchange(failed)).toBe('Authorize failed at TLS, after 14 ms')
    expect(describeExchange(answered)).toBe('Authorize was answered in 15 ms')
    expect(describeExchange({ ...answered, outcome: 'refused' })).toBe('Authorize was refused in 15 ms')
  })
})

describe('the choice of exchanges', () => {
  it('begins with the last that failed and the last that was answered (R-INS-3)', () => {
    expect(chooseExchanges(exchanges)).toEqual([failed.id, answered.id])
    expect(chooseExchanges([])).toEqual([])
  })
  it('holds one or two (R-INS-3)', () => {
    expect(toggleExchange([1, 2], 3)).toEqual([2, 3])
    expect(toggleExchange([1, 2], 2)).toEqual([1])
    expect(toggleExchange([1], 1)).toEqual([1])
  })
  it('finds the transition that the exchange caused (R-INS-3)', () => {
    const { history } = year.history({ limit: 500 })
    expect(findRow(history, failed)).toMatchObject({ event: 'authorize.unreachable', at: failed.at })
    expect(findRow(history, { ...failed, at: '2020-01-01T00:00:00Z' })).toBeUndefined()
  })
})
