import { describe, expect, it } from 'vitest'
import {
  canIssue,
  nextSyncDeadline,
  syncTransition,
  type SyncEvent,
  type SyncSchedule,
} from '../../machines/index.ts'
import {
  answered,
  DAY,
  daily,
  runHistory,
  HOUR,
  reason,
  refused,
  START,
  createTerms,
  unreachable,
} from './sync-events.ts'

describe('the synchronization machine', () => {
  const at = START + 4 * HOUR
  const later = (days: number) => at + days * DAY
  const factsAfter = (schedule: SyncSchedule | undefined, ...events: SyncEvent[]) =>
    runHistory(schedule, events).position.context
  const detail = (events: readonly SyncEvent[], notice: string) => {
    const { position } = runHistory(undefined, events.slice(0, -1))
    const [last] = events.slice(-1)
    const commands = last ? syncTransition(position, last).commands : []
    return commands.flatMap((one) =>
      one.type === 'notice' && one.params.notice === notice ? [one.params.detail] : [],
    )
  }
  const onThird = (days: number) => Math.floor(later(days) / DAY) * DAY + 3.25 * HOUR

  it('starts with its schedule and no other data', () => {
    expect(factsAfter(undefined)).toEqual({
      schedule: { every: 'never' },
      jitter: 0.25,
      terms: null,
      lastSync: null,
      last: null,
      nextAt: null,
      failures: 0,
      exportedRequest: null,
      lastWarningDays: null,
    })
    expect(factsAfter(daily)).toMatchObject({ schedule: daily, nextAt: START + 3.25 * HOUR })
  })

  it('records the terms of an answer, and clears exported requests and failures', () => {
    const facts = factsAfter(
      daily,
      { type: 'sync.exported', at, exchange: 7 },
      unreachable(at),
      answered(later(1)),
    )
    expect(facts).toEqual({
      schedule: daily,
      jitter: 0.25,
      terms: createTerms(later(1)),
      lastSync: later(1),
      last: { at: later(1), outcome: 'succeeded', reason: null },
      failures: 0,
      exportedRequest: null,
      lastWarningDays: null,
      nextAt: onThird(2),
    })
  })

  it('records an exported request with its exchange number', () => {
    expect(factsAfter(undefined, { type: 'sync.exported', at, exchange: 7 }).exportedRequest).toEqual({
      exchange: 7,
      at,
    })
  })

  it('counts failures, waits longer after each, and never beyond the restriction', () => {
    const waits = [30_000, 60_000, 120_000].map((wait) => 5_000 + Math.floor(0.5 * (wait - 5_000)))
    const events = [answered(at), ...waits.map((_, i) => unreachable(later(i + 1)))]
    for (const [i, wait] of waits.entries())
      expect(factsAfter(undefined, ...events.slice(0, i + 2))).toMatchObject({
        last: { at: later(i + 1), outcome: 'failed', reason },
        failures: i + 1,
        nextAt: later(i + 1) + wait,
      })
    const close: SyncEvent = { ...unreachable(later(90) - 10 * 60_000), retryAfter: HOUR } as SyncEvent
    expect(factsAfter(undefined, answered(at), close).nextAt).toBe(later(90) - 60_000)
    const slow: SyncEvent = { ...unreachable(at), retryAfter: 30 * DAY } as SyncEvent
    expect(factsAfter(undefined, slow).nextAt).toBe(at + DAY)
  })

  it.each([
    [false, false, onThird(1)],
    [true, false, null],
    [false, true, null],
  ])('a refusal (ended: %s, by hand: %s) is asked again at %s', (ended, offlineOnly, nextAt) => {
    expect(factsAfter(daily, unreachable(at), refused(at, ended, offlineOnly))).toMatchObject({
      last: { at, outcome: 'failed', reason },
      failures: 0,
      nextAt,
    })
  })

  it('applies a new schedule from now on', () => {
    const weekly: SyncSchedule = { every: 'week', day: 1, hour: 5 }
    expect(factsAfter(daily, { type: 'sync.reschedule', at, schedule: weekly })).toMatchObject({
      schedule: weekly,
      nextAt: Date.parse('2027-01-04T05:15:00Z'),
    })
    expect(factsAfter(daily, { type: 'sync.reschedule', at, schedule: { every: 'never' } }).nextAt).toBeNull()
  })

  it('gives dates and reasons in its notices', () => {
    expect(detail([answered(at)], 'SYNC_DONE')).toEqual(['valid until 2027-04-01'])
    expect(detail([answered(at), { type: 'tick', at: later(30) }], 'SYNC_OVERDUE')).toEqual([
      'not synchronized since 2027-01-01; restricted from 2027-04-01',
    ])
    expect(detail([answered(at), { type: 'tick', at: later(90) }], 'SYNC_RESTRICTED')).toEqual([
      'not synchronized since 2027-01-01: the satellite grants no licenses',
    ])
    expect(detail([answered(at), { type: 'tick', at: later(150) }], 'SYNC_CREDENTIAL_ENDING')).toEqual([
      'automatic synchronization ends on 2027-06-30 unless the satellite synchronizes before',
    ])
    expect(detail([answered(at), { type: 'tick', at: later(180) }], 'SYNC_CREDENTIAL_ENDED')).toEqual([
      'automatic synchronization has ended: one offline file exchange renews it',
    ])
    for (const event of [unreachable(at), refused(at, false, false)])
      expect(detail([event], 'SYNC_FAILED')).toEqual(['no route'])
    expect(detail([refused(at, true, false)], 'SYNC_ENDED')).toEqual(['no route'])
  })

  it('warns once at 30, 14, 7, 3 and 1 days before the credential expires, and not after', () => {
    const warnedDays = (...days: number[]) =>
      factsAfter(
        undefined,
        answered(at),
        ...days.map((one): SyncEvent => ({ type: 'tick', at: later(180 - one) })),
      ).lastWarningDays
    expect(warnedDays(30.01)).toBeNull()
    expect(warnedDays(30)).toBe(30)
    expect(warnedDays(30, 14.01)).toBe(30)
    expect(warnedDays(30, 14)).toBe(14)
    expect(warnedDays(2)).toBe(3)
    expect(warnedDays(2, 1)).toBe(1)
    expect(warnedDays(2, 1, 0.5)).toBe(1)
    const { said } = runHistory(undefined, [
      answered(at),
      { type: 'tick', at: later(178) },
      { type: 'tick', at: later(178.5) },
      { type: 'tick', at: later(180) },
    ])
    expect(said.filter((one) => one.startsWith('SYNC_CREDENTIAL'))).toEqual([
      'SYNC_CREDENTIAL_ENDING',
      'SYNC_CREDENTIAL_ENDED',
    ])
  })

  it('has its next deadline at the schedule, or at a warning or end of a region', () => {
    const due = (schedule: SyncSchedule | undefined, ...events: SyncEvent[]) =>
      nextSyncDeadline(runHistory(schedule, events).position)
    const tick = (days: number): SyncEvent => ({ type: 'tick', at: later(days) })
    expect(due(undefined)).toBeNull()
    expect(due(daily)).toBe(START + 3.25 * HOUR)
    expect(due(daily, { type: 'sync.start', at })).toBeNull()
    expect(due(undefined, answered(at))).toBe(later(30))
    expect(due(undefined, answered(at), tick(30))).toBe(later(90))
    expect(due(undefined, answered(at), tick(30), tick(90))).toBe(later(150))
    expect(due(undefined, answered(at), tick(90), tick(150))).toBe(later(166))
    expect(due(undefined, answered(at), tick(90), tick(179))).toBe(later(180))
    expect(due(undefined, answered(at), tick(90), tick(180))).toBeNull()
    expect(due(daily, answered(at))).toBe(onThird(1))
    expect(due(daily, answered(at), refused(at, false, true))).toBe(later(30))
  })

  it('may issue licenses while current or overdue', () => {
    const grants = (...events: SyncEvent[]) => canIssue(runHistory(undefined, events).position)
    const tick = (days: number): SyncEvent => ({ type: 'tick', at: later(days) })
    expect([
      grants(),
      grants(answered(at)),
      grants(answered(at), tick(30)),
      grants(answered(at), tick(90)),
      grants(answered(at), refused(at, true, false)),
    ]).toEqual([false, true, true, false, false])
  })

  it('starts an exchange whose wait is longer than any wait, because the clock was ahead', () => {
    const { position } = runHistory(daily, [{ type: 'sync.reschedule', at: later(10), schedule: daily }])
    const asks = (instant: number) => syncTransition(position, { type: 'tick', at: instant }).commands.length
    expect([asks(later(9.5)), asks(later(5))]).toEqual([0, 1])
  })
})
