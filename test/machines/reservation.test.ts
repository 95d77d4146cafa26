import { describe, expect, it } from 'vitest'
import {
  type Context,
  covered,
  freshContext,
  type Grant,
  reservedCount,
  type ReservedLicense,
  uncovered,
  uncoveredWords,
} from '../../machines/index.ts'
import { nextTermAt, termNews, toldTerms } from '../../machines/reservation.ts'

const DAY = 86_400_000
const NOW = Date.parse('2027-01-01T00:00:00Z')
const part = (
  tag: string,
  count: number,
  days: number | null,
  told: number | null = null,
): ReservedLicense => ({
  tag,
  name: `${tag} License`,
  count,
  endsAt: days === null ? null : NOW + days * DAY,
  told,
})
const grantOf = (...licenses: ReservedLicense[]): Grant => ({ ...({} as Grant), licenses })
const at = (days: number) => NOW + days * DAY

type Current = Context['reservation']['current']
const withCounts = (counts: Record<string, number>, current: Current): Context => {
  const fresh = freshContext()
  return {
    ...fresh,
    usage: { ...fresh.usage, counts },
    reservation: { ...fresh.reservation, current },
  }
}
const installed = (grant: Grant): Current => ({ stage: 'installed', requestCode: 'r', grant })

describe('what is reserved', () => {
  const grant = grantOf(part('HOST', 2, null), part('HOST', 3, 10), part('XL', 1, 20))

  it('R-HOST-9 is counted by its tag, each part until its end', () => {
    expect([0, 9.99, 10].map((days) => reservedCount(grant, 'HOST', at(days)))).toEqual([5, 5, 2])
    expect([reservedCount(grant, 'XL', at(19)), reservedCount(grant, 'XL', at(20))]).toEqual([1, 0])
    expect(reservedCount(grant, 'NONE', at(0))).toBe(0)
  })

  it('R-HOST-9 covers what is in use, or names the tags that it does not', () => {
    const using = (host: number, xl: number) => withCounts({ HOST: host, XL: xl }, installed(grant))
    expect([covered(using(5, 1), at(0)), uncovered(using(5, 1), at(0))]).toEqual([true, []])
    expect([covered(using(6, 1), at(0)), uncovered(using(6, 1), at(0))]).toEqual([false, ['HOST']])
    expect(uncovered(using(5, 1), at(20))).toEqual(['HOST', 'XL'])
    expect(uncoveredWords(using(5, 1), at(20))).toBe('HOST: 5 in use, 2 reserved; XL: 1 in use, 0 reserved')
  })

  it('covers nothing before it is installed, and while it is returned', () => {
    const counts = { HOST: 9 }
    const returning: Current = { stage: 'returning', requestCode: 'r', returnCode: 'c', grant }
    const requested: Current = { stage: 'requested', requestCode: 'r', at: NOW }
    const all = [null, requested, returning, installed(grant)]
    expect(all.map((current) => covered(withCounts({}, current), at(0)))).toEqual([false, false, false, true])
    expect(all.map((current) => uncovered(withCounts(counts, current), at(0)))).toEqual([
      [],
      [],
      ['HOST'],
      ['HOST'],
    ])
    expect(all.map((current) => uncoveredWords(withCounts(counts, current), at(0)))).toEqual([
      'the reservation is being returned',
      'the reservation is being returned',
      'the reservation is being returned',
      'HOST: 9 in use, 5 reserved',
    ])
  })
})

describe('the ends of terms', () => {
  const warnings = [30, 7].map((days) => days * 86_400)
  const news = (told: number | null, days: number) =>
    termNews(grantOf(part('HOST', 3, 100, told)), at(days), warnings)
  const warned = { tag: 'HOST', count: 3, endsAt: at(100), ended: false }

  it('are told at each warning that has come, and at the end, once', () => {
    expect(news(null, 69.99)).toEqual([])
    expect(news(null, 70)).toEqual([warned])
    expect(news(30 * 86_400, 92)).toEqual([])
    expect(news(30 * 86_400, 93)).toEqual([warned])
    expect(news(7 * 86_400, 99.99)).toEqual([])
    expect(news(7 * 86_400, 100)).toEqual([{ ...warned, ended: true }])
    expect(news(null, 100)).toEqual([{ ...warned, ended: true }])
    expect(news(0, 101)).toEqual([])
  })

  it('of perpetual licences are none', () => {
    const grant = grantOf(part('HOST', 3, null))
    expect(termNews(grant, at(1000), warnings)).toEqual([])
    expect(toldTerms(grant, at(1000), warnings).licenses).toEqual(grant.licenses)
    expect(nextTermAt(grant, warnings)).toBeNull()
  })

  it('are noted as told by the warning that came last', () => {
    const told = (before: number | null, days: number) =>
      toldTerms(grantOf(part('HOST', 3, 100, before)), at(days), warnings).licenses[0]?.told
    expect([
      told(null, 50),
      told(null, 70),
      told(null, 95),
      told(30 * 86_400, 80),
      told(30 * 86_400, 100),
    ]).toEqual([null, 30 * 86_400, 7 * 86_400, 30 * 86_400, 0])
  })

  it('are next at the earliest of what was not told', () => {
    const next = (...licenses: ReservedLicense[]) => nextTermAt(grantOf(...licenses), warnings)
    expect(next(part('A', 1, 100))).toBe(at(70))
    expect(next(part('A', 1, 100, 30 * 86_400))).toBe(at(93))
    expect(next(part('A', 1, 100, 7 * 86_400), part('B', 1, 99, 7 * 86_400))).toBe(at(99))
    expect(next(part('A', 1, 100, 0), part('B', 1, null))).toBeNull()
  })
})
