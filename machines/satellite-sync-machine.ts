import { assign, initialTransition, setup, transition } from 'xstate'
import { defaultPeriods, isDue, maxRetryDelay, nextRetryAt, hasElapsed } from './deadlines.ts'
import { assertEventType } from './assert-event-type.ts'
import { maxInterval, nextScheduledAt } from './schedule.ts'
import { DAY, type Instant } from './time.ts'
import type { SyncContext, SyncSnapshot, SyncSchedule } from './satellite-sync-context.ts'
import type { SyncCommand, SyncEvent, SyncNotice } from './satellite-sync-machine.types.ts'

/** Warning thresholds before the credential for automatic synchronization expires, in days. */
export const CREDENTIAL_WARNING_DAYS: readonly number[] = [30, 14, 7, 3, 1]

/** Returns the warning threshold, in days, that is due and not reported yet. Null when no warning is due. */
function findDueWarning({ terms, lastWarningDays }: SyncContext, at: Instant): number | null {
  if (terms === null || at >= terms.automaticUntil) return null
  const remaining = terms.automaticUntil - at
  const crossed = CREDENTIAL_WARNING_DAYS.filter((days) => remaining <= days * DAY)
  const closest = crossed.at(-1)
  return closest !== undefined && (lastWarningDays === null || closest < lastWarningDays) ? closest : null
}

function requiresManualExchange(event: SyncEvent): boolean {
  assertEventType(event, 'sync.refused')
  return event.ended || event.offlineOnly
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
    isCredentialWarningDue: ({ context, event }) => findDueWarning(context, event.at) !== null,
    isRevoked: ({ event }) => {
      assertEventType(event, 'sync.refused')
      return event.ended
    },
    requiresManualExchange: ({ event }) => requiresManualExchange(event),
  },
  actions: {
    // Commands: the runtime executes them after the transition is on disk.
    exchange: () => undefined,
    notice: (_, _params: { notice: SyncNotice; detail: string }) => undefined,

    // Context assignments.
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
        // An administrator must exchange files, so no automatic attempt is scheduled.
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
      lastWarningDays: findDueWarning(context, event.at) ?? context.lastWarningDays,
    })),
  },
})

/** Creates a notice action whose detail is computed from the context and the event. */
const notify = (
  notice: SyncNotice,
  format: (args: { context: SyncContext; event: SyncEvent }) => string,
) => ({
  type: 'notice' as const,
  params: (args: { context: SyncContext; event: SyncEvent }) => ({ notice, detail: format(args) }),
})

const notifyOverdue = notify(
  'SYNC_OVERDUE',
  ({ context }) =>
    `not synchronized since ${formatDay(context.lastSync ?? undefined)}; restricted from ${formatDay(context.terms?.restrictAt)}`,
)
const notifyRestricted = notify(
  'SYNC_RESTRICTED',
  ({ context }) =>
    `not synchronized since ${formatDay(context.lastSync ?? undefined)}: the satellite grants no licenses`,
)
const notifyRestored = notify('SYNC_RESTORED', () => 'synchronized with the manager again')
const notifySynced = notify('SYNC_DONE', ({ event }) => {
  assertEventType(event, 'sync.answered')
  return `valid until ${formatDay(event.terms.restrictAt)}`
})
const notifySyncFailed = (notice: 'SYNC_FAILED' | 'SYNC_ENDED') =>
  notify(notice, ({ event }) => {
    assertEventType(event, 'sync.refused', 'sync.unreachable')
    return event.reason.message
  })
const notifyCredentialExpiring = notify(
  'SYNC_CREDENTIAL_ENDING',
  ({ context }) =>
    `automatic synchronization ends on ${formatDay(context.terms?.automaticUntil)} unless the satellite synchronizes before`,
)
const notifyCredentialExpired = notify(
  'SYNC_CREDENTIAL_ENDED',
  () => 'automatic synchronization has ended: one offline file exchange renews it',
)

