import { assign, initialTransition, setup, transition } from 'xstate'
import { defaultPeriods, due, longestRetry, nextRetryAt, waited } from './deadlines.ts'
import { expectEvent } from './assert-event-type.ts'
import { longestWait, nextScheduledAt } from './schedule.ts'
import { DAY, type Instant } from './time.ts'
import type { SyncContext, SyncPosition, SyncSchedule } from './satellite-sync-context.ts'
import type { SyncCommand, SyncEvent, SyncNotice } from './satellite-sync-machine.types.ts'

/** Days before the end of the automatic credential at which it is warned of. */
export const CREDENTIAL_WARNINGS: readonly number[] = [30, 14, 7, 3, 1]

/** The warning that has come and was not given yet; null for none. */
function warningDue({ terms, told }: SyncContext, at: Instant): number | null {
  if (terms === null || at >= terms.automaticUntil) return null
  const left = terms.automaticUntil - at
  const come = CREDENTIAL_WARNINGS.filter((days) => left <= days * DAY)
  const closest = come.at(-1)
  return closest !== undefined && (told === null || closest < told) ? closest : null
}

/** Whether only a person can help. */
function needsHand(event: SyncEvent): boolean {
  expectEvent(event, 'REFUSED')
  return event.ended || event.byHand
}

const day = (instant: Instant | undefined): string =>
  instant === undefined ? '' : new Date(instant).toISOString().slice(0, 10)

const chart = setup({
  types: {
    context: {} as SyncContext,
    events: {} as SyncEvent,
    input: {} as { schedule?: SyncSchedule; jitter: number; at: Instant },
  },
  guards: {
    overdue: ({ context, event }) => due(context.terms?.warnAt ?? null, event.at),
    restricted: ({ context, event }) => due(context.terms?.restrictAt ?? null, event.at),
    scheduleDue: ({ context, event }) =>
      waited(context.nextAt, event.at, Math.max(longestWait(context.schedule), longestRetry(defaultPeriods))),
    credentialOver: ({ context, event }) => due(context.terms?.automaticUntil ?? null, event.at),
    credentialWarning: ({ context, event }) => warningDue(context, event.at) !== null,
    ended: ({ event }) => {
      expectEvent(event, 'REFUSED')
      return event.ended
    },
    byHand: ({ event }) => needsHand(event),
  },
  actions: {
    // Commands: the runtime carries them out once the step is on disk.
    exchange: () => undefined,
    notice: (_, _params: { notice: SyncNotice; detail: string }) => undefined,

    // Facts.
    answered: assign(({ context, event }) => {
      expectEvent(event, 'ANSWERED')
      return {
        terms: event.terms,
        lastSync: event.terms.answeredAt,
        last: { at: event.at, outcome: 'succeeded' as const, reason: null },
        failures: 0,
        carried: null,
        told: null,
        nextAt: nextScheduledAt(context.schedule, event.at, context.jitter),
      }
    }),
    exported: assign(({ event }) => {
      expectEvent(event, 'EXPORTED')
      return { carried: { exchange: event.exchange, at: event.at } }
    }),
    refused: assign(({ context, event }) => {
      expectEvent(event, 'REFUSED')
      return {
        last: { at: event.at, outcome: 'failed' as const, reason: event.reason },
        failures: 0,
        // Where only a person can help, nothing is tried until one has.
        nextAt: needsHand(event) ? null : nextScheduledAt(context.schedule, event.at, context.jitter),
      }
    }),
    retryLater: assign(({ context, event }) => {
      expectEvent(event, 'UNREACHABLE')
      const failures = context.failures + 1
      return {
        last: { at: event.at, outcome: 'failed' as const, reason: event.reason },
        failures,
        nextAt: nextRetryAt(event.at, failures, event.jitter, {
          retryAfter: event.retryAfter,
          ceiling: defaultPeriods.retryAfterCeiling,
          deadline: context.terms?.restrictAt ?? null,
        }),
      }
    }),
    reschedule: assign(({ context, event }) => {
      expectEvent(event, 'SCHEDULE')
      return {
        schedule: event.schedule,
        nextAt: nextScheduledAt(event.schedule, event.at, context.jitter),
      }
    }),
    tellCredential: assign(({ context, event }) => ({ told: warningDue(context, event.at) ?? context.told })),
  },
})

/** Says something, with words made from the facts at that moment. */
const say = (notice: SyncNotice, words: (args: { context: SyncContext; event: SyncEvent }) => string) => ({
  type: 'notice' as const,
  params: (args: { context: SyncContext; event: SyncEvent }) => ({ notice, detail: words(args) }),
})

