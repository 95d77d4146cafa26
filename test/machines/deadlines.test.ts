import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  defaultPeriods,
  isDue,
  maxRetryDelay,
  nextAuthorizationAt,
  nextRetryAt,
  RETRY_DELAYS_MS,
  MIN_RETRY_DELAY_MS,
  hasElapsed,
  crossedThresholds,
} from '../../machines/index.ts'

const DAY = 86_400_000
const NOW = Date.parse('2027-01-01T00:00:00Z')
const jitter = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

describe('the periods', () => {
  it('R-EVAL-1 R-AUTH-1 R-REG-6: are the guide’s and the field’s', () => {
    expect(defaultPeriods).toEqual({
      evaluationSeconds: 90 * 86_400,
      registrationRenewal: 180 * DAY,
      authorizationRenewal: 30 * DAY,
      complianceCheck: DAY / 2,
      usageReport: 30_000,
      suggestionReach: 3 * DAY,
      retryAfterCeiling: DAY,
      evaluationWarnings: [2_592_000, 1_209_600, 604_800, 259_200, 86_400],
      termWarnings: [5_184_000, 2_592_000, 1_209_600, 604_800, 259_200, 86_400],
    })
  })
})

describe('waiting', () => {
  it('is over at its instant, or where that lies further ahead than it was ever set', () => {
    expect([isDue(null, NOW), isDue(NOW + 1, NOW), isDue(NOW, NOW)]).toEqual([false, false, true])
    expect([hasElapsed(null, NOW, 10), hasElapsed(NOW, NOW, 10)]).toEqual([false, true])
    expect([NOW + 1, NOW + 10, NOW + 11].map((instant) => hasElapsed(instant, NOW, 10))).toEqual([
      false,
      false,
      true,
    ])
    // Null is no instant of long ago.
    expect(hasElapsed(null, -100, 10)).toBe(false)
  })

  it('for another attempt lasts no longer than the table or the ceiling', () => {
    expect(maxRetryDelay({ ...defaultPeriods, maxRetryAfter: 1 })).toBe(4 * 3_600_000)
    expect(maxRetryDelay(defaultPeriods)).toBe(DAY)
  })
})

describe('retries', () => {
  const options = { retryAfter: null, ceiling: DAY, deadline: null }

  it('R-AUTH-4: that were asked to wait are spread over a tenth more', () => {
    const after = (draw: number) => nextRetryAt(NOW, 1, draw, { ...options, retryAfter: 3_600_000 }) - NOW
    expect([after(0), after(0.5), after(0.999)]).toEqual([3_600_000, 3_780_000, 3_959_640])
  })

  it('R-AUTH-4: are made a minute before the deadline, or at once when that is near, and as ever when it is past', () => {
    const late = (deadline: number | null) => nextRetryAt(NOW, 10, 0.5, { ...options, deadline }) - NOW
    const plain = late(null)
    expect(plain).toBe(MIN_RETRY_DELAY_MS + Math.floor(0.5 * (4 * 3_600_000 - MIN_RETRY_DELAY_MS)))
    expect(late(NOW + 600_000)).toBe(540_000)
    expect(late(NOW + 30_000)).toBe(MIN_RETRY_DELAY_MS)
    expect(late(NOW + 1)).toBe(MIN_RETRY_DELAY_MS)
    expect([late(NOW), late(NOW - 1), late(NOW + DAY)]).toEqual([plain, plain, plain])
  })

  it('R-AUTH-4: lie between the shortest wait and the table’s, and grow with the failures', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), jitter, (failures, draw) => {
        const at = nextRetryAt(NOW, failures, draw, { retryAfter: null, ceiling: DAY, deadline: null })
        const longest = RETRY_DELAYS_MS[Math.min(failures, RETRY_DELAYS_MS.length) - 1] ?? 0
        expect(at - NOW).toBeGreaterThanOrEqual(MIN_RETRY_DELAY_MS)
        expect(at - NOW).toBeLessThanOrEqual(longest)
      }),
    )
    expect([...RETRY_DELAYS_MS].sort((a, b) => a - b)).toEqual(RETRY_DELAYS_MS)
  })

  it('R-AUTH-4: Retry-After moves them later, never earlier, and is not believed beyond a day', () => {
    fc.assert(
      fc.property(fc.integer({ min: -DAY, max: 1000 * DAY }), jitter, (retryAfter, draw) => {
        const options = { ceiling: defaultPeriods.maxRetryAfter, deadline: null }
        const plain = nextRetryAt(NOW, 3, draw, { ...options, retryAfter: null })
        const asked = nextRetryAt(NOW, 3, draw, { ...options, retryAfter })
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
        (failures, left, retryAfter, draw) => {
          const deadline = NOW + left
          expect(nextRetryAt(NOW, failures, draw, { retryAfter, ceiling: DAY, deadline })).toBeLessThan(
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

  it('of an answer that wishes for it at once is a minute away at least, where the reach permits it', () => {
    const periods = { ...defaultPeriods, suggestionReach: 100 * DAY }
    const next = (wish: number) =>
      nextAuthorizationAt(NOW, true, periods, { deadlineAt, nextContactAt: NOW + wish }) - NOW
    expect([next(-DAY), next(0), next(59_999), next(61_000)]).toEqual([60_000, 60_000, 60_000, 61_000])
  })

  it('of an answer whose deadline is past is as ever', () => {
    const next = (left: number) =>
      nextAuthorizationAt(NOW, true, defaultPeriods, { deadlineAt: NOW + left, nextContactAt: null }) - NOW
    expect([next(1), next(0), next(-1)]).toEqual([1, 30 * DAY, 30 * DAY])
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
  it('R-EVAL-1: are those that were reached since, the largest first, and none at the end itself', () => {
    const crossed = (before: number, after: number) => crossedThresholds(before, after, [30, 14, 7])
    expect(crossed(31, 30)).toEqual([30])
    expect(crossed(30, 29)).toEqual([])
    expect(crossed(31, 31)).toEqual([])
    expect(crossed(100, 10)).toEqual([30, 14])
    expect(crossed(100, 1)).toEqual([30, 14, 7])
    expect(crossed(100, 0)).toEqual([])
  })

  it('R-EVAL-1: each is said once, however the seconds are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 * 86_400 }), { minLength: 1 }), (steps) => {
        let left = defaultPeriods.evaluationSeconds
        const said: number[] = []
        for (const used of steps) {
          const after = Math.max(0, left - used)
          said.push(...crossedThresholds(left, after, defaultPeriods.evaluationWarnings))
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
    const { arrivals, busiestSecond, createRandom } = (await import(SCRIPT)) as {
      arrivals: (boxes: number, outage: number, random: () => number) => number[]
      busiestSecond: (instants: number[]) => number
      createRandom: (seed: number) => () => number
    }
    const instants = arrivals(10_000, minutes * 60_000, createRandom(7))
    expect(busiestSecond(instants)).toBeLessThan(150)
    // And each of them comes within the longest wait.
    expect(Math.max(...instants)).toBeLessThanOrEqual(4 * 3_600_000)
  })
})
