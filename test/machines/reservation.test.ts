import { describe, expect, it } from 'vitest'
import {
  type Context,
  isCovered,
  initialContext,
  type InstalledAuthorization,
  countReserved,
  type ReservedLicense,
  findShortfalls,
  describeShortfalls,
} from '../../machines/index.ts'
import { nextTermDeadline, listDueTermNotices, markTermsNotified } from '../../machines/reservation.ts'

const DAY = 86_400_000
const NOW = Date.parse('2027-01-01T00:00:00Z')
const part = (
  tag: string,
  count: number,
  days: number | null,
  lastWarning: number | null = null,
): ReservedLicense => ({
  tag,
  name: `${tag} License`,
  count,
  endsAt: days === null ? null : NOW + days * DAY,
  lastWarningSeconds: lastWarning,
})
const grantOf = (...licenses: ReservedLicense[]): InstalledAuthorization => ({
  ...({} as InstalledAuthorization),
  licenses,
})
const at = (days: number) => NOW + days * DAY

type Current = Context['reservation']['current']
const withCounts = (counts: Record<string, number>, current: Current): Context => {
  const fresh = initialContext(NOW)
  return {
    ...fresh,
    usage: { ...fresh.usage, counts },
    reservation: { ...fresh.reservation, current },
  }
}
const requested = { requestCode: 'r', requestedAt: NOW, grant: null, returnCode: null }
const installed = (grant: InstalledAuthorization): Current => ({ ...requested, grant })

describe('the reserved licenses', () => {
  const grant = grantOf(part('HOST', 2, null), part('HOST', 3, 10), part('XL', 1, 20))

  it('R-HOST-9 are counted by tag, each until its end', () => {
    expect([0, 9.99, 10].map((days) => countReserved(grant, 'HOST', at(days)))).toEqual([5, 5, 2])
    expect([countReserved(grant, 'XL', at(19)), countReserved(grant, 'XL', at(20))]).toEqual([1, 0])
    expect(countReserved(grant, 'NONE', at(0))).toBe(0)
  })

  it('R-HOST-9 cover the usage, or name the uncovered tags', () => {
    const using = (host: number, xl: number) => withCounts({ HOST: host, XL: xl }, installed(grant))
    expect(findShortfalls(using(5, 1), at(0))).toEqual([])
    expect(findShortfalls(using(6, 1), at(0))).toEqual(['HOST'])
    expect(findShortfalls(using(5, 1), at(20))).toEqual(['HOST', 'XL'])
    expect(describeShortfalls(using(5, 1), at(20))).toBe(
      'HOST: 5 in use, 2 reserved; XL: 1 in use, 0 reserved',
    )
  })

  it('cover nothing before the installation and during the return', () => {
    const counts = { HOST: 9 }
    const returning: Current = { ...requested, returnCode: 'c', grant }
    const all = [null, requested, returning, installed(grant)]
    const stages = ['none', 'requested', 'returning', 'installed'] as const
    const covered = all.map((current, i) =>
      isCovered(
        {
          value: {
            registration: 'unregistered',
            license: 'reserved',
            reservation: stages[i] ?? 'none',
            connection: 'unknown',
          },
          context: withCounts({}, current),
        },
        at(0),
      ),
    )
    expect(covered).toEqual([false, false, false, true])
    expect(all.map((current) => findShortfalls(withCounts(counts, current), at(0)))).toEqual([
      [],
      [],
      ['HOST'],
      ['HOST'],
    ])
    expect(all.map((current) => describeShortfalls(withCounts(counts, current), at(0)))).toEqual([
      'the reservation is being returned',
      'the reservation is being returned',
      'the reservation is being returned',
      'HOST: 9 in use, 5 reserved',
    ])
  })
})

describe('term notices', () => {
  const warnings = [30, 7].map((days) => days * 86_400)
  const news = (lastWarning: number | null, days: number) =>
    listDueTermNotices(grantOf(part('HOST', 3, 100, lastWarning)), at(days), warnings)
  const warned = { tag: 'HOST', count: 3, endsAt: at(100), ended: false }

  it('are given once at each warning threshold and at the end', () => {
    expect(news(null, 69.99)).toEqual([])
    expect(news(null, 70)).toEqual([warned])
    expect(news(30 * 86_400, 92)).toEqual([])
    expect(news(30 * 86_400, 93)).toEqual([warned])
    expect(news(7 * 86_400, 99.99)).toEqual([])
    expect(news(7 * 86_400, 100)).toEqual([{ ...warned, ended: true }])
    expect(news(null, 100)).toEqual([{ ...warned, ended: true }])
    expect(news(0, 101)).toEqual([])
  })

  it('are not given for perpetual licenses', () => {
    const grant = grantOf(part('HOST', 3, null))
    expect(listDueTermNotices(grant, at(1000), warnings)).toEqual([])
    expect(markTermsNotified(grant, at(1000), warnings).licenses).toEqual(grant.licenses)
    expect(nextTermDeadline(grant, warnings)).toBeNull()
  })

  it('are recorded with the last threshold reached', () => {
    const warningAfter = (before: number | null, days: number) =>
      markTermsNotified(grantOf(part('HOST', 3, 100, before)), at(days), warnings).licenses[0]
        ?.lastWarningSeconds
    expect([
      warningAfter(null, 50),
      warningAfter(null, 70),
      warningAfter(null, 95),
      warningAfter(30 * 86_400, 80),
      warningAfter(30 * 86_400, 100),
    ]).toEqual([null, 30 * 86_400, 7 * 86_400, 30 * 86_400, 0])
  })

  it('are next due at the earliest threshold not yet reported', () => {
    const next = (...licenses: ReservedLicense[]) => nextTermDeadline(grantOf(...licenses), warnings)
    expect(next(part('A', 1, 100))).toBe(at(70))
    expect(next(part('A', 1, 100, 30 * 86_400))).toBe(at(93))
    expect(next(part('A', 1, 100, 7 * 86_400), part('B', 1, 99, 7 * 86_400))).toBe(at(99))
    expect(next(part('A', 1, 100, 0), part('B', 1, null))).toBeNull()
  })
})
