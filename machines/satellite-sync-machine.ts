import { assign, initialTransition, setup, transition } from 'xstate'
import { defaultPeriods, isDue, maxRetryDelay, nextRetryAt, hasElapsed } from './deadlines.ts'
import { assertEventType } from './assert-event-type.ts'
import { maxInterval, nextScheduledAt } from './schedule.ts'
import { DAY, type Instant } from './time.ts'
import type { SyncContext, SyncSnapshot, SyncSchedule } from './satellite-sync-context.ts'
import type { SyncCommand, SyncEvent, SyncNotice } from './satellite-sync-machine.types.ts'

/** Days before the end of the automatic credential at which it is warned of. */
export const CREDENTIAL_WARNING_DAYS: readonly number[] = [30, 14, 7, 3, 1]

/** The warning that has come and was not given yet; null for none. */
function dueWarning({ terms, lastWarningDays }: SyncContext, at: Instant): number | null {
  if (terms === null || at >= terms.automaticUntil) return null
  const left = terms.automaticUntil - at
  const crossed = CREDENTIAL_WARNING_DAYS.filter((days) => left <= days * DAY)
  const closest = crossed.at(-1)
  return closest !== undefined && (lastWarningDays === null || closest < lastWarningDays) ? closest : null
}

/** Whether only a person can help. */
function requiresManualExchange(event: SyncEvent): boolean {
  assertEventType(event, 'sync.refused')
  return event.ended || event.byHand
}

const formatDay = (instant: Instant | undefined): string =>
  instant === undefined ? '' : new Date(instant).toISOString().slice(0, 10)

const syncSetup = setup({
  types: {
    context: {} as SyncContext,
    events: {} as SyncEvent,
    input: {} as { schedule?: SyncSchedule; jitter: number; at: Instant },
  },
  guards: {
    isOverdue: ({ context, event }) => isDue(context.terms?.warnAt ?? null, event.at),
    isRestricted: ({ context, event }) => isDue(context.terms?.restrictAt ?? null, event.at),
    isScheduleDue: ({ context, event }) =>
      hasElapsed(
        context.nextAt,
        event.at,
        Math.max(maxInterval(context.schedule), maxRetryDelay(defaultPeriods)),
      ),
    isCredentialExpired: ({ context, event }) => isDue(context.terms?.automaticUntil ?? null, event.at),
    isCredentialWarningDue: ({ context, event }) => dueWarning(context, event.at) !== null,
    isRevoked: ({ event }) => {
      assertEventType(event, 'sync.refused')
      return event.ended
    },
    requiresManualExchange: ({ event }) => requiresManualExchange(event),
  },
  actions: {
    // Commands: the runtime carries them out once the step is on disk.
    exchange: () => undefined,
    notice: (_, _params: { notice: SyncNotice; detail: string }) => undefined,

    // Facts.
    recordAnswer: assign(({ context, event }) => {
      assertEventType(event, 'sync.answered')
      return {
        terms: event.terms,
        lastSync: event.terms.answeredAt,
        last: { at: event.at, outcome: 'succeeded' as const, reason: null },
        failures: 0,
        exportedRequest: null,
        lastWarningDays: null,
        nextAt: nextScheduledAt(context.schedule, event.at, context.jitter),
      }
    }),
    recordExport: assign(({ event }) => {
      assertEventType(event, 'sync.exported')
      return { exportedRequest: { exchange: event.exchange, at: event.at } }
    }),
    recordRefusal: assign(({ context, event }) => {
      assertEventType(event, 'sync.refused')
      return {
        last: { at: event.at, outcome: 'failed' as const, reason: event.reason },
        failures: 0,
        // Where only a person can help, nothing is tried until one has.
        nextAt: requiresManualExchange(event)
          ? null
          : nextScheduledAt(context.schedule, event.at, context.jitter),
      }
    }),
    scheduleRetry: assign(({ context, event }) => {
      assertEventType(event, 'sync.unreachable')
      const failures = context.failures + 1
      return {
        last: { at: event.at, outcome: 'failed' as const, reason: event.reason },
        failures,
        nextAt: nextRetryAt(event.at, failures, event.jitter, {
          retryAfter: event.retryAfter,
          ceiling: defaultPeriods.maxRetryAfter,
          deadline: context.terms?.restrictAt ?? null,
        }),
      }
    }),
    reschedule: assign(({ context, event }) => {
      assertEventType(event, 'sync.reschedule')
      return {
        schedule: event.schedule,
        nextAt: nextScheduledAt(event.schedule, event.at, context.jitter),
      }
    }),
    markCredentialWarned: assign(({ context, event }) => ({
      lastWarningDays: dueWarning(context, event.at) ?? context.lastWarningDays,
    })),
  },
})

/** Says something, with words made from the facts at that moment. */
const notify = (notice: SyncNotice, words: (args: { context: SyncContext; event: SyncEvent }) => string) => ({
  type: 'notice' as const,
  params: (args: { context: SyncContext; event: SyncEvent }) => ({ notice, detail: words(args) }),
})

