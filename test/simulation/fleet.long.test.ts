import { describe, expect, it } from 'vitest'
import { retryWaits } from '../../machines/index.ts'
import { type FleetPlan, letFleetLive } from '../../tools/simulator/index.ts'

const SECOND = 1_000
const HOUR = 3_600 * SECOND
const DAY = 24 * HOUR

const outage: FleetPlan = {
  seed: 5,
  boxes: 300,
  lasts: 34 * DAY,
  installedWithin: 30 * DAY,
  usageChanges: { every: 4 * HOUR, from: 31.75 * DAY },
  outage: { from: 32 * DAY, until: 32 * DAY + 8 * HOUR },
  work: { answer: 2, sendAway: 1 },
}
const longest = Math.max(...retryWaits)

describe('a fleet of statecharts', () => {
  it('R-AUTH-1: lives through a year, each box by its dozen contacts', () => {
    const boxes = 50
    const report = letFleetLive({
      ...outage,
      boxes,
      lasts: 365 * DAY,
      usageChanges: null,
      outage: null,
    })
    expect(report.states).toEqual({ authorized: boxes })
    expect(report.expired).toBe(0)
    expect(report.after).toBeNull()
    // Registered, authorized every 30 days, renewed once or twice and each renewal acknowledged.
    expect(report.answered / boxes).toBeGreaterThan(13)
    expect(report.answered / boxes).toBeLessThan(19)
  })

  it('R-AUTH-4: comes back from an outage of eight hours spread out, and is right within the longest wait', () => {
    const { after, states, expired } = letFleetLive(outage)
    expect(states).toEqual({ authorized: outage.boxes })
    expect(expired).toBe(0)
    // Most boxes had something to say meanwhile.
    expect(after?.waiting).toBeGreaterThan(0.7 * outage.boxes)
    expect(after?.sentAway).toBe(0)
    expect(after?.rightAfter).toBeGreaterThan(HOUR)
    expect(after?.rightAfter).toBeLessThanOrEqual(longest + SECOND)
    expect(Math.max(...(after?.arrivals ?? []))).toBeLessThan(outage.boxes / 20)
  })

  it('R-AUTH-4: an authority that is too slow for all of them sends some away, and all are right in the end', () => {
    const { after, states } = letFleetLive({ ...outage, work: { answer: 40 * SECOND, sendAway: SECOND } })
    expect(after?.sentAway).toBeGreaterThan(0)
    expect(after?.rightAfter).not.toBeNull()
    expect(states).toEqual({ authorized: outage.boxes })
  })

  it('lives the same by the same plan, and otherwise by another seed', () => {
    const plan = { ...outage, boxes: 40 }
    expect(letFleetLive(plan)).toEqual(letFleetLive(plan))
    expect(letFleetLive({ ...plan, seed: 6 })).not.toEqual(letFleetLive(plan))
  })

  it('without an outage, or until its end, nobody waits in vain', () => {
    const { after } = letFleetLive({ ...outage, boxes: 40, lasts: 32 * DAY + 4 * HOUR })
    expect(after).toEqual({ waiting: 0, arrivals: [], sentAway: 0, rightAfter: null })
  })
})
