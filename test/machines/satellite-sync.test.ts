import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { getAdjacencyMap } from 'xstate/graph'
import {
  beginSync,
  describeStates,
  mayGrant,
  nextScheduledAt,
  nextSyncDueAt,
  satelliteSync,
  stepSync,
  type SyncEvent,
  type SyncPosition,
  type SyncSchedule,
} from '../../machines/index.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const START = Date.parse('2027-01-01T00:00:00Z')
const reason = { code: 'CONNECTION_REFUSED', message: 'no road', remedy: 'wait' }
const daily: SyncSchedule = { every: 'day', hour: 3 }

const termsAt = (at: number) => ({
  answeredAt: at,
  warnAt: at + 30 * DAY,
  restrictAt: at + 90 * DAY,
  automaticUntil: at + 180 * DAY,
})
const answered = (at: number): SyncEvent => ({ type: 'ANSWERED', at, terms: termsAt(at) })
const unreachable = (at: number): SyncEvent => ({
  type: 'UNREACHABLE',
  at,
  reason,
  jitter: 0.5,
  retryAfter: null,
})
const refused = (at: number, ended: boolean, byHand: boolean): SyncEvent => ({
  type: 'REFUSED',
  at,
  reason,
  ended,
  byHand,
})

type Snapshot = ReturnType<typeof satelliteSync.resolveState>
const positionOf = (snapshot: Snapshot) =>
  ({ value: snapshot.value, context: snapshot.context }) as unknown as SyncPosition

/** The latest instant the facts mention as past. */
const nowOf = ({ context }: SyncPosition): number => Math.max(START, context.last?.at ?? 0)

function eventsAt(snapshot: Snapshot): SyncEvent[] {
  const position = positionOf(snapshot)
  const { terms } = position.context
  const at = nowOf(position) + 1000
  const dues = [terms?.warnAt, terms?.restrictAt, terms?.automaticUntil, nextSyncDueAt(position)]
  return [
    answered(at),
    refused(at, false, false),
    refused(at, true, false),
    refused(at, false, true),
    unreachable(at),
    { type: 'SYNC_NOW', at },
    { type: 'EXPORTED', at, exchange: 1 },
    { type: 'SCHEDULE', at, schedule: daily },
    { type: 'SCHEDULE', at, schedule: { every: 'never' } },
    { type: 'REPAIR', at },
    { type: 'TICK', at },
    ...dues.flatMap((due): SyncEvent[] =>
      typeof due === 'number' ? [{ type: 'TICK', at: Math.max(due, at) }] : [],
    ),
    // Shortly before the leave to synchronise by itself ends.
    ...(terms ? [{ type: 'TICK', at: Math.max(at, terms.automaticUntil - 2 * DAY) } as const] : []),
  ]
}

const adjacency = Object.values(
  getAdjacencyMap(satelliteSync as never, {
    events: eventsAt,
    serializeState: (snapshot: Snapshot) => {
      const { value, context } = positionOf(snapshot)
      return JSON.stringify([
        value,
        context.schedule.every,
        context.terms !== null,
        context.told,
        context.nextAt !== null,
      ])
    },
    serializeEvent: (event: unknown) => JSON.stringify(event),
    input: { jitter: 0.25, at: START } as never,
    limit: 100_000,
  }),
) as { state: Snapshot; transitions: Record<string, { event: SyncEvent; state: Snapshot }> }[]

interface Node {
  readonly id: string
  readonly path: readonly string[]
  readonly states: Record<string, Node>
  readonly transitions: Map<string, readonly object[]>
}
const nodes: Node[] = []
const collect = (node: Node) => {
  nodes.push(node)
  Object.values(node.states).forEach(collect)
}
collect(satelliteSync.root)

/** A history from the beginning: what the chart said on the way. */
function history(schedule: SyncSchedule | undefined, events: readonly SyncEvent[]) {
  let position = beginSync({ jitter: 0.25, at: START, ...(schedule && { schedule }) })
  const said: string[] = []
  for (const event of events) {
    const step = stepSync(position, event)
    position = step.position
    said.push(...step.commands.map((one) => (one.type === 'notice' ? one.params.notice : one.type)))
  }
  return { position, said }
}