const notifyOverdue = notify(
  'SYNC_OVERDUE',
  ({ context }) =>
    `not synchronized since ${formatDay(context.lastSync ?? undefined)}; restricted from ${formatDay(context.terms?.restrictAt)}`,
)
const notifyRestricted = notify(
  'SYNC_RESTRICTED',
  ({ context }) =>
    `not synchronized since ${formatDay(context.lastSync ?? undefined)}: nothing is granted any more`,
)
const notifyRestored = notify('SYNC_RESTORED', () => 'in touch with the manager again')
const notifySynced = notify('SYNC_DONE', ({ event }) => {
  assertEventType(event, 'sync.answered')
  return `good until ${formatDay(event.terms.restrictAt)}`
})
const notifySyncFailed = (notice: 'SYNC_FAILED' | 'SYNC_ENDED') =>
  notify(notice, ({ event }) => {
    assertEventType(event, 'sync.refused', 'sync.unreachable')
    return event.reason.message
  })
const notifyCredentialExpiring = notify(
  'SYNC_CREDENTIAL_ENDING',
  ({ context }) =>
    `synchronizing by itself ends at ${formatDay(context.terms?.automaticUntil)} unless it is used`,
)
const notifyCredentialExpired = notify(
  'SYNC_CREDENTIAL_ENDED',
  () => 'synchronizing by itself has ended: one exchange by hand renews it',
)

const onScheduleChanged = { 'sync.reschedule': { actions: 'reschedule' as const } }
const onExported = {
  'sync.exported': {
    target: 'awaiting-import',
    actions: 'recordExport' as const,
    description: 'a request file is on its way by hand',
  },
}
const startSync = { target: 'requesting', actions: 'exchange' as const }
const syncTriggers = {
  tick: { guard: 'isScheduleDue' as const, ...startSync, description: 'its time has come' },
  'sync.start': { ...startSync, description: 'somebody wants it now' },
}
const onAnswered = {
  'sync.answered': { target: 'idle', actions: 'recordAnswer' as const, description: 'an answer was taken' },
}
const onSyncFailure = {
  'sync.refused': [
    {
      guard: 'requiresManualExchange' as const,
      target: 'blocked',
      actions: ['recordRefusal' as const, notifySyncFailed('SYNC_FAILED')],
      description: 'only a person can help',
    },
    { target: 'idle', actions: ['recordRefusal' as const, notifySyncFailed('SYNC_FAILED')] },
  ],
  'sync.unreachable': {
    target: 'retrying',
    actions: ['scheduleRetry' as const, notifySyncFailed('SYNC_FAILED')],
    description: 'the manager was not reached',
  },
}
const onRevokedByManager = {
  'sync.refused': {
    guard: 'isRevoked' as const,
    target: 'ended',
    actions: notifySyncFailed('SYNC_ENDED'),
    description: 'the manager knows this satellite no more',
  },
}
const onRestrictionDeadline = {
  guard: 'isRestricted' as const,
  target: 'restricted',
  actions: notifyRestricted,
  description: 'its mandate has ended',
}
const onAnswerRenewCredential = { 'sync.answered': { target: 'valid', description: 'renewed by use' } }
const onCredentialDeadline = {
  guard: 'isCredentialExpired' as const,
  target: 'expired',
  actions: notifyCredentialExpired,
  description: 'it was not used for too long',
}

/**
 * How a satellite keeps in touch with its manager, as a pure statechart: no clock, no I/O, every event carries its
 * instant. How it stands, what it is doing about it, and whether it may still do so by itself, are three axes.
 */