const onScheduleChanged = { 'sync.reschedule': { actions: 'reschedule' as const } }
const onExported = {
  'sync.exported': {
    target: 'awaiting-import',
    actions: 'recordExport' as const,
    description: 'a request file was exported',
  },
}
const startSync = { target: 'requesting', actions: 'exchange' as const }
const onSyncTrigger = {
  tick: {
    guard: 'isScheduleDue' as const,
    ...startSync,
    description: 'a scheduled synchronization or retry is due',
  },
  'sync.start': { ...startSync, description: 'an administrator starts a synchronization' },
}
const onAnswered = {
  'sync.answered': {
    target: 'idle',
    actions: 'recordAnswer' as const,
    description: 'an answer was accepted',
  },
}
const onSyncFailure = {
  'sync.refused': [
    {
      guard: 'requiresManualExchange' as const,
      target: 'blocked',
      actions: ['recordRefusal' as const, notifySyncFailed('SYNC_FAILED')],
      description: 'an administrator must exchange files',
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
    description: 'the manager removed this satellite, or another copy superseded it',
  },
}
const onRestrictionDeadline = {
  guard: 'isRestricted' as const,
  target: 'restricted',
  actions: notifyRestricted,
  description: 'the delegation of the satellite has ended',
}
const onAnsweredRenewCredential = {
  'sync.answered': { target: 'valid', description: 'every synchronization renews the credential' },
}
const onCredentialDeadline = {
  guard: 'isCredentialExpired' as const,
  target: 'expired',
  actions: notifyCredentialExpired,
  description: 'the credential expired because the satellite did not synchronize',
}

/**
 * State machine of a satellite's synchronization with its manager. The machine is pure: it has no clock and no I/O,
 * and every event carries its instant. Its regions are the synchronization status, the exchange in progress, and the
 * credential for automatic synchronization.
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
          description: 'never synchronized: the satellite has no licenses',
          on: { 'sync.answered': { target: 'current', actions: notifySynced }, ...onRevokedByManager },
        },
        current: {
          description: 'synchronized with its manager',
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
          description: 'a synchronization is overdue; the satellite still serves devices',
          on: {
            tick: onRestrictionDeadline,
            'sync.answered': { target: 'current', actions: [notifySynced, notifyRestored] },
            ...onRevokedByManager,
          },
        },
        restricted: {
          description:
            'grants no licenses; its devices are informed and keep their authorizations until these end',
          on: {
            'sync.answered': { target: 'current', actions: [notifySynced, notifyRestored] },
            ...onRevokedByManager,
          },
        },
        ended: {
          description: 'removed at the manager, or superseded by another copy: grants no licenses',
          on: { 'sync.answered': { target: 'current', actions: [notifySynced, notifyRestored] } },
        },
      },
    },
    exchange: {
      initial: 'idle',
      states: {
        idle: {
          description: 'no exchange is in progress',
          on: { ...onSyncTrigger, ...onScheduleChanged, ...onExported, ...onAnswered, ...onSyncFailure },
        },
        'awaiting-import': {
          description: 'a request file was exported; its answer is not imported yet',
          on: { ...onSyncTrigger, ...onScheduleChanged, ...onExported, ...onAnswered, ...onSyncFailure },
        },
        requesting: {
          description: 'an online exchange is due or in progress',
          on: {
            ...onAnswered,
            ...onSyncFailure,
            ...onScheduleChanged,
            'sync.resync': {
              target: 'requesting',
              reenter: true,
              actions: 'exchange',
              description: 'the manager requested a full report, which is sent immediately',
            },
          },
        },
        retrying: {
          description: 'the manager was not reached; the next attempt is scheduled',
          on: { ...onSyncTrigger, ...onScheduleChanged, ...onExported, ...onAnswered, ...onSyncFailure },
        },
        blocked: {
          description: 'the manager refused; an administrator must act',
          on: {
            'sync.start': { ...startSync, description: 'an administrator starts a synchronization' },
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
        missing: {
          description: 'not yet allowed to synchronize automatically',
          on: onAnsweredRenewCredential,
        },
        valid: {
          description: 'may synchronize automatically',
          on: {
            tick: [
              onCredentialDeadline,
              {
                guard: 'isCredentialWarningDue',
                target: 'expiring',
                actions: [notifyCredentialExpiring, 'markCredentialWarned'],
              },
            ],
            ...onAnsweredRenewCredential,
          },
        },
        expiring: {
          description: 'may synchronize automatically for a few more days',
          on: {
            tick: [
              onCredentialDeadline,
              {
                guard: 'isCredentialWarningDue',
                actions: [notifyCredentialExpiring, 'markCredentialWarned'],
              },
            ],
            ...onAnsweredRenewCredential,
          },
        },
        expired: {
          description: 'may not synchronize automatically until one offline file exchange',
          on: onAnsweredRenewCredential,
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

/** Returns the snapshot of a new satellite. */
export function getInitialSyncSnapshot(input: {
  schedule?: SyncSchedule
  jitter: number
  at: Instant
}): SyncSnapshot {
  const [snapshot] = initialTransition(satelliteSyncMachine, input)
  return toSyncSnapshot(snapshot)
}

/** Applies an event. Returns the next snapshot and the commands of the transition. */
export function syncTransition(
  snapshot: SyncSnapshot,
  event: SyncEvent,
): { snapshot: SyncSnapshot; commands: SyncCommand[] } {
  const from = satelliteSyncMachine.resolveState({ value: { ...snapshot.value }, context: snapshot.context })
  const [next, actions] = transition(satelliteSyncMachine, from, event)
  return { snapshot: toSyncSnapshot(next), commands: toSyncCommands(actions) }
}

/** Checks whether the satellite may grant licenses in its current state. */
export const canIssue = ({ value }: SyncSnapshot): boolean =>
  value.status === 'current' || value.status === 'overdue'

/** Returns the next instant at which a `tick` would change the state. Null when no deadline is pending. */
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