describe('the synchronisation chart, by generated paths', () => {
  it('every state is reached', () => {
    const reached = new Set(
      adjacency.flatMap(({ state }) => (state as unknown as { _nodes: Node[] })._nodes.map(({ id }) => id)),
    )
    expect(nodes.filter(({ id }) => !reached.has(id)).map(({ id }) => id)).toEqual([])
  })

  it('every transition is taken', () => {
    const taken = new Set<object>()
    for (const { state, transitions } of adjacency)
      for (const { event } of Object.values(transitions))
        for (const one of satelliteSync.getTransitionData(state, event)) taken.add(one)
    const missing = nodes.flatMap((node) =>
      [...node.transitions].flatMap(([event, transitions]) =>
        transitions.filter((one) => !taken.has(one)).map(() => `${node.path.join('.')} on ${event}`),
      ),
    )
    expect(missing).toEqual([])
  })

  it('wherever it stands: a granted answer makes it current, and an exchange asks once', () => {
    for (const { state } of adjacency) {
      const position = positionOf(state)
      const at = nowOf(position) + 1000
      const good = stepSync(position, answered(at))
      expect(good.position.value.standing).toBe('current')
      expect(good.position.value.credential).toBe('good')
      expect(good.position.value.exchange).toBe('idle')
      expect(mayGrant(good.position)).toBe(true)
      const asked = stepSync(position, { type: 'SYNC_NOW', at })
      const asks = asked.commands.filter(({ type }) => type === 'exchange')
      expect(asked.position.value.exchange).toBe('asking')
      expect(asks).toHaveLength(position.value.exchange === 'asking' ? 0 : 1)
    }
  })

  it('what is next due is what a TICK changes: nothing before, something at it', () => {
    for (const { state } of adjacency) {
      const position = positionOf(state)
      const next = nextSyncDueAt(position)
      const at = nowOf(position)
      if (next === null) continue
      if (next - 1 > at)
        expect(stepSync(position, { type: 'TICK', at: next - 1 }).position.value).toEqual(position.value)
      const after = stepSync(position, { type: 'TICK', at: Math.max(next, at) })
      expect(JSON.stringify(after.position) !== JSON.stringify(position) || after.commands.length > 0).toBe(
        true,
      )
    }
  })

  it('every state says what it means', () => {
    const described = new Set(describeStates(satelliteSync).map(({ path }) => path))
    expect(nodes.filter(({ path }) => path.length === 2 && !described.has(path.join('.')))).toEqual([])
  })
})

describe('each transition of the synchronisation chart, with what is to be done', () => {
  const AXES = ['standing', 'exchange', 'credential'] as const
  /** What is said by which axis; to exchange is the exchange's. */
  const axisOf = (words: string): (typeof AXES)[number] =>
    words === 'exchange' || words === 'SYNC_FAILED'
      ? 'exchange'
      : words.startsWith('SYNC_CREDENTIAL')
        ? 'credential'
        : 'standing'
  const named = (event: SyncEvent) => {
    if (event.type !== 'REFUSED') return event.type
    return event.ended ? 'REFUSED (ended)' : event.byHand ? 'REFUSED (by hand)' : 'REFUSED'
  }

  it('is as it was read by people', async () => {
    const steps = adjacency.flatMap(({ state, transitions }) =>
      Object.values(transitions).map(({ event }) => ({
        before: positionOf(state).value,
        event,
        ...stepSync(positionOf(state), event),
      })),
    )
    const linesOf = (axis: (typeof AXES)[number]) => {
      const lines = steps.flatMap(({ before, event, position, commands }) => {
        const words = commands
          .map((one) => (one.type === 'notice' ? one.params.notice : one.type))
          .filter((one) => axisOf(one) === axis)
        const [from, to] = [before[axis], position.value[axis]]
        const does = words.length === 0 ? '' : `: ${words.join(', ')}`
        return from === to && words.length === 0 ? [] : [`${from}, ${named(event)} → ${to}${does}`]
      })
      return [...new Set(lines)].toSorted().join('\n')
    }
    const text = AXES.map((axis) => `${axis}\n${linesOf(axis)}\n`).join('\n')
    await expect(text).toMatchFileSnapshot('sync-transitions.txt')
  })
})

