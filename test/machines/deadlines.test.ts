import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  defaultPeriods,
  nextAuthorizationAt,
  nextRetryAt,
  retryWaits,
  SHORTEST_RETRY,
  warningsCrossed,
} from '../../machines/index.ts'

const DAY = 86_400_000
const NOW = Date.parse('2027-01-01T00:00:00Z')
const jitter = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

describe('retries', () => {
  it('R-AUTH-4: lie between the shortest wait and the table’s, and grow with the failures', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), jitter, (failures, dice) => {
        const at = nextRetryAt(NOW, failures, dice, { retryAfter: null, ceiling: DAY, deadline: null })
        const longest = retryWaits[Math.min(failures, retryWaits.length) - 1] ?? 0
        expect(at - NOW).toBeGreaterThanOrEqual(SHORTEST_RETRY)
        expect(at - NOW).toBeLessThanOrEqual(longest)
      }),
    )
    expect([...retryWaits].sort((a, b) => a - b)).toEqual(retryWaits)
  })

  it('R-AUTH-4: Retry-After moves them later, never earlier, and is not believed beyond a day', () => {
    fc.assert(
      fc.property(fc.integer({ min: -DAY, max: 1000 * DAY }), jitter, (retryAfter, dice) => {
        const options = { ceiling: defaultPeriods.retryAfterCeiling, deadline: null }
        const plain = nextRetryAt(NOW, 3, dice, { ...options, retryAfter: null })
        const asked = nextRetryAt(NOW, 3, dice, { ...options, retryAfter })
        expect(asked).toBeGreaterThanOrEqual(plain)
        expect(asked - NOW).toBeLessThanOrEqual(DAY)
        if (retryAfter >= 0 && retryAfter <= DAY) expect(asked - NOW).toBeGreaterThanOrEqual(retryAfter)
      }),
    )
  })

  it('R-AUTH-4: nothing moves an attempt past the deadline', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 120_000, max: 100 * DAY }),
        fc.integer({ min: 0, max: 100 * DAY }),
        jitter,
        (failures, left, retryAfter, dice) => {
          const deadline = NOW + left
          expect(nextRetryAt(NOW, failures, dice, { retryAfter, ceiling: DAY, deadline })).toBeLessThan(
            deadline,
          )
        },
      ),
    )
  })
})

describe('the next authorization', () => {
  const deadlineAt = NOW + 90 * DAY
  it('R-AUTH-1: is 30 days after a success, 12 hours while out of compliance', () => {
    const answer = { deadlineAt, nextContactAt: null }
    expect(nextAuthorizationAt(NOW, true, defaultPeriods, answer) - NOW).toBe(30 * DAY)
    expect(nextAuthorizationAt(NOW, false, defaultPeriods, answer) - NOW).toBe(DAY / 2)
  })

  it('follows the authority’s wish only earlier, and only by 3 days', () => {
    fc.assert(
      fc.property(fc.integer({ min: -10 * DAY, max: 100 * DAY }), (wish) => {
        const next = nextAuthorizationAt(NOW, true, defaultPeriods, { deadlineAt, nextContactAt: NOW + wish })
        expect(next - NOW).toBeLessThanOrEqual(30 * DAY)
        expect(next - NOW).toBeGreaterThanOrEqual(27 * DAY)
        if (wish >= 27 * DAY && wish <= 30 * DAY) expect(next - NOW).toBe(wish)
      }),
    )
  })

  it('never lies past the deadline', () => {
    const next = nextAuthorizationAt(NOW, true, defaultPeriods, {
      deadlineAt: NOW + 10 * DAY,
      nextContactAt: null,
    })
    expect(next).toBe(NOW + 10 * DAY)
  })
})

describe('warnings before the evaluation ends', () => {
  it('R-EVAL-1: each is said once, however the seconds are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 * 86_400 }), { minLength: 1 }), (steps) => {
        let left = defaultPeriods.evaluationSeconds
        const said: number[] = []
        for (const used of steps) {
          const after = Math.max(0, left - used)
          said.push(...warningsCrossed(left, after, defaultPeriods.evaluationWarnings))
          left = after
        }
        expect(new Set(said).size).toBe(said.length)
        for (const warning of defaultPeriods.evaluationWarnings) {
          if (left > warning) expect(said).not.toContain(warning)
        }
      }),
    )
  })
})

/** Not a module of the build: the page it draws is. */
const SCRIPT: string = new URL('../../scripts/arrivals.mjs', import.meta.url).href

describe('R-AUTH-4: ten thousand boxes whose authority returns', () => {
  it.each([10, 60, 360, 3 * 24 * 60])('after %d minutes do not arrive together', async (minutes) => {
    const { arrivals, busiestSecond, dice } = (await import(SCRIPT)) as {
      arrivals: (boxes: number, outage: number, random: () => number) => number[]
      busiestSecond: (instants: number[]) => number
      dice: (seed: number) => () => number
    }
    const instants = arrivals(10_000, minutes * 60_000, dice(7))
    expect(busiestSecond(instants)).toBeLessThan(150)
    // And each of them comes within the longest wait.
    expect(Math.max(...instants)).toBeLessThanOrEqual(4 * 3_600_000)
  })
})
