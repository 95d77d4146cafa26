import { describe, expect, it } from 'vitest'
import { initialTransition } from '../../machines/index.ts'
import { WIDE_MAP } from '../../src/diagrams/overview.ts'
import { formatArrow, formatPath } from '../../src/web/inspector/chart/path.ts'
import { findNearest, fitPicture, MIN_FIRST_ZOOM, revealBox } from '../../src/web/inspector/chart/viewport.ts'
import { readGuard } from '../../src/web/inspector/panel/guard-facts.ts'
import type { Snapshot } from '../../src/web/inspector/source.ts'

const HOUR = 3_600_000
const NOW = Date.parse('2026-11-29T20:00:00Z')
const CANVAS = { width: 924, height: 604 }
const states = Object.entries(WIDE_MAP.states).map(([id, box]) => ({ id, ...box }))

describe('the first view of the chart', () => {
  it('shows the whole overview at 1280×800, with no text below 12 px (R-INS-1)', () => {
    const { x, y, zoom } = fitPicture(WIDE_MAP, CANVAS, { minZoom: MIN_FIRST_ZOOM, focus: undefined })
    expect(zoom * 12.5).toBeGreaterThanOrEqual(12)
    expect(x).toBeGreaterThanOrEqual(0)
    expect(y).toBeGreaterThanOrEqual(0)
    expect(x + WIDE_MAP.width * zoom).toBeLessThanOrEqual(CANVAS.width)
    expect(y + WIDE_MAP.height * zoom).toBeLessThanOrEqual(CANVAS.height)
  })

  it('shows the active state of a picture that is too large, and shrinks only on request', () => {
    const picture = { width: 2000, height: 3000 }
    const focus = { x: 1800, y: 2800, width: 150, height: 60 }
    const first = fitPicture(picture, CANVAS, { minZoom: MIN_FIRST_ZOOM, focus })
    expect(first.zoom).toBe(MIN_FIRST_ZOOM)
    expect(revealBox(focus, first, CANVAS)).toBeNull()
    expect(fitPicture(picture, CANVAS, { minZoom: 0.1, focus }).zoom).toBeLessThan(0.2)
  })

  it('moves no further than needed to show a state', () => {
    const box = { x: 1000, y: 100, width: 100, height: 50 }
    expect(revealBox(box, { x: 0, y: 0, zoom: 1 }, CANVAS)).toEqual({ x: -186, y: 0, zoom: 1 })
  })
})

describe('the arrow keys in the chart', () => {
  it.each([
    ['out-of-compliance', 'ArrowLeft', 'authorized'],
    ['authorized', 'ArrowRight', 'out-of-compliance'],
    ['authorized', 'ArrowDown', 'auth-expired'],
    ['evaluation', 'ArrowDown', 'unregistered'],
    ['unregistered', 'ArrowDown', 'reserved'],
    ['evaluation', 'ArrowLeft', undefined],
  ])('go from %s by %s to %s', (from, key, to) => {
    const start = states.find(({ id }) => id === from)!
    expect(findNearest(start, states, key)?.id).toBe(to)
  })
})

describe('the lines of the chart', () => {
  it('have round bends, and end where their arrow begins', () => {
    const points = [
      [0, 0],
      [100, 0],
      [100, 50],
    ] as const
    expect(formatPath(points, false)).toBe('M0 0L91 0Q100 0 100 9L100 50')
    expect(formatPath(points, true)).toBe('M0 0L91 0Q100 0 100 9L100 42.5')
    expect(formatArrow(points)).toBe('100 50,96 40.5,104 40.5')
  })
})

describe('the condition of a transition (R-INS-2)', () => {
  const { snapshot } = initialTransition(NOW)
  const withAttempt = (nextAttemptAt: number | null) =>
    ({
      ...snapshot,
      context: {
        ...snapshot.context,
        authorization: { ...snapshot.context.authorization, nextAttemptAt },
      },
    }) as Snapshot['snapshot']

  it('is not yet true before its instant, and true from it on', () => {
    const due = NOW + 3 * HOUR
    const facts = readGuard('isAuthorizationDue', withAttempt(due), NOW)
    expect(facts).toMatchObject({ isMet: false, dueAt: due })
    expect(facts.facts.map(([name]) => name)).toEqual(['nextAttemptAt', 'usage.reportAt'])
    expect(readGuard('isAuthorizationDue', withAttempt(due), due).isMet).toBe(true)
    expect(readGuard('isAuthorizationDue', withAttempt(null), NOW)).toMatchObject({
      isMet: false,
      dueAt: null,
    })
  })

  it('is left open where only the answer decides', () => {
    expect(readGuard('isCompliant', withAttempt(null), NOW).isMet).toBeNull()
    expect(readGuard('isUnreserved', withAttempt(null), NOW).isMet).toBe(true)
  })
})