describe('what a step of the synchronisation notes and says', () => {
  const at = START + 4 * HOUR
  const later = (days: number) => at + days * DAY
  const factsAfter = (schedule: SyncSchedule | undefined, ...events: SyncEvent[]) =>
    history(schedule, events).position.context
  const detail = (events: readonly SyncEvent[], notice: string) => {
    const { position } = history(undefined, events.slice(0, -1))
    const [last] = events.slice(-1)
    const commands = last ? stepSync(position, last).commands : []
    return commands.flatMap((one) =>
      one.type === 'notice' && one.params.notice === notice ? [one.params.detail] : [],
    )
  }
  const onThird = (days: number) => Math.floor(later(days) / DAY) * DAY + 3.25 * HOUR

  it('begins with its schedule, and nothing else', () => {
    expect(factsAfter(undefined)).toEqual({
      schedule: { every: 'never' },
      jitter: 0.25,
      terms: null,
      lastSync: null,
      last: null,
      nextAt: null,
      failures: 0,
      carried: null,
      told: null,
    })
    expect(factsAfter(daily)).toMatchObject({ schedule: daily, nextAt: START + 3.25 * HOUR })
  })

  it('an answer is the terms, and the end of what was carried and what failed', () => {
    const facts = factsAfter(
      daily,
      { type: 'EXPORTED', at, exchange: 7 },
      unreachable(at),
      answered(later(1)),
    )
    expect(facts).toEqual({
      schedule: daily,
      jitter: 0.25,
      terms: termsAt(later(1)),
      lastSync: later(1),
      last: { at: later(1), outcome: 'succeeded', reason: null },
      failures: 0,
      carried: null,
      told: null,
      nextAt: onThird(2),
    })
  })

  it('a request that is carried is noted with its exchange', () => {
    expect(factsAfter(undefined, { type: 'EXPORTED', at, exchange: 7 }).carried).toEqual({ exchange: 7, at })
  })

  it('failures are counted, each waits by the count, and none past the day of restriction', () => {
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
  ])('a refusal (ended: %s, by hand: %s) is asked again at %s', (ended, byHand, nextAt) => {
    expect(factsAfter(daily, unreachable(at), refused(at, ended, byHand))).toMatchObject({
      last: { at, outcome: 'failed', reason },
      failures: 0,
      nextAt,
    })
  })

  it('another schedule counts from now', () => {
    const weekly: SyncSchedule = { every: 'week', day: 1, hour: 5 }
    expect(factsAfter(daily, { type: 'SCHEDULE', at, schedule: weekly })).toMatchObject({
      schedule: weekly,
      nextAt: Date.parse('2027-01-04T05:15:00Z'),
    })
    expect(factsAfter(daily, { type: 'SCHEDULE', at, schedule: { every: 'never' } }).nextAt).toBeNull()
  })

  it('says until when, since when, and why', () => {
    expect(detail([answered(at)], 'SYNC_DONE')).toEqual(['good until 2027-04-01'])
    expect(detail([answered(at), { type: 'TICK', at: later(30) }], 'SYNC_OVERDUE')).toEqual([
      'not synchronised since 2027-01-01; restricted from 2027-04-01',
    ])
    expect(detail([answered(at), { type: 'TICK', at: later(90) }], 'SYNC_RESTRICTED')).toEqual([
      'not synchronised since 2027-01-01: nothing is granted any more',
    ])
    expect(detail([answered(at), { type: 'TICK', at: later(150) }], 'SYNC_CREDENTIAL_ENDING')).toEqual([
      'synchronising by itself ends at 2027-06-30 unless it is used',
    ])
    for (const event of [unreachable(at), refused(at, false, false)])
      expect(detail([event], 'SYNC_FAILED')).toEqual(['no road'])
    expect(detail([refused(at, true, false)], 'SYNC_ENDED')).toEqual(['no road'])
  })

  it('the end of the credential is told at 30, 14, 7, 3 and 1 days, once each, and not after it', () => {
    const told = (...days: number[]) =>
      factsAfter(
        undefined,
        answered(at),
        ...days.map((one): SyncEvent => ({ type: 'TICK', at: later(180 - one) })),
      ).told
    expect(told(30.01)).toBeNull()
    expect(told(30)).toBe(30)
    expect(told(30, 14.01)).toBe(30)
    expect(told(30, 14)).toBe(14)
    expect(told(2)).toBe(3)
    expect(told(2, 1)).toBe(1)
    expect(told(2, 1, 0.5)).toBe(1)
    const { said } = history(undefined, [
      answered(at),
      { type: 'TICK', at: later(178) },
      { type: 'TICK', at: later(178.5) },
      { type: 'TICK', at: later(180) },
    ])
    expect(said.filter((one) => one.startsWith('SYNC_CREDENTIAL'))).toEqual([
      'SYNC_CREDENTIAL_ENDING',
      'SYNC_CREDENTIAL_ENDED',
    ])
  })

  it('what is next due is the schedule, the warnings of each axis, and their ends', () => {
    const due = (schedule: SyncSchedule | undefined, ...events: SyncEvent[]) =>
      nextSyncDueAt(history(schedule, events).position)
    const tick = (days: number): SyncEvent => ({ type: 'TICK', at: later(days) })
    expect(due(undefined)).toBeNull()
    expect(due(daily)).toBe(START + 3.25 * HOUR)
    expect(due(daily, { type: 'SYNC_NOW', at })).toBeNull()
    expect(due(undefined, answered(at))).toBe(later(30))
    expect(due(undefined, answered(at), tick(30))).toBe(later(90))
    expect(due(undefined, answered(at), tick(30), tick(90))).toBe(later(150))
    expect(due(undefined, answered(at), tick(90), tick(150))).toBe(later(166))
    expect(due(undefined, answered(at), tick(90), tick(179))).toBe(later(180))
    expect(due(undefined, answered(at), tick(90), tick(180))).toBeNull()
    expect(due(daily, answered(at))).toBe(onThird(1))
    expect(due(daily, answered(at), refused(at, false, true))).toBe(later(30))
  })

  it('grants while it is in touch, or overdue', () => {
    const grants = (...events: SyncEvent[]) => mayGrant(history(undefined, events).position)
    const tick = (days: number): SyncEvent => ({ type: 'TICK', at: later(days) })
    expect([
      grants(),
      grants(answered(at)),
      grants(answered(at), tick(30)),
      grants(answered(at), tick(90)),
      grants(answered(at), refused(at, true, false)),
    ]).toEqual([false, true, true, false, false])
  })

  it('an exchange that waits further ahead than any wait is made: the clock was ahead when it was set', () => {
    const { position } = history(daily, [{ type: 'SCHEDULE', at: later(10), schedule: daily }])
    const asks = (instant: number) => stepSync(position, { type: 'TICK', at: instant }).commands.length
    expect([asks(later(9.5)), asks(later(5))]).toEqual([0, 1])
  })
})

