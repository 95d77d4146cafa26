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
  findCrossedThresholds,
} from '../../machines/index.ts'

const DAY = 86_400_000
const NOW = Date.parse('2027-01-01T00:00:00Z')
const jitter = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

describe('the periods', () => {
  it('R-EVAL-1 R-AUTH-1 R-REG-6: are by default those of Cisco Smart Licensing', () => {
    expect(defaultPeriods).toEqual({
      evaluationSeconds: 90 * 86_400,
      registrationRenewal: 180 * DAY,
      authorizationRenewal: 30 * DAY,
      outOfComplianceRecheck: DAY / 2,
      usageReportDelay: 30_000,
      maxEarlyContact: 3 * DAY,
      maxRetryAfter: DAY,
      evaluationWarnings: [2_592_000, 1_209_600, 604_800, 259_200, 86_400],
      termWarnings: [5_184_000, 2_592_000, 1_209_600, 604_800, 259_200, 86_400],
    })
  })
})

describe('a wait', () => {
  it('is over at its instant, or when the instant is further away than any such wait', () => {
    expect([isDue(null, NOW), isDue(NOW + 1, NOW), isDue(NOW, NOW)]).toEqual([false, false, true])
    expect([hasElapsed(null, NOW, 10), hasElapsed(NOW, NOW, 10)]).toEqual([false, true])
    expect([NOW + 1, NOW + 10, NOW + 11].map((instant) => hasElapsed(instant, NOW, 10))).toEqual([
      false,
      false,
      true,
    ])
    // Null must not count as an instant in the past.
    expect(hasElapsed(null, -100, 10)).toBe(false)
  })

  it('for a retry is no longer than the retry table or the ceiling', () => {
    expect(maxRetryDelay({ ...defaultPeriods, maxRetryAfter: 1 })).toBe(4 * 3_600_000)
    expect(maxRetryDelay(defaultPeriods)).toBe(DAY)
  })
})

describe('retries', () => {
  const options = { retryAfter: null, ceiling: DAY, deadline: null }

  it('R-AUTH-4: spread a requested wait over a tenth more', () => {
    const after = (draw: number) => nextRetryAt(NOW, 1, draw, { ...options, retryAfter: 3_600_000 }) - NOW
    expect([after(0), after(0.5), after(0.999)]).toEqual([3_600_000, 3_780_000, 3_959_640])
  })

  it('R-AUTH-4: happen a minute before the deadline, immediately when it is near, and as usual after it', () => {
    const late = (deadline: number | null) => nextRetryAt(NOW, 10, 0.5, { ...options, deadline }) - NOW
    const plain = late(null)
    expect(plain).toBe(MIN_RETRY_DELAY_MS + Math.floor(0.5 * (4 * 3_600_000 - MIN_RETRY_DELAY_MS)))
    expect(late(NOW + 600_000)).toBe(540_000)
    expect(late(NOW + 30_000)).toBe(MIN_RETRY_DELAY_MS)
    expect(late(NOW + 1)).toBe(MIN_RETRY_DELAY_MS)
    expect([late(NOW), late(NOW - 1), late(NOW + DAY)]).toEqual([plain, plain, plain])
  })

  it('R-AUTH-4: wait between the minimum and the table’s delay, which grows with the failures', () => {
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

  it('R-AUTH-4: are delayed by Retry-After, never moved earlier, and by at most a day', () => {
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

  it('R-AUTH-4: never wait beyond the deadline', () => {
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

  it('follows the authority’s suggestion only to an earlier time, and by at most 3 days', () => {
    fc.assert(
      fc.property(fc.integer({ min: -10 * DAY, max: 100 * DAY }), (wish) => {
        const next = nextAuthorizationAt(NOW, true, defaultPeriods, { deadlineAt, nextContactAt: NOW + wish })
        expect(next - NOW).toBeLessThanOrEqual(30 * DAY)
        expect(next - NOW).toBeGreaterThanOrEqual(27 * DAY)
        if (wish >= 27 * DAY && wish <= 30 * DAY) expect(next - NOW).toBe(wish)
      }),
    )
  })

  it('is at least a minute away when the authority suggests an immediate contact', () => {
    const periods = { ...defaultPeriods, maxEarlyContact: 100 * DAY }
    const next = (wish: number) =>
      nextAuthorizationAt(NOW, true, periods, { deadlineAt, nextContactAt: NOW + wish }) - NOW
    expect([next(-DAY), next(0), next(59_999), next(61_000)]).toEqual([60_000, 60_000, 60_000, 61_000])
  })

  it('ignores a deadline in the past', () => {
    const next = (left: number) =>
      nextAuthorizationAt(NOW, true, defaultPeriods, { deadlineAt: NOW + left, nextContactAt: null }) - NOW
    expect([next(1), next(0), next(-1)]).toEqual([1, 30 * DAY, 30 * DAY])
  })

  it('is never after the deadline', () => {
    const next = nextAuthorizationAt(NOW, true, defaultPeriods, {
      deadlineAt: NOW + 10 * DAY,
      nextContactAt: null,
    })
    expect(next).toBe(NOW + 10 * DAY)
  })
})

describe('warnings before the evaluation ends', () => {
  it('R-EVAL-1: are the thresholds reached since the last reading, largest first, and none at the end itself', () => {
    const crossed = (before: number, after: number) => findCrossedThresholds(before, after, [30, 14, 7])
    expect(crossed(31, 30)).toEqual([30])
    expect(crossed(30, 29)).toEqual([])
    expect(crossed(31, 31)).toEqual([])
    expect(crossed(100, 10)).toEqual([30, 14])
    expect(crossed(100, 1)).toEqual([30, 14, 7])
    expect(crossed(100, 0)).toEqual([])
  })

  it('R-EVAL-1: are each given once, whatever the size of the ticks', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 * 86_400 }), { minLength: 1 }), (steps) => {
        let left = defaultPeriods.evaluationSeconds
        const said: number[] = []
        for (const used of steps) {
          const after = Math.max(0, left - used)
          said.push(...findCrossedThresholds(left, after, defaultPeriods.evaluationWarnings))
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

/** Script that draws the page; it is not part of the build. */
const SCRIPT: string = new URL('../../scripts/arrivals.mjs', import.meta.url).href

describe('R-AUTH-4: ten thousand devices whose authority is reachable again', () => {
  it.each([10, 60, 360, 3 * 24 * 60])(
    'do not reconnect together after an outage of %d minutes',
    async (minutes) => {
      const { arrivals, busiestSecond, createRandom } = (await import(SCRIPT)) as {
        arrivals: (devices: number, outage: number, random: () => number) => number[]
        busiestSecond: (instants: number[]) => number
        createRandom: (seed: number) => () => number
      }
      const instants = arrivals(10_000, minutes * 60_000, createRandom(7))
      expect(busiestSecond(instants)).toBeLessThan(150)
      // Each device reconnects within the longest delay.
      expect(Math.max(...instants)).toBeLessThanOrEqual(4 * 3_600_000)
    },
  )
})
