import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { getAdjacencyMap } from 'xstate/graph'
import {
  getInitialSyncSnapshot,
  listStateDescriptions,
  canIssue,
  nextScheduledAt,
  nextSyncDeadline,
  satelliteSyncMachine,
  syncTransition,
  type SyncEvent,
  type SyncSnapshot,
} from '../../machines/index.ts'
import { listNodes } from './nodes.ts'
import { answered, DAY, daily, runHistory, HOUR, refused, START, unreachable } from './sync-events.ts'
import { formatTransitions } from './transition-lines.ts'

type Snapshot = ReturnType<typeof satelliteSyncMachine.resolveState>
const positionOf = (snapshot: Snapshot) =>
  ({ value: snapshot.value, context: snapshot.context }) as unknown as SyncSnapshot

/** Returns the latest past instant in the context. */
const nowOf = ({ context }: SyncSnapshot): number => Math.max(START, context.last?.at ?? 0)

function eventsAt(snapshot: Snapshot): SyncEvent[] {
  const position = positionOf(snapshot)
  const { terms } = position.context
  const at = nowOf(position) + 1000
  const dues = [terms?.warnAt, terms?.restrictAt, terms?.automaticUntil, nextSyncDeadline(position)]
  return [
    answered(at),
    refused(at, false, false),
    refused(at, true, false),
    refused(at, false, true),
    unreachable(at),
    { type: 'sync.start', at },
    { type: 'sync.exported', at, exchange: 1 },
    { type: 'sync.reschedule', at, schedule: daily },
    { type: 'sync.reschedule', at, schedule: { every: 'never' } },
    { type: 'sync.resync', at },
    { type: 'tick', at },
    ...dues.flatMap((due): SyncEvent[] =>
      typeof due === 'number' ? [{ type: 'tick', at: Math.max(due, at) }] : [],
    ),
    // Shortly before the credential for automatic synchronization expires.
    ...(terms ? [{ type: 'tick', at: Math.max(at, terms.automaticUntil - 2 * DAY) } as const] : []),
  ]
}