describe('R-SAT-2 R-SAT-4: its histories', () => {
  it('synchronises daily for a year, and never becomes overdue', () => {
    let position = beginSync({ schedule: daily, jitter: 0.25, at: START })
    const said: string[] = []
    const step = (event: SyncEvent) => {
      const done = stepSync(position, event)
      position = done.position
      said.push(...done.commands.map((one) => (one.type === 'notice' ? one.params.notice : one.type)))
      return done.commands
    }
    for (let at = START; at < START + 365 * DAY; at += HOUR)
      if (step({ type: 'TICK', at }).some(({ type }) => type === 'exchange')) step(answered(at))
    expect(said.filter((one) => one === 'exchange')).toHaveLength(365)
    expect(new Set(said)).toEqual(new Set(['exchange', 'SYNC_DONE']))
  })

  it('warns at 30 days, restricts at 90, and is mended by one exchange', () => {
    const at = START + 1000
    const days = Array.from({ length: 120 }, (_, i): SyncEvent => ({ type: 'TICK', at: at + i * DAY }))
    const { position, said } = history(undefined, [answered(at), ...days])
    expect(said).toEqual(['SYNC_DONE', 'SYNC_OVERDUE', 'SYNC_RESTRICTED'])
    expect(position.value.standing).toBe('restricted')
    expect(mayGrant(position)).toBe(false)
    const mended = stepSync(position, answered(at + 120 * DAY))
    expect(mended.position.value.standing).toBe('current')
    expect(mended.commands).toContainEqual({
      type: 'notice',
      params: { notice: 'SYNC_RESTORED', detail: 'in touch with the manager again' },
    })
  })

  it('announces the end of the automatic credential before it comes', () => {
    const at = START + 1000
    const days = Array.from({ length: 190 }, (_, i): SyncEvent => ({ type: 'TICK', at: at + i * DAY }))
    const { position, said } = history(undefined, [answered(at), ...days])
    expect(said.filter((one) => one === 'SYNC_CREDENTIAL_ENDING')).toHaveLength(5)
    expect(said.at(-1)).toBe('SYNC_CREDENTIAL_ENDED')
    expect(position.value.credential).toBe('ended')
  })

  it('a manager that cannot be reached is tried again, more and more rarely, and once it answers it is well', () => {
    let position = beginSync({ schedule: daily, jitter: 0.25, at: START })
    let attempts = 0
    for (let at = START; at < START + 3 * DAY; at += 60_000) {
      const { position: next, commands } = stepSync(position, { type: 'TICK', at })
      position = next
      if (!commands.some(({ type }) => type === 'exchange')) continue
      attempts++
      position = stepSync(position, unreachable(at)).position
    }
    expect(attempts).toBeGreaterThan(15)
    expect(attempts).toBeLessThan(60)
    position = stepSync(position, { type: 'SYNC_NOW', at: START + 3 * DAY }).position
    position = stepSync(position, answered(START + 3 * DAY)).position
    expect(position.context.failures).toBe(0)
  })

  it('a refusal that only a person can mend is not tried again by itself', () => {
    const at = START + 4 * HOUR
    const { position } = history(daily, [{ type: 'TICK', at }, refused(at, false, true)])
    expect(position.value.exchange).toBe('blocked')
    expect(nextSyncDueAt(position)).toBeNull()
    expect(stepSync(position, { type: 'TICK', at: at + 30 * DAY }).commands).toEqual([])
  })
})