const sayOverdue = say(
  'SYNC_OVERDUE',
  ({ context }) =>
    `not synchronised since ${day(context.lastSync ?? undefined)}; restricted from ${day(context.terms?.restrictAt)}`,
)
const sayRestricted = say(
  'SYNC_RESTRICTED',
  ({ context }) =>
    `not synchronised since ${day(context.lastSync ?? undefined)}: nothing is granted any more`,
)
const sayRestored = say('SYNC_RESTORED', () => 'in touch with the manager again')
const sayDone = say('SYNC_DONE', ({ event }) => {
  expectEvent(event, 'ANSWERED')
  return `good until ${day(event.terms.restrictAt)}`
})
const sayWhy = (notice: 'SYNC_FAILED' | 'SYNC_ENDED') =>
  say(notice, ({ event }) => {
    expectEvent(event, 'REFUSED', 'UNREACHABLE')
    return event.reason.message
  })
const sayEnding = say(
  'SYNC_CREDENTIAL_ENDING',
  ({ context }) => `synchronising by itself ends at ${day(context.terms?.automaticUntil)} unless it is used`,
)
const sayEnded = say(
  'SYNC_CREDENTIAL_ENDED',
  () => 'synchronising by itself has ended: one exchange by hand renews it',
)

const reschedule = { SCHEDULE: { actions: 'reschedule' as const } }
const exportedByHand = {
  EXPORTED: {
    target: 'carried',
    actions: 'exported' as const,
    description: 'a request file is on its way by hand',
  },
}
const ask = { target: 'asking', actions: 'exchange' as const }
const now = {
  TICK: { guard: 'scheduleDue' as const, ...ask, description: 'its time has come' },
  SYNC_NOW: { ...ask, description: 'somebody wants it now' },
}
const answered = {
  ANSWERED: { target: 'idle', actions: 'answered' as const, description: 'an answer was taken' },
}
const refusedOrNot = {
  REFUSED: [
    {
      guard: 'byHand' as const,
      target: 'blocked',
      actions: ['refused' as const, sayWhy('SYNC_FAILED')],
      description: 'only a person can help',
    },
    { target: 'idle', actions: ['refused' as const, sayWhy('SYNC_FAILED')] },
  ],
  UNREACHABLE: {
    target: 'retrying',
    actions: ['retryLater' as const, sayWhy('SYNC_FAILED')],
    description: 'the manager was not reached',
  },
}
const endedByManager = {
  REFUSED: {
    guard: 'ended' as const,
    target: 'ended',
    actions: sayWhy('SYNC_ENDED'),
    description: 'the manager knows this satellite no more',
  },
}
const restrictedByTime = {
  guard: 'restricted' as const,
  target: 'restricted',
  actions: sayRestricted,
  description: 'its mandate has ended',
}
const goodAgain = { ANSWERED: { target: 'good', description: 'renewed by use' } }
const credentialOver = {
  guard: 'credentialOver' as const,
  target: 'ended',
  actions: sayEnded,
  description: 'it was not used for too long',
}

/**
 * How a satellite keeps in touch with its manager, as a pure statechart: no clock, no I/O, every event carries its
 * instant. How it stands, what it is doing about it, and whether it may still do so by itself, are three axes.
 */
