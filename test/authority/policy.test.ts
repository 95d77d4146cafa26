import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  hashAccountDomain,
  filterActiveLots,
  AUTHORIZATION_LIFETIME,
  BACKDATE_MS,
  allocateLicenses,
  isCompliant,
  countReserved,
  toReservedIntervals,
  IDENTITY_LIFETIME,
  type Lot,
  computePeakOwned,
  countOwned,
  type ReservedQuantity,
  jitterContactDelay,
  type TokenState,
  getTokenRefusal,
} from '../../src/authority/policy.ts'

const DAY = 86_400_000
/** A point in time. There are few, so that lots often begin and end at the same instant. */
const instant = fc.integer({ min: 0, max: 12 })
const end = fc.option(instant, { nil: null })
const lots = fc.array(
  fc.record({ quantity: fc.integer({ min: 1, max: 5 }), startsAt: instant, endsAt: end }),
  {
    maxLength: 5,
  },
)
const parts = fc.array(fc.record({ count: fc.integer({ min: 1, max: 5 }), endsAt: end }), { maxLength: 4 })
const authorizations = fc.array(parts, { maxLength: 3 })
const everyInstant = Array.from({ length: 15 }, (_, at) => at)
const lasts = (endsAt: number | null, at: number) => endsAt === null || at < endsAt
const sumOwned = (all: readonly Lot[], at: number) => {
  let sum = 0
  for (const { quantity, startsAt, endsAt } of all) if (startsAt <= at && lasts(endsAt, at)) sum += quantity
  return sum
}
const sumReserved = (all: readonly ReservedQuantity[], at: number) => {
  let sum = 0
  for (const { count, endsAt } of all) if (lasts(endsAt, at)) sum += count
  return sum
}

describe('the owned quantity of a pool', () => {
  it('counts the lots that have begun and not ended, to the millisecond (R-ACC-6)', () => {
    const lot = { quantity: 3, startsAt: 5, endsAt: 9 }
    expect([4, 5, 8, 9].map((at) => countOwned([lot], at))).toEqual([0, 3, 3, 0])
    expect(countOwned([{ ...lot, endsAt: null }], 1e15)).toBe(3)
    const row = { starts_at: 5, ends_at: 9 }
    expect([4, 5, 8, 9].map((at) => filterActiveLots([row], at).length)).toEqual([0, 1, 1, 0])
    expect(filterActiveLots([{ ...row, ends_at: null }, row], 9)).toEqual([{ ...row, ends_at: null }])
  })

  it('has the maximum over all instants of an interval as its peak', () => {
    fc.assert(
      fc.property(lots, instant, fc.integer({ min: 0, max: 6 }), (all, from, length) => {
        const within = everyInstant.filter((at) => at >= from && at < from + length)
        expect(computePeakOwned(all, from, from + length)).toBe(
          Math.max(0, ...within.map((at) => sumOwned(all, at))),
        )
      }),
    )
  })

  it('is compliant when it covers used and reserved licenses together (R-AUTH-2, R-ACC-2)', () => {
    expect(isCompliant({ owned: 5, inUse: 3, reserved: 2 })).toBe(true)
    expect(isCompliant({ owned: 5, inUse: 4, reserved: 2 })).toBe(false)
    expect(isCompliant({ owned: 5, inUse: 3, reserved: 3 })).toBe(false)
    expect(isCompliant({ owned: 0, inUse: 0, reserved: 0 })).toBe(true)
  })
})

describe('the quantity of a reservation', () => {
  it('is the largest of its authorizations, as a count and as intervals (R-SLR-5)', () => {
    fc.assert(
      fc.property(authorizations, instant, (all, from) => {
        for (const at of everyInstant)
          expect(countReserved(all, at)).toBe(
            Math.max(0, ...all.map((intervals) => sumReserved(intervals, at))),
          )
        const intervals = toReservedIntervals(all, from)
        for (const at of everyInstant.filter((moment) => moment >= from))
          expect(sumReserved(intervals, at)).toBe(countReserved(all, at))
        // The intervals have distinct ends, the latest first, and positive counts.
        const ends = intervals.map(({ endsAt }) => endsAt ?? Infinity)
        expect(ends).toEqual([...new Set(ends)].sort((a, b) => b - a))
        expect(
          intervals.every(
            ({ count, endsAt }) => count > 0 && (endsAt === null || (endsAt > from && endsAt < Infinity)),
          ),
        ).toBe(true)
      }),
    )
  })
})