describe('R-SAT-2: the schedule', () => {
  const schedules = fc.oneof(
    fc.record({ every: fc.constant('day' as const), hour: fc.integer({ min: 0, max: 23 }) }),
    fc.record({
      every: fc.constant('week' as const),
      day: fc.integer({ min: 1, max: 7 }),
      hour: fc.integer({ min: 0, max: 23 }),
    }),
    fc.record({
      every: fc.constant('month' as const),
      day: fc.integer({ min: 1, max: 28 }),
      hour: fc.integer({ min: 0, max: 23 }),
    }),
  )

  it('comes after now, on its day, within the hour that follows its hour, and not later than its period', () => {
    fc.assert(
      fc.property(
        schedules,
        fc.integer({ min: START, max: START + 4000 * DAY }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (schedule, after, jitter) => {
          const at = nextScheduledAt(schedule, after, jitter) ?? NaN
          const date = new Date(at)
          expect(at).toBeGreaterThan(after)
          expect(at - after).toBeLessThanOrEqual({ day: 1, week: 7, month: 31 }[schedule.every] * DAY)
          expect(date.getUTCHours()).toBe(schedule.hour)
          if (schedule.every === 'week') expect(((date.getUTCDay() + 6) % 7) + 1).toBe(schedule.day)
          if (schedule.every === 'month') expect(date.getUTCDate()).toBe(schedule.day)
        },
      ),
      { numRuns: 500 },
    )
    expect(nextScheduledAt({ every: 'never' }, START, 0)).toBeNull()
  })
})
