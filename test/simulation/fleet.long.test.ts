import { describe, expect, it } from 'vitest'
import { RETRY_DELAYS_MS } from '../../machines/index.ts'
import { type FleetPlan, simulateFleet } from '../../tools/simulator/index.ts'

const SECOND = 1_000
const HOUR = 3_600 * SECOND
const DAY = 24 * HOUR

const outage: FleetPlan = {
  seed: 5,
  devices: 300,
  durationMs: 34 * DAY,
  installedWithin: 30 * DAY,
  usageChanges: { every: 4 * HOUR, from: 31.75 * DAY },
  outage: { from: 32 * DAY, until: 32 * DAY + 8 * HOUR },
  work: { answer: 2, sendAway: 1 },
}
const maxDelay = Math.max(...RETRY_DELAYS_MS)

describe('simulateFleet', () => {
  it('keeps every device authorized for a year with about a dozen exchanges each (R-AUTH-1)', () => {
    const devices = 50
    const report = simulateFleet({
      ...outage,
      devices,
      durationMs: 365 * DAY,
      usageChanges: null,
      outage: null,
    })
    expect(report.states).toEqual({ authorized: devices })
    expect(report.expired).toBe(0)
    expect(report.recovery).toBeNull()
    // Registered, authorized every 30 days, renewed once or twice and each renewal acknowledged.
    expect(report.answered / devices).toBeGreaterThan(13)
    expect(report.answered / devices).toBeLessThan(19)
  })

  it('spreads the attempts after an outage of eight hours and recovers within the longest retry delay (R-AUTH-4)', () => {
    const { recovery, states, expired } = simulateFleet(outage)
    expect(states).toEqual({ authorized: outage.devices })
    expect(expired).toBe(0)
    // Most devices had a usage change to report during the outage.
    expect(recovery?.waiting).toBeGreaterThan(0.7 * outage.devices)
    expect(recovery?.sentAway).toBe(0)
    expect(recovery?.recoveredAfter).toBeGreaterThan(HOUR)
    expect(recovery?.recoveredAfter).toBeLessThanOrEqual(maxDelay + SECOND)
    expect(Math.max(...(recovery?.arrivals ?? []))).toBeLessThan(outage.devices / 20)
  })

  it('recovers fully when a slow authority rejects a part of the attempts (R-AUTH-4)', () => {
    const { recovery, states } = simulateFleet({ ...outage, work: { answer: 40 * SECOND, sendAway: SECOND } })
    expect(recovery?.sentAway).toBeGreaterThan(0)
    expect(recovery?.recoveredAfter).not.toBeNull()
    expect(states).toEqual({ authorized: outage.devices })
  })

  it('returns the same report for the same plan, and another report for another seed', () => {
    const plan = { ...outage, devices: 40 }
    expect(simulateFleet(plan)).toEqual(simulateFleet(plan))
    expect(simulateFleet({ ...plan, seed: 6 })).not.toEqual(simulateFleet(plan))
  })

  it('reports an empty recovery when the run ends before the outage does', () => {
    const { recovery } = simulateFleet({ ...outage, devices: 40, durationMs: 32 * DAY + 4 * HOUR })
    expect(recovery).toEqual({ waiting: 0, arrivals: [], sentAway: 0, recoveredAfter: null })
  })
})
