import { describe, expect, it } from 'vitest'
import { RETRY_DELAYS_MS } from '../../machines/index.ts'
import { type FleetPlan, simulateFleet } from '../../tools/simulator/index.ts'

const SECOND = 1_000
const HOUR = 3_600 * SECOND
const DAY = 24 * HOUR

const outage: FleetPlan = {
  seed: 5,
  boxes: 300,
  durationMs: 34 * DAY,
  installedWithin: 30 * DAY,
  usageChanges: { every: 4 * HOUR, from: 31.75 * DAY },
  outage: { from: 32 * DAY, until: 32 * DAY + 8 * HOUR },
  work: { answer: 2, sendAway: 1 },
}
const longest = Math.max(...RETRY_DELAYS_MS)

describe('a fleet of statecharts', () => {
  it('R-AUTH-1: lives through a year, each box by its dozen contacts', () => {
    const boxes = 50
    const report = simulateFleet({
      ...outage,
      boxes,
      durationMs: 365 * DAY,
      usageChanges: null,
      outage: null,
    })
    expect(report.states).toEqual({ authorized: boxes })
    expect(report.expired).toBe(0)
    expect(report.recovery).toBeNull()
    // Registered, authorized every 30 days, renewed once or twice and each renewal acknowledged.
    expect(report.answered / boxes).toBeGreaterThan(13)
    expect(report.answered / boxes).toBeLessThan(19)
  })

  it('R-AUTH-4: comes back from an outage of eight hours spread out, and is right within the longest wait', () => {
    const { recovery, states, expired } = simulateFleet(outage)
    expect(states).toEqual({ authorized: outage.boxes })
    expect(expired).toBe(0)
    // Most boxes had something to say meanwhile.
    expect(recovery?.waiting).toBeGreaterThan(0.7 * outage.boxes)
    expect(recovery?.sentAway).toBe(0)
    expect(recovery?.recoveredAfter).toBeGreaterThan(HOUR)
    expect(recovery?.recoveredAfter).toBeLessThanOrEqual(longest + SECOND)
    expect(Math.max(...(recovery?.arrivals ?? []))).toBeLessThan(outage.boxes / 20)
  })

  it('R-AUTH-4: an authority that is too slow for all of them sends some away, and all are right in the end', () => {
    const { recovery, states } = simulateFleet({ ...outage, work: { answer: 40 * SECOND, sendAway: SECOND } })
    expect(recovery?.sentAway).toBeGreaterThan(0)
    expect(recovery?.recoveredAfter).not.toBeNull()
    expect(states).toEqual({ authorized: outage.boxes })
  })

  it('lives the same by the same plan, and otherwise by another seed', () => {
    const plan = { ...outage, boxes: 40 }
    expect(simulateFleet(plan)).toEqual(simulateFleet(plan))
    expect(simulateFleet({ ...plan, seed: 6 })).not.toEqual(simulateFleet(plan))
  })

  it('without an outage, or until its end, nobody waits in vain', () => {
    const { recovery } = simulateFleet({ ...outage, boxes: 40, durationMs: 32 * DAY + 4 * HOUR })
    expect(recovery).toEqual({ waiting: 0, arrivals: [], sentAway: 0, rightAfter: null })
  })
})