const adjacency = Object.values(
  getAdjacencyMap(satelliteSyncMachine as never, {
    events: eventsAt,
    serializeState: (snapshot: Snapshot) => {
      const { value, context } = positionOf(snapshot)
      return JSON.stringify([
        value,
        context.schedule.every,
        context.terms !== null,
        context.lastWarningDays,
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
const nodes = listNodes<Node>(satelliteSyncMachine.root)

describe('the synchronization machine on generated paths', () => {
  it('reaches every state', () => {
    const reached = new Set(
      adjacency.flatMap(({ state }) => (state as unknown as { _nodes: Node[] })._nodes.map(({ id }) => id)),
    )
    expect(nodes.filter(({ id }) => !reached.has(id)).map(({ id }) => id)).toEqual([])
  })

  it('takes every transition', () => {
    const taken = new Set<object>()
    for (const { state, transitions } of adjacency)
      for (const { event } of Object.values(transitions))
        for (const one of satelliteSyncMachine.getTransitionData(state, event)) taken.add(one)
    const missing = nodes.flatMap((node) =>
      [...node.transitions].flatMap(([event, transitions]) =>
        transitions.filter((one) => !taken.has(one)).map(() => `${node.path.join('.')} on ${event}`),
      ),
    )
    expect(missing).toEqual([])
  })

  it('becomes current by an accepted answer in any state, and starts one exchange at a time', () => {
    for (const { state } of adjacency) {
      const position = positionOf(state)
      const at = nowOf(position) + 1000
      const good = syncTransition(position, answered(at))
      expect(good.snapshot.value.status).toBe('current')
      expect(good.snapshot.value.credential).toBe('valid')
      expect(good.snapshot.value.exchange).toBe('idle')
      expect(canIssue(good.snapshot)).toBe(true)
      const asked = syncTransition(position, { type: 'sync.start', at })
      const asks = asked.commands.filter(({ type }) => type === 'exchange')
      expect(asked.snapshot.value.exchange).toBe('requesting')
      expect(asks).toHaveLength(position.value.exchange === 'requesting' ? 0 : 1)
    }
  })

  it('changes by a tick at its next deadline, and not before', () => {
    for (const { state } of adjacency) {
      const position = positionOf(state)
      const next = nextSyncDeadline(position)
      const at = nowOf(position)
      if (next === null) continue
      if (next - 1 > at)
        expect(syncTransition(position, { type: 'tick', at: next - 1 }).snapshot.value).toEqual(
          position.value,
        )
      const after = syncTransition(position, { type: 'tick', at: Math.max(next, at) })
      expect(JSON.stringify(after.snapshot) !== JSON.stringify(position) || after.commands.length > 0).toBe(
        true,
      )
    }
  })

  it('has a description for each state', () => {
    const described = new Set(listStateDescriptions(satelliteSyncMachine).map(({ path }) => path))
    expect(nodes.filter(({ path }) => path.length === 2 && !described.has(path.join('.')))).toEqual([])
  })
})

describe('the listed transitions of the synchronization machine with their commands', () => {
  const REGIONS = ['status', 'exchange', 'credential'] as const
  /** Region that sends each notice. The command `exchange` belongs to the region `exchange`. */
  const regionOf = (words: string): (typeof REGIONS)[number] =>
    words === 'exchange' || words === 'SYNC_FAILED'
      ? 'exchange'
      : words.startsWith('SYNC_CREDENTIAL')
        ? 'credential'
        : 'status'
  const named = (event: SyncEvent) => {
    if (event.type !== 'sync.refused') return event.type
    return event.ended
      ? 'sync.refused (ended)'
      : event.offlineOnly
        ? 'sync.refused (by hand)'
        : 'sync.refused'
  }

  it('match the reviewed list', async () => {
    const steps = adjacency.flatMap(({ state, transitions }) =>
      Object.values(transitions).map(({ event }) => {
        const { snapshot, commands } = syncTransition(positionOf(state), event)
        const words = commands.map((one) => (one.type === 'notice' ? one.params.notice : one.type))
        return {
          from: positionOf(state).value,
          to: snapshot.value,
          event: named(event),
          effects: words.map((text) => ({ region: regionOf(text), text })),
        }
      }),
    )
    const text = formatTransitions(REGIONS, steps)
    await expect(text).toMatchFileSnapshot('sync-transitions.txt')
  })
})

describe('R-SAT-2 R-SAT-4: the synchronization machine', () => {
  it('synchronizes daily for a year, and never becomes overdue', () => {
    let position = getInitialSyncSnapshot({ schedule: daily, jitter: 0.25, at: START })
    const said: string[] = []
    const step = (event: SyncEvent) => {
      const done = syncTransition(position, event)
      position = done.snapshot
      said.push(...done.commands.map((one) => (one.type === 'notice' ? one.params.notice : one.type)))
      return done.commands
    }
    for (let at = START; at < START + 365 * DAY; at += HOUR)
      if (step({ type: 'tick', at }).some(({ type }) => type === 'exchange')) step(answered(at))
    expect(said.filter((one) => one === 'exchange')).toHaveLength(365)
    expect(new Set(said)).toEqual(new Set(['exchange', 'SYNC_DONE']))
  })

  it('warns after 30 days, restricts after 90, and recovers by one exchange', () => {
    const at = START + 1000
    const days = Array.from({ length: 120 }, (_, i): SyncEvent => ({ type: 'tick', at: at + i * DAY }))
    const { position, said } = runHistory(undefined, [answered(at), ...days])
    expect(said).toEqual(['SYNC_DONE', 'SYNC_OVERDUE', 'SYNC_RESTRICTED'])
    expect(position.value.status).toBe('restricted')
    expect(canIssue(position)).toBe(false)
    const recovered = syncTransition(position, answered(at + 120 * DAY))
    expect(recovered.snapshot.value.status).toBe('current')
    expect(recovered.commands).toContainEqual({
      type: 'notice',
      params: { notice: 'SYNC_RESTORED', detail: 'synchronized with the manager again' },
    })
  })

  it('warns before the credential for automatic synchronization expires', () => {
    const at = START + 1000
    const days = Array.from({ length: 190 }, (_, i): SyncEvent => ({ type: 'tick', at: at + i * DAY }))
    const { position, said } = runHistory(undefined, [answered(at), ...days])
    expect(said.filter((one) => one === 'SYNC_CREDENTIAL_ENDING')).toHaveLength(5)
    expect(said.at(-1)).toBe('SYNC_CREDENTIAL_ENDED')
    expect(position.value.credential).toBe('expired')
  })

  it('retries an unreachable manager with growing delays, and recovers when the manager answers', () => {
    let position = getInitialSyncSnapshot({ schedule: daily, jitter: 0.25, at: START })
    let attempts = 0
    for (let at = START; at < START + 3 * DAY; at += 60_000) {
      const { snapshot: next, commands } = syncTransition(position, { type: 'tick', at })
      position = next
      if (!commands.some(({ type }) => type === 'exchange')) continue
      attempts++
      position = syncTransition(position, unreachable(at)).snapshot
    }
    expect(attempts).toBeGreaterThan(15)
    expect(attempts).toBeLessThan(60)
    position = syncTransition(position, { type: 'sync.start', at: START + 3 * DAY }).snapshot
    position = syncTransition(position, answered(START + 3 * DAY)).snapshot
    expect(position.context.failures).toBe(0)
  })

  it('does not retry a refusal that needs an administrator', () => {
    const at = START + 4 * HOUR
    const { position } = runHistory(daily, [{ type: 'tick', at }, refused(at, false, true)])
    expect(position.value.exchange).toBe('blocked')
    expect(nextSyncDeadline(position)).toBeNull()
    expect(syncTransition(position, { type: 'tick', at: at + 30 * DAY }).commands).toEqual([])
  })
})

describe('R-SAT-2: a scheduled synchronization', () => {
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

  it('is on its day, within an hour after its time, and within one period from now', () => {
    fc.assert(
      fc.property(
        schedules,
        fc.integer({ min: START, max: START + 4000 * DAY }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (schedule, after, jitter) => {
          const at = nextScheduledAt(schedule, after, jitter)
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

  it('is followed by the next one', () => {
    const five = START + 5 * HOUR
    expect(nextScheduledAt({ every: 'day', hour: 5 }, five, 0)).toBe(five + DAY)
    expect(nextScheduledAt({ every: 'day', hour: 5 }, five - 1, 0)).toBe(five)
    expect(nextScheduledAt({ every: 'month', day: 1, hour: 5 }, five, 0)).toBe(five + 31 * DAY)
    expect(nextScheduledAt({ every: 'month', day: 1, hour: 5 }, five - 1, 0)).toBe(five)
  })
})
