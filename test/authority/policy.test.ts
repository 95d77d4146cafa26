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
/** Time in these worlds: a few instants, so that things begin and end at the same one often. */
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
const plainlyOwned = (all: readonly Lot[], at: number) => {
  let sum = 0
  for (const { quantity, startsAt, endsAt } of all) if (startsAt <= at && lasts(endsAt, at)) sum += quantity
  return sum
}
const plainlyHeld = (all: readonly ReservedQuantity[], at: number) => {
  let sum = 0
  for (const { count, endsAt } of all) if (lasts(endsAt, at)) sum += count
  return sum
}

describe('what a pool owns', () => {
  it('R-ACC-6: is what has begun and not ended, to the millisecond', () => {
    const lot = { quantity: 3, startsAt: 5, endsAt: 9 }
    expect([4, 5, 8, 9].map((at) => countOwned([lot], at))).toEqual([0, 3, 3, 0])
    expect(countOwned([{ ...lot, endsAt: null }], 1e15)).toBe(3)
    const row = { starts_at: 5, ends_at: 9 }
    expect([4, 5, 8, 9].map((at) => filterActiveLots([row], at).length)).toEqual([0, 1, 1, 0])
    expect(filterActiveLots([{ ...row, ends_at: null }, row], 9)).toEqual([{ ...row, ends_at: null }])
  })

  it('at its most is what it owns at some instant from one to another', () => {
    fc.assert(
      fc.property(lots, instant, fc.integer({ min: 0, max: 6 }), (all, from, length) => {
        const within = everyInstant.filter((at) => at >= from && at < from + length)
        expect(computePeakOwned(all, from, from + length)).toBe(
          Math.max(0, ...within.map((at) => plainlyOwned(all, at))),
        )
      }),
    )
  })

  it('R-AUTH-2, R-ACC-2: covers what is in use and reserved together, or does not', () => {
    expect(isCompliant({ owned: 5, inUse: 3, reserved: 2 })).toBe(true)
    expect(isCompliant({ owned: 5, inUse: 4, reserved: 2 })).toBe(false)
    expect(isCompliant({ owned: 5, inUse: 3, reserved: 3 })).toBe(false)
    expect(isCompliant({ owned: 0, inUse: 0, reserved: 0 })).toBe(true)
  })
})