export const satelliteSyncMachine = syncSetup.createMachine({
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
    exportedRequest: null,
    lastWarningDays: null,
  }),
  states: {
    status: {
      initial: 'unregistered',
      states: {
        unregistered: {
          description: 'never synchronized: it has nothing to give',
          on: { 'sync.answered': { target: 'current', actions: notifySynced }, ...onRevokedByManager },
        },
        current: {
          description: 'in touch with its manager',
          on: {
            tick: [
              onRestrictionDeadline,
              {
                guard: 'isOverdue',
                target: 'overdue',
                actions: notifyOverdue,
                description: 'not synchronized for too long',
              },
            ],
            'sync.answered': { actions: notifySynced },
            ...onRevokedByManager,
          },
        },
        overdue: {
          description: 'serves on, and says that a synchronization is overdue',
          on: {
            tick: onRestrictionDeadline,
            'sync.answered': { target: 'current', actions: [notifySynced, notifyRestored] },
            ...onRevokedByManager,
          },
        },
        restricted: {
          description: 'grants nothing: its boxes are told so, and keep what they have until its end',
          on: {
            'sync.answered': { target: 'current', actions: [notifySynced, notifyRestored] },
            ...onRevokedByManager,
          },
        },
        ended: {
          description: 'removed at the manager, or superseded by another copy: grants nothing',
          on: { 'sync.answered': { target: 'current', actions: [notifySynced, notifyRestored] } },
        },
      },
    },
    exchange: {
      initial: 'idle',
      states: {
        idle: {
          description: 'nothing is under way',
          on: { ...syncTriggers, ...onScheduleChanged, ...onExported, ...onAnswered, ...onSyncFailure },
        },
        'awaiting-import': {
          description: 'a request was written into a file, and its answer is awaited',
          on: { ...syncTriggers, ...onScheduleChanged, ...onExported, ...onAnswered, ...onSyncFailure },
        },
        requesting: {
          description: 'an exchange by wire is due, or on its way',
          on: {
            ...onAnswered,
            ...onSyncFailure,
            ...onScheduleChanged,
            'sync.resync': {
              target: 'requesting',
              reenter: true,
              actions: 'exchange',
              description: 'everything is reported anew, at once',
            },
          },
        },
        retrying: {
          description: 'the manager was not reached; the next attempt is set',
          on: { ...syncTriggers, ...onScheduleChanged, ...onExported, ...onAnswered, ...onSyncFailure },
        },
        blocked: {
          description: 'the manager refused; only a person changes that',
          on: {
            'sync.start': { ...startSync, description: 'somebody wants it now' },
            ...onExported,
            ...onAnswered,
            'sync.reschedule': { target: 'idle', actions: 'reschedule' },
          },
        },
      },
    },
    credential: {
      initial: 'missing',
      states: {
        missing: { description: 'no leave to synchronize by itself yet', on: onAnswerRenewCredential },
        valid: {
          description: 'may synchronize by itself',
          on: {
            tick: [
              onCredentialDeadline,
              {
                guard: 'isCredentialWarningDue',
                target: 'expiring',
                actions: [notifyCredentialExpiring, 'markCredentialWarned'],
              },
            ],
            ...onAnswerRenewCredential,
          },
        },
        expiring: {
          description: 'may synchronize by itself for a few days more',
          on: {
            tick: [
              onCredentialDeadline,
              {
                guard: 'isCredentialWarningDue',
                actions: [notifyCredentialExpiring, 'markCredentialWarned'],
              },
            ],
            ...onAnswerRenewCredential,
          },
        },
        expired: {
          description: 'may not synchronize by itself until one exchange by hand',
          on: onAnswerRenewCredential,
        },
      },
    },
  },
})

type MachineSnapshot = ReturnType<typeof satelliteSyncMachine.resolveState>
type Action = ReturnType<typeof transition<typeof satelliteSyncMachine>>[1][number]

const toSyncSnapshot = (snapshot: MachineSnapshot): SyncSnapshot => ({
  value: snapshot.value,
  context: snapshot.context,
})

const toSyncCommands = (actions: readonly Action[]): SyncCommand[] =>
  actions.flatMap(({ type, params }): SyncCommand[] => {
    if (type === 'exchange') return [{ type }]
    return type === 'notice' ? [{ type, params } as SyncCommand] : []
  })

/** Where a satellite begins. */
export function initialSyncTransition(input: {
  schedule?: SyncSchedule
  jitter: number
  at: Instant
}): SyncSnapshot {
  const [snapshot] = initialTransition(satelliteSyncMachine, input)
  return toSyncSnapshot(snapshot)
}

/** One step: the next position, and the commands that it asks for. */
export function syncTransition(
  snapshot: SyncSnapshot,
  event: SyncEvent,
): { snapshot: SyncSnapshot; commands: SyncCommand[] } {
  const from = satelliteSyncMachine.resolveState({ value: { ...snapshot.value }, context: snapshot.context })
  const [next, actions] = transition(satelliteSyncMachine, from, event)
  return { snapshot: toSyncSnapshot(next), commands: toSyncCommands(actions) }
}

/** Whether the satellite may grant anything where it stands. */
export const canIssue = ({ value }: SyncSnapshot): boolean =>
  value.status === 'current' || value.status === 'overdue'

/** The next instant at which a TICK would change something. */
export function nextSyncDeadline({ value, context }: SyncSnapshot): Instant | null {
  const { terms, nextAt, lastWarningDays } = context
  const warning = CREDENTIAL_WARNING_DAYS.find((days) => lastWarningDays === null || days < lastWarningDays)
  const candidates = [
    value.exchange === 'requesting' || value.exchange === 'blocked' ? null : nextAt,
    terms && value.status === 'current' ? terms.warnAt : null,
    terms && (value.status === 'current' || value.status === 'overdue') ? terms.restrictAt : null,
    terms && (value.credential === 'valid' || value.credential === 'expiring')
      ? terms.automaticUntil - (warning ?? 0) * DAY
      : null,
  ].filter((at): at is Instant => typeof at === 'number')
  return candidates.length === 0 ? null : Math.min(...candidates)
}