export const satelliteSync = chart.createMachine({
  id: 'satellite-sync',
  type: 'parallel',
  context: ({ input }) => ({
    schedule: input.schedule ?? { every: 'never' },
    jitter: input.jitter,
    terms: null,
    lastSync: null,
    last: null,
    nextAt: input.schedule ? nextScheduledAt(input.schedule, input.at, input.jitter) : null,
    failures: 0,
    carried: null,
    told: null,
  }),
  states: {
    standing: {
      initial: 'unregistered',
      states: {
        unregistered: {
          description: 'never synchronised: it has nothing to give',
          on: { ANSWERED: { target: 'current', actions: sayDone }, ...endedByManager },
        },
        current: {
          description: 'in touch with its manager',
          on: {
            TICK: [
              restrictedByTime,
              {
                guard: 'overdue',
                target: 'overdue',
                actions: sayOverdue,
                description: 'not synchronised for too long',
              },
            ],
            ANSWERED: { actions: sayDone },
            ...endedByManager,
          },
        },
        overdue: {
          description: 'serves on, and says that a synchronisation is overdue',
          on: {
            TICK: restrictedByTime,
            ANSWERED: { target: 'current', actions: [sayDone, sayRestored] },
            ...endedByManager,
          },
        },
        restricted: {
          description: 'grants nothing: its boxes are told so, and keep what they have until its end',
          on: { ANSWERED: { target: 'current', actions: [sayDone, sayRestored] }, ...endedByManager },
        },
        ended: {
          description: 'removed at the manager, or superseded by another copy: grants nothing',
          on: { ANSWERED: { target: 'current', actions: [sayDone, sayRestored] } },
        },
      },
    },
    exchange: {
      initial: 'idle',
      states: {
        idle: {
          description: 'nothing is under way',
          on: { ...now, ...reschedule, ...exportedByHand, ...answered, ...refusedOrNot },
        },
        carried: {
          description: 'a request was written into a file, and its answer is awaited',
          on: { ...now, ...reschedule, ...exportedByHand, ...answered, ...refusedOrNot },
        },
        asking: {
          description: 'an exchange by wire is due, or on its way',
          on: {
            ...answered,
            ...refusedOrNot,
            ...reschedule,
            REPAIR: {
              target: 'asking',
              reenter: true,
              actions: 'exchange',
              description: 'everything is reported anew, at once',
            },
          },
        },
        retrying: {
          description: 'the manager was not reached; the next attempt is set',
          on: { ...now, ...reschedule, ...exportedByHand, ...answered, ...refusedOrNot },
        },
        blocked: {
          description: 'the manager refused; only a person changes that',
          on: {
            SYNC_NOW: { ...ask, description: 'somebody wants it now' },
            ...exportedByHand,
            ...answered,
            SCHEDULE: { target: 'idle', actions: 'reschedule' },
          },
        },
      },
    },
    credential: {
      initial: 'none',
      states: {
        none: { description: 'no leave to synchronise by itself yet', on: goodAgain },
        good: {
          description: 'may synchronise by itself',
          on: {
            TICK: [
              credentialOver,
              { guard: 'credentialWarning', target: 'ending', actions: [sayEnding, 'tellCredential'] },
            ],
            ...goodAgain,
          },
        },
        ending: {
          description: 'may synchronise by itself for a few days more',
          on: {
            TICK: [credentialOver, { guard: 'credentialWarning', actions: [sayEnding, 'tellCredential'] }],
            ...goodAgain,
          },
        },
        ended: {
          description: 'may not synchronise by itself until one exchange by hand',
          on: goodAgain,
        },
      },
    },
  },
})

type Snapshot = ReturnType<typeof satelliteSync.resolveState>
type Action = ReturnType<typeof transition<typeof satelliteSync>>[1][number]

const positionOf = (snapshot: Snapshot): SyncPosition => ({
  value: snapshot.value,
  context: snapshot.context,
})

const commandsOf = (actions: readonly Action[]): SyncCommand[] =>
  actions.flatMap(({ type, params }): SyncCommand[] => {
    if (type === 'exchange') return [{ type }]
    return type === 'notice' ? [{ type, params } as SyncCommand] : []
  })

/** Where a satellite begins. */
export function beginSync(input: { schedule?: SyncSchedule; jitter: number; at: Instant }): SyncPosition {
  const [snapshot] = initialTransition(satelliteSync, input)
  return positionOf(snapshot)
}

/** One step: the next position, and the commands that it asks for. */
export function stepSync(
  position: SyncPosition,
  event: SyncEvent,
): { position: SyncPosition; commands: SyncCommand[] } {
  const from = satelliteSync.resolveState({ value: { ...position.value }, context: position.context })
  const [snapshot, actions] = transition(satelliteSync, from, event)
  return { position: positionOf(snapshot), commands: commandsOf(actions) }
}

/** Whether the satellite may grant anything where it stands. */
export const mayGrant = ({ value }: SyncPosition): boolean =>
  value.standing === 'current' || value.standing === 'overdue'

/** The next instant at which a TICK would change something. */
export function nextSyncDueAt({ value, context }: SyncPosition): Instant | null {
  const { terms, nextAt, told } = context
  const warning = CREDENTIAL_WARNINGS.find((days) => told === null || days < told)
  const candidates = [
    value.exchange === 'asking' || value.exchange === 'blocked' ? null : nextAt,
    terms && value.standing === 'current' ? terms.warnAt : null,
    terms && (value.standing === 'current' || value.standing === 'overdue') ? terms.restrictAt : null,
    terms && (value.credential === 'good' || value.credential === 'ending')
      ? terms.automaticUntil - (warning ?? 0) * DAY
      : null,
  ].filter((at): at is Instant => typeof at === 'number')
  return candidates.length === 0 ? null : Math.min(...candidates)
}