describe('what a reservation holds', () => {
  it('R-SLR-5: is the larger of what its authorizations hold, and the same as parts', () => {
    fc.assert(
      fc.property(authorizations, instant, (all, from) => {
        for (const at of everyInstant)
          expect(countReserved(all, at)).toBe(Math.max(0, ...all.map((one) => plainlyHeld(one, at))))
        const intervals = toReservedIntervals(all, from)
        for (const at of everyInstant.filter((moment) => moment >= from))
          expect(plainlyHeld(intervals, at)).toBe(countReserved(all, at))
        // Each until its end, the longest first, and none for nothing.
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

describe('choosing which licenses to reserve', () => {
  const pool = fc.record({
    count: fc.integer({ min: 1, max: 8 }),
    lots,
    others: parts,
    inUse: fc.integer({ min: 0, max: 6 }),
    at: instant,
  })

  it('R-SLR-3: takes as many as are asked for, never one that another has, now or later', () => {
    let chosen = 0
    fc.assert(
      fc.property(pool, ({ count, lots: all, others, inUse, at }) => {
        const held = (moment: number) => plainlyHeld(others, moment)
        const taken = allocateLicenses(count, { lots: all, reservedAt: held, inUse, at })
        const owned = (moment: number) => plainlyOwned(all, moment)
        if (taken === null) {
          // Refused only where fewer are free now: what ends sooner is as good, for as long as it lasts.
          const later = everyInstant.filter((moment) => moment >= at)
          const ends = [...new Set(all.map(({ endsAt }) => endsAt ?? 14))].filter((one) => one > at)
          const most = Math.max(
            0,
            ...ends.map((one) =>
              Math.min(
                ...later.filter((moment) => moment < one).map((moment) => owned(moment) - held(moment)),
              ),
            ),
          )
          expect(most).toBeLessThan(count + inUse)
          return
        }
        chosen++
        expect(taken.reduce((sum, part) => sum + part.count, 0)).toBe(count)
        const left = Math.min(inUse, Math.max(0, owned(at) - held(at) - count))
        for (const moment of everyInstant.filter((one) => one >= at)) {
          const reserved = plainlyHeld(taken, moment)
          if (reserved > 0) expect(reserved + held(moment) + left).toBeLessThanOrEqual(owned(moment))
        }
        const ends = taken.map(({ endsAt }) => endsAt ?? Infinity)
        expect(ends).toEqual([...new Set(ends)].sort((a, b) => b - a))
      }),
      { numRuns: 2_000 },
    )
    expect(chosen).toBeGreaterThan(100)
  })

  it('takes those that last longest first, and leaves the others what they use', () => {
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
    // At the end of a lot it is there no more.
    expect(choose(7, { at: 10 })).toHaveLength(2)
    expect(choose(8, { at: 10 })).toBeNull()
    // Two that are in use are left the longest there is; three of the reservation last less long.
    expect(choose(3, { inUse: 2 })).toEqual([
      { count: 1, endsAt: null },
      { count: 2, endsAt: 20 },
    ])
    // More is in use than would be left: what is beyond is not kept free.
    expect(choose(8, { inUse: 5 })).toEqual([
      { count: 2, endsAt: null },
      { count: 4, endsAt: 20 },
      { count: 2, endsAt: 10 },
    ])
    // What others have reserved is theirs, before what is in use is kept free.
    const nine = [{ quantity: 9, startsAt: 0, endsAt: null }]
    expect(choose(4, { lots: nine, reservedAt: () => 4, inUse: 5 })).toEqual([{ count: 4, endsAt: null }])
    // What others have reserved until a later instant is theirs until then.
    expect(choose(3, { reservedAt: (at) => (at < 8 ? 4 : 0) })).toEqual([{ count: 3, endsAt: null }])
    expect(choose(6, { reservedAt: (at) => (at < 8 ? 4 : 0) })).toBeNull()
    // A lot that begins later is nothing now.
    expect(choose(1, { lots: [{ quantity: 5, startsAt: 6, endsAt: null }] })).toBeNull()
  })
})

describe('a token', () => {
  const token: TokenState = { revokedAt: null, expiresAt: 100, uses: 1, maxUses: 2, inReview: false }
  const refusalFor = (changed: Partial<TokenState>, at = 99) => getTokenRefusal({ ...token, ...changed }, at)

  it('R-TOK-4: is refused from the instant at which it expires, and when it has been used as often as it may be', () => {
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
    // Of several reasons the one that somebody decided is told.
    expect(refusalFor({ revokedAt: 5, inReview: true, uses: 2 }, 200)?.code).toBe('TOKEN_REVOKED')
    expect(refusalFor({ inReview: true, uses: 2 }, 200)?.code).toBe('TOKEN_IN_DOUBT')
    expect(refusalFor({ uses: 2 }, 200)?.code).toBe('TOKEN_EXPIRED')
  })
})

it('boxes that come together are asked to come back within the three days before they would', () => {
  expect(jitterContactDelay(0)).toBe(30 * DAY)
  expect(jitterContactDelay(1)).toBe(27 * DAY)
  expect(jitterContactDelay(0.5)).toBe(28.5 * DAY)
})

it('R-AUTH-1: an identity lasts a year, an authorization ninety days, and both begin five minutes ago', () => {
  expect([IDENTITY_LIFETIME, AUTHORIZATION_LIFETIME, BACKDATE_MS]).toEqual([365 * DAY, 90 * DAY, 300_000])
})

it('an account is named in a token by eleven characters, which say nothing of it', () => {
  expect(hashAccountDomain('acme.example')).toMatch(/^[\w-]{11}$/)
  expect(hashAccountDomain('acme.example')).not.toBe(hashAccountDomain('acme.exemple'))
})