describe('the allocation of licenses to a reservation', () => {
  const pool = fc.record({
    count: fc.integer({ min: 1, max: 8 }),
    lots,
    others: parts,
    inUse: fc.integer({ min: 0, max: 6 }),
    at: instant,
  })

  it('takes the requested count and never a license reserved by another, now or later (R-SLR-3)', () => {
    let chosen = 0
    fc.assert(
      fc.property(pool, ({ count, lots: all, others, inUse, at }) => {
        const held = (moment: number) => sumReserved(others, moment)
        const taken = allocateLicenses(count, { lots: all, reservedAt: held, inUse, at })
        const owned = (moment: number) => sumOwned(all, moment)
        if (taken === null) {
          // A refusal requires that fewer licenses are free. Lots that end sooner count while they last.
          const later = everyInstant.filter((moment) => moment >= at)
          const ends = [...new Set(all.map(({ endsAt }) => endsAt ?? 14))].filter((end) => end > at)
          const most = Math.max(
            0,
            ...ends.map((end) =>
              Math.min(
                ...later.filter((moment) => moment < end).map((moment) => owned(moment) - held(moment)),
              ),
            ),
          )
          expect(most).toBeLessThan(count + inUse)
          return
        }
        chosen++
        expect(taken.reduce((sum, part) => sum + part.count, 0)).toBe(count)
        const left = Math.min(inUse, Math.max(0, owned(at) - held(at) - count))
        for (const moment of everyInstant.filter((instant) => instant >= at)) {
          const reserved = sumReserved(taken, moment)
          if (reserved > 0) expect(reserved + held(moment) + left).toBeLessThanOrEqual(owned(moment))
        }
        const ends = taken.map(({ endsAt }) => endsAt ?? Infinity)
        expect(ends).toEqual([...new Set(ends)].sort((a, b) => b - a))
      }),
      { numRuns: 2_000 },
    )
    expect(chosen).toBeGreaterThan(100)
  })

  it('takes the longest-lasting licenses first and leaves those in use', () => {
    const all = [
      { quantity: 2, startsAt: 0, endsAt: 10 },
      { quantity: 3, startsAt: 0, endsAt: null },
      { quantity: 4, startsAt: 0, endsAt: 20 },
    ]
    const choose = (count: number, more: Partial<Parameters<typeof allocateLicenses>[1]> = {}) =>
      allocateLicenses(count, { lots: all, reservedAt: () => 0, inUse: 0, at: 5, ...more })
    expect(choose(2)).toEqual([{ count: 2, endsAt: null }])
    expect(choose(8)).toEqual([
      { count: 3, endsAt: null },
      { count: 4, endsAt: 20 },
      { count: 1, endsAt: 10 },
    ])
    expect(choose(9)).toHaveLength(3)
    expect(choose(10)).toBeNull()
    expect(choose(1, { lots: [] })).toBeNull()
    // A lot is gone at its end.
    expect(choose(7, { at: 10 })).toHaveLength(2)
    expect(choose(8, { at: 10 })).toBeNull()
    // The two in use keep the longest-lasting licenses, so part of the reservation ends sooner.
    expect(choose(3, { inUse: 2 })).toEqual([
      { count: 1, endsAt: null },
      { count: 2, endsAt: 20 },
    ])
    // More licenses are in use than would be left. The excess is not kept free.
    expect(choose(8, { inUse: 5 })).toEqual([
      { count: 2, endsAt: null },
      { count: 4, endsAt: 20 },
      { count: 2, endsAt: 10 },
    ])
    // Other reservations take precedence over licenses in use.
    const nine = [{ quantity: 9, startsAt: 0, endsAt: null }]
    expect(choose(4, { lots: nine, reservedAt: () => 4, inUse: 5 })).toEqual([{ count: 4, endsAt: null }])
    // Other reservations count until their end.
    expect(choose(3, { reservedAt: (at) => (at < 8 ? 4 : 0) })).toEqual([{ count: 3, endsAt: null }])
    expect(choose(6, { reservedAt: (at) => (at < 8 ? 4 : 0) })).toBeNull()
    // A lot that begins later does not count yet.
    expect(choose(1, { lots: [{ quantity: 5, startsAt: 6, endsAt: null }] })).toBeNull()
  })
})

describe('a token', () => {
  const token: TokenState = { revokedAt: null, expiresAt: 100, uses: 1, maxUses: 2, inReview: false }
  const refusalFor = (changed: Partial<TokenState>, at = 99) => getTokenRefusal({ ...token, ...changed }, at)

  it('is refused once it has expired, is used up, is in review or is revoked (R-TOK-4)', () => {
    expect(refusalFor({})).toBeNull()
    expect(refusalFor({}, 100)).toEqual({
      code: 'TOKEN_EXPIRED',
      message: 'The token expired at 1970-01-01T00:00:00.100Z.',
    })
    expect(refusalFor({ uses: 2 })).toEqual({
      code: 'TOKEN_EXHAUSTED',
      message: 'The token has been used 2 times, which is its limit.',
    })
    expect(refusalFor({ uses: 1, maxUses: 1 })?.message).toBe(
      'The token has been used once, which is its limit.',
    )
    expect(refusalFor({ inReview: true })?.code).toBe('TOKEN_IN_DOUBT')
    expect(refusalFor({ revokedAt: 0 })).toEqual({
      code: 'TOKEN_REVOKED',
      message: 'The token was revoked at 1970-01-01T00:00:00.000Z.',
    })
    // Revocation is reported before review, review before expiry, expiry before exhaustion.
    expect(refusalFor({ revokedAt: 5, inReview: true, uses: 2 }, 200)?.code).toBe('TOKEN_REVOKED')
    expect(refusalFor({ inReview: true, uses: 2 }, 200)?.code).toBe('TOKEN_IN_DOUBT')
    expect(refusalFor({ uses: 2 }, 200)?.code).toBe('TOKEN_EXPIRED')
  })
})

it('the next contact is spread over the last three days of the 30-day period', () => {
  expect(jitterContactDelay(0)).toBe(30 * DAY)
  expect(jitterContactDelay(1)).toBe(27 * DAY)
  expect(jitterContactDelay(0.5)).toBe(28.5 * DAY)
})

it('an ID certificate lasts a year and an authorization 90 days, both backdated five minutes (R-AUTH-1)', () => {
  expect([IDENTITY_LIFETIME, AUTHORIZATION_LIFETIME, BACKDATE_MS]).toEqual([365 * DAY, 90 * DAY, 300_000])
})

it('a token names its account by an 11-character hash of the domain', () => {
  expect(hashAccountDomain('acme.example')).toMatch(/^[\w-]{11}$/)
  expect(hashAccountDomain('acme.example')).not.toBe(hashAccountDomain('acme.exemple'))
})
