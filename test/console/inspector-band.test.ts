import { describe, expect, it } from 'vitest'
import { DAY } from '../../machines/index.ts'
import { createBand, createMarks, toPosition } from '../../src/web/inspector/history-band-model.ts'
import type { StateChanges } from '../../src/web/inspector/source.ts'
import { createInspectedYear, NOW } from '../support/inspected-year.ts'

const year = createInspectedYear()
const iso = (at: number) => new Date(at).toISOString()

/** Changes of a reserved device that more is in use on than is reserved, for 32 hours. */
const T0 = Date.parse('2026-03-02T10:00:00Z')
const change = (id: number, at: number, from: string, to: string, full: boolean) =>
  ({
    id,
    at: iso(at),
    event: 'usage.changed',
    inWords: 'the usage changed',
    from,
    to,
    full,
    notices: [],
    since: { events: 0, answered: 0, unanswered: 0 },
  }) as StateChanges['changes'][number]
const reserved: StateChanges = {
  start: { at: iso(T0), state: 'evaluation', full: true },
  changes: [
    change(1, T0 + 10 * DAY, 'evaluation', 'reserved', true),
    change(2, T0 + 100 * DAY, 'reserved', 'reserved', false),
    change(3, T0 + 101.3 * DAY, 'reserved', 'reserved', true),
  ],
  connection: [],
  events: 5,
}

describe('the band of the history', () => {
  it('shows every state since the installation without gaps (R-INS-3)', () => {
    const { segments, ticks } = createBand(year.stateChanges(), NOW, 1200)
    expect(segments.map(({ state }) => state)).toEqual([
      'evaluation',
      'registered',
      'authorized',
      'out-of-compliance',
      'authorized',
      'auth-expired',
      'authorized',
      'out-of-compliance',
    ])
    for (const [i, { left, width }] of segments.slice(0, -1).entries())
      expect(left + width).toBeCloseTo(segments[i + 1]!.left)
    expect(segments.reduce((sum, { width }) => sum + width, 0)).toBeCloseTo(100)
    expect(ticks.map(({ id }) => id)).toEqual(year.stateChanges().changes.map(({ id }) => id))
  })
  it('names only segments over 9 % in which the name fits (R-INS-3)', () => {
    const named = (width: number) =>
      createBand(year.stateChanges(), NOW, width)
        .segments.filter((segment) => segment.named)
        .map(({ state }) => state)
    expect(named(1200)).toEqual(['evaluation', 'authorized', 'authorized'])
    expect(named(300)).toEqual(['authorized'])
    expect(named(100)).toEqual([])
  })
  it('marks where only license management works, and ticks only changes of the state (R-INS-3)', () => {
    const { segments, ticks } = createBand(reserved, T0 + 200 * DAY, 1200)
    expect(segments.map(({ state, full, named }) => [state, full, named])).toEqual([
      ['evaluation', true, false],
      ['reserved', true, true],
      ['reserved', false, false],
      ['reserved', true, false],
    ])
    expect(ticks.map(({ id }) => id)).toEqual([1])
  })
  it('shows outages of the connection (R-INS-3)', () => {
    const { connection } = createBand(year.stateChanges(), NOW, 1200)
    expect(connection.map(({ state }) => state)).toEqual(['unknown', 'up', 'down', 'up', 'down', 'up'])
    expect(connection.at(-1)?.to).toBe(NOW)
  })
  it('places an instant outside of the band at its ends (R-INS-3)', () => {
    expect([toPosition(5, 10, 20), toPosition(15, 10, 20), toPosition(25, 10, 20)]).toEqual([0, 50, 100])
    expect(toPosition(10, 10, 10)).toBe(0)
  })
})

describe('the marks of the time axis', () => {
  const list = (days: number, width = 1200) =>
    createMarks(T0, T0 + days * DAY, width).map(({ label }) => label)
  it('are months in a year, with the year in January (R-INS-3)', () => {
    expect(list(365)).toEqual([
      ...['Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec', 'Jan 2027', 'Feb'],
    ])
  })
  it('are days in a month and hours in a day (R-INS-3)', () => {
    expect(list(20).slice(0, 3)).toEqual(['Mar 4', 'Mar 6', 'Mar 8'])
    expect(list(1).slice(0, 4)).toEqual(['12:00', '15:00', '18:00', '21:00'])
    expect(list(1)).toContain('Mar 3')
  })
  it('never lie closer than their labels need (R-INS-3)', () => {
    for (const days of [0.01, 1, 9, 40, 400, 4000])
      for (const width of [300, 900, 1900]) {
        const positions = createMarks(T0, T0 + days * DAY, width).map(({ left }) => (left * width) / 100)
        for (const [i, left] of positions.slice(1).entries()) expect(left - positions[i]!).toBeGreaterThan(58)
      }
  })
})
