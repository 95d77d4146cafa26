import { assign, setup } from 'xstate'
import {
  defaultPeriods,
  isDue,
  maxRetryDelay,
  nextAuthorizationAt,
  nextRetryAt,
  hasElapsed,
  findCrossedThresholds,
} from './deadlines.ts'
import { assertEventType } from './assert-event-type.ts'
import {
  isCovered,
  type TermNotice,
  listDueTermNotices,
  markTermsNotified,
  describeShortfalls,
} from './reservation.ts'
import type { Attempt, Context, Failure, Periods } from './agent-context.ts'
import type { Event, Notice, RequestKind } from './agent-machine.types.ts'
import type { Instant } from './time.ts'

/** Returns the context of a device that is installed at an instant. */
export const initialContext = (at: Instant, periods: Periods = defaultPeriods): Context => ({
  periods,
  evaluation: { remainingSeconds: periods.evaluationSeconds, running: true },
  registration: null,
  registering: null,
  registrationFailure: null,
  renewal: { last: null, nextAt: null, failures: 0 },
  authorization: {
    since: at,
    last: null,
    nextAttemptAt: null,
    deadlineAt: null,
    failures: 0,
    entitlements: [],
  },
  usage: { counts: {}, reported: null, reportAt: null },
  reservation: { requests: 0, current: null, returned: [] },
  lastFailure: null,
})

/** @throws TypeError for an event without a failure */
function getFailure(event: Event): Failure {
  if ('failure' in event) return event.failure
  throw new TypeError(`the event ${event.type} has no failure`)
}
const toDatedFailure = (event: Event): Failure & { at: Instant } => ({ ...getFailure(event), at: event.at })
const toFailedAttempt = (event: Event): Attempt => ({
  at: event.at,
  outcome: 'failed',
  reason: getFailure(event),
})
const toSucceededAttempt = (at: Instant): Attempt => ({ at, outcome: 'succeeded', reason: null })

/** Compares two sets of counts. A count of 0 equals a missing count. */
function areCountsEqual(a: Record<string, number> | null, b: Record<string, number>): boolean {
  const counts = a ?? {}
  return [...Object.keys(counts), ...Object.keys(b)].every((tag) => (counts[tag] ?? 0) === (b[tag] ?? 0))
}

/** Returns the evaluation seconds that remain after a tick. A stopped evaluation consumes no seconds. */
const computeRemainingSeconds = (context: Context, used: number): number =>
  context.evaluation.running
    ? Math.max(0, context.evaluation.remainingSeconds - Math.max(0, used))
    : context.evaluation.remainingSeconds

function willExhaustEvaluation(context: Context, event: Event): boolean {
  assertEventType(event, 'tick')
  return context.evaluation.running && computeRemainingSeconds(context, event.used) === 0
}

/** Checks whether an authorization is due: a renewal, a compliance poll, or a retry of either. */
const isAttemptDue = ({ authorization, periods }: Context, at: Instant): boolean =>
  hasElapsed(
    authorization.nextAttemptAt,
    at,
    authorization.failures > 0
      ? maxRetryDelay(periods)
      : Math.max(periods.authorizationRenewal, periods.outOfComplianceRecheck),
  )

/** Types, guards and actions of the agent machine. */
export const agentSetup = setup({
  types: {
    context: {} as Context,
    events: {} as Event,
    input: {} as { periods?: Periods; at: Instant },
  },
  guards: {
    willExhaustEvaluation: ({ context, event }) => willExhaustEvaluation(context, event),
    isEvaluationExhausted: ({ context }) => context.evaluation.remainingSeconds === 0,
    isIdentityExpired: ({ context, event }) => isDue(context.registration?.expiresAt ?? null, event.at),
    isIdentityExpiredAndEvaluationExhausted: ({ context, event }) =>
      isDue(context.registration?.expiresAt ?? null, event.at) && context.evaluation.remainingSeconds === 0,
    isRetryDue: ({ context, event }) =>
      hasElapsed(context.registering?.nextAttemptAt ?? null, event.at, maxRetryDelay(context.periods)),
    isRenewalDue: ({ context, event }) =>
      hasElapsed(
        context.renewal.nextAt,
        event.at,
        Math.max(context.periods.registrationRenewal, maxRetryDelay(context.periods)),
      ),
    isAuthorizationDue: ({ context, event }) =>
      isAttemptDue(context, event.at) ||
      hasElapsed(context.usage.reportAt, event.at, context.periods.usageReportDelay),
    isAttemptDue: ({ context, event }) => isAttemptDue(context, event.at),
    willExhaustEvaluationAndAttemptDue: ({ context, event }) =>
      willExhaustEvaluation(context, event) && isAttemptDue(context, event.at),
    isDeadlinePassed: ({ context, event }) => isDue(context.authorization.deadlineAt, event.at),
    isCompliant: ({ event }) => {
      assertEventType(event, 'authorize.accepted')
      return event.compliant
    },
    isRevoked: ({ event }) => 'ended' in event && event.ended,
    isRevokedAndEvaluationExhausted: ({ context, event }) =>
      'ended' in event && event.ended && context.evaluation.remainingSeconds === 0,
    hasNoRegistration: ({ context }) =>
      context.registration === null && context.registering === null && context.reservation.current === null,
    startsNewEvaluation: ({ context, event }) =>
      event.type === 'upgrade' &&
      event.evaluate &&
      context.registration === null &&
      context.registering === null &&
      context.reservation.current === null,
    isRegistering: ({ context }) => context.registering !== null,
    isReservationRequested: ({ context }) => context.reservation.current?.stage === 'requested',
    isReturning: ({ context }) => context.reservation.current?.stage === 'returning',
    isReturningAndEvaluationExhausted: ({ context }) =>
      context.reservation.current?.stage === 'returning' && context.evaluation.remainingSeconds === 0,
    isCovered: ({ context, event }) => isCovered(context, event.at),
    isNotCovered: ({ context, event }) => !isCovered(context, event.at),
    canReregister: ({ event }) => {
      assertEventType(event, 'register')
      return event.force || event.again
    },
  },
  actions: {
    // Commands: the runtime executes them after the transition is on disk.
    request: (_, _params: { kind: RequestKind; force?: boolean }) => undefined,
    discardSecrets: (_, _params: { what: 'identity' | 'registering' }) => undefined,
    notice: (_, _params: { notice: Notice; detail?: string }) => undefined,

    // Context assignments.
    consumeEvaluation: assign(({ context, event }) => {
      assertEventType(event, 'tick')
      return {
        evaluation: { ...context.evaluation, remainingSeconds: computeRemainingSeconds(context, event.used) },
      }
    }),
    exhaustEvaluation: assign({ evaluation: { remainingSeconds: 0, running: false } }),
    renewEvaluation: assign(({ context }) => ({
      evaluation: { remainingSeconds: context.periods.evaluationSeconds, running: true },
    })),
    stopEvaluation: assign(({ context }) => ({ evaluation: { ...context.evaluation, running: false } })),
    resumeEvaluation: assign(({ context }) => ({
      evaluation: { ...context.evaluation, running: context.evaluation.remainingSeconds > 0 },
    })),
    // XState's initial event has no instant. `initialContext` takes the first instant from the machine's input.
    recordStateEntry: assign(({ context, event }) =>
      'at' in event ? { authorization: { ...context.authorization, since: event.at } } : {},
    ),
    recordUsage: assign(({ context, event }) => {
      assertEventType(event, 'usage.changed')
      const counts = { ...context.usage.counts, [event.tag]: event.count }
      const isReportNeeded = context.registration !== null && !areCountsEqual(context.usage.reported, counts)
      return {
        usage: {
          ...context.usage,
          counts,
          reportAt: isReportNeeded
            ? (context.usage.reportAt ?? event.at + context.periods.usageReportDelay)
            : null,
        },
      }
    }),

    beginRegistering: assign(({ event }) => {
      assertEventType(event, 'register')
      return {
        registering: { force: event.force, failures: 0, nextAttemptAt: null },
        registrationFailure: null,
      }
    }),
    retryRegistering: assign(({ context, event }) => {
      assertEventType(event, 'register.unreachable')
      if (!context.registering) return {}
      const failures = context.registering.failures + 1
      const nextAttemptAt = nextRetryAt(event.at, failures, event.jitter, {
        retryAfter: event.retryAfter,
        ceiling: context.periods.maxRetryAfter,
        deadline: null,
      })
      return {
        registering: { ...context.registering, failures, nextAttemptAt },
        registrationFailure: toDatedFailure(event),
      }
    }),
    failRegistering: assign(({ event }) => ({
      registering: null,
      registrationFailure: toDatedFailure(event),
    })),
    cancelRegistering: assign({ registering: null, registrationFailure: null }),
    setRegistration: assign(({ context, event }) => {
      assertEventType(event, 'register.accepted')
      return {
        registration: event.registration,
        registering: null,
        registrationFailure: null,
        renewal: { last: null, nextAt: event.at + context.periods.registrationRenewal, failures: 0 },
        authorization: {
          ...context.authorization,
          last: null,
          nextAttemptAt: null,
          deadlineAt: null,
          failures: 0,
          entitlements: [],
        },
        usage: { ...context.usage, reported: null, reportAt: null },
      }
    }),
    endRegistration: assign(({ context }) => ({
      registration: null,
      renewal: { last: null, nextAt: null, failures: 0 },
      authorization: {
        ...context.authorization,
        last: null,
        nextAttemptAt: null,
        deadlineAt: null,
        failures: 0,
        entitlements: [],
      },
      usage: { ...context.usage, reported: null, reportAt: null },
    })),
    recordRegistrationFailure: assign(({ event }) => ({ registrationFailure: toDatedFailure(event) })),
    expireRegistration: assign(({ context, event }) => ({
      registrationFailure: {
        at: event.at,
        code: 'REGISTRATION_EXPIRED',
        message: `The registration of ${context.registration?.instanceId ?? 'this device'} was not renewed before its ID certificate expired.`,
        remedy: 'Register the device again with a new token.',
      },
    })),

    recordRenewal: assign(({ context, event }) => {
      assertEventType(event, 'renew.accepted')
      if (!context.registration) return {}
      return {
        registration: { ...context.registration, expiresAt: event.expiresAt },
        renewal: {
          last: toSucceededAttempt(event.at),
          nextAt: event.at + context.periods.registrationRenewal,
          failures: 0,
        },
      }
    }),
    recordRenewalRefusal: assign(({ event }) => ({
      renewal: { last: toFailedAttempt(event), nextAt: null, failures: 0 },
    })),
    retryRenewal: assign(({ context, event }) => {
      assertEventType(event, 'renew.unreachable')
      const failures = context.renewal.failures + 1
      return {
        renewal: {
          last: toFailedAttempt(event),
          failures,
          nextAt: nextRetryAt(event.at, failures, event.jitter, {
            retryAfter: event.retryAfter,
            ceiling: context.periods.maxRetryAfter,
            deadline: context.registration?.expiresAt ?? null,
          }),
        },
      }
    }),

    recordAuthorization: assign(({ context, event }) => {
      assertEventType(event, 'authorize.accepted')
      const { smartAccount, virtualAccount } = event
      return {
        registration: context.registration && { ...context.registration, smartAccount, virtualAccount },
        authorization: {
          ...context.authorization,
          last: toSucceededAttempt(event.at),
          nextAttemptAt: nextAuthorizationAt(event.at, event.compliant, context.periods, event),
          deadlineAt: event.deadlineAt,
          failures: 0,
          entitlements: event.entitlements,
        },
        usage: {
          ...context.usage,
          reported: event.counts,
          // Usage that changed while the report was in transit is reported immediately.
          reportAt: areCountsEqual(event.counts, context.usage.counts) ? null : event.at,
        },
      }
    }),
    recordAuthorizationRefusal: assign(({ context, event }) => {
      assertEventType(event, 'authorize.refused')
      return {
        authorization: {
          ...context.authorization,
          last: toFailedAttempt(event),
          // A restricted satellite recovers without any action on the device, so the agent repeats the request.
          nextAttemptAt: event.again ? event.at + context.periods.outOfComplianceRecheck : null,
          failures: 0,
        },
        usage: { ...context.usage, reportAt: null },
      }
    }),
    retryAuthorization: assign(({ context, event }) => {
      assertEventType(event, 'authorize.unreachable')
      const failures = context.authorization.failures + 1
      return {
        authorization: {
          ...context.authorization,
          last: toFailedAttempt(event),
          failures,
          nextAttemptAt: nextRetryAt(event.at, failures, event.jitter, {
            retryAfter: event.retryAfter,
            ceiling: context.periods.maxRetryAfter,
            deadline: context.authorization.deadlineAt,
          }),
        },
      }
    }),
    recordConnectionFailure: assign(({ event }) => ({ lastFailure: toDatedFailure(event) })),
    clearConnectionFailure: assign({ lastFailure: null }),
    /** Makes pending retries due now, because the authority answered or the transport changed. */
    retryImmediately: assign(({ context, event }) => {
      const { registering, renewal, authorization } = context
      const toEarlier = (instant: Instant | null) => (instant === null ? null : Math.min(instant, event.at))
      return {
        registering: registering && { ...registering, nextAttemptAt: toEarlier(registering.nextAttemptAt) },
        renewal: renewal.failures > 0 ? { ...renewal, nextAt: toEarlier(renewal.nextAt) } : renewal,
        authorization:
          authorization.failures > 0
            ? { ...authorization, nextAttemptAt: toEarlier(authorization.nextAttemptAt) }
            : authorization,
      }
    }),
    recordReservationRequest: assign(({ context, event }) => {
      assertEventType(event, 'reservation.request')
      return {
        reservation: {
          ...context.reservation,
          requests: context.reservation.requests + 1,
          current: { stage: 'requested', requestCode: event.requestCode, at: event.at },
        },
        registrationFailure: null,
      }
    }),
    clearReservationRequest: assign(({ context }) => ({
      reservation: { ...context.reservation, current: null },
    })),
    installGrant: assign(({ context, event }) => {
      assertEventType(event, 'reservation.install', 'reservation.update')
      const { current } = context.reservation
      if (!current) return {}
      const { requestCode } = current
      return {
        reservation: {
          ...context.reservation,
          current: { stage: 'installed', requestCode, grant: event.grant },
        },
      }
    }),
    beginReturn: assign(({ context, event }) => {
      assertEventType(event, 'reservation.return-code')
      const { current } = context.reservation
      if (current?.stage !== 'installed') return {}
      return {
        reservation: {
          ...context.reservation,
          current: { ...current, stage: 'returning', returnCode: event.returnCode },
        },
      }
    }),
    completeReturn: assign(({ context, event }) => {
      const { current, returned, requests } = context.reservation
      if (current?.stage !== 'returning') return {}
      const { grant, returnCode } = current
      const completed = { request: requests, reservationId: grant.reservationId, returnCode, at: event.at }
      return { reservation: { requests, current: null, returned: [...returned, completed] } }
    }),
    recordDiscardedFile: assign(({ context, event }) => {
      assertEventType(event, 'reservation.discard')
      return {
        reservation: {
          ...context.reservation,
          returned: [...context.reservation.returned, event.returned],
        },
      }
    }),
    markTermsNotified: assign(({ context, event }) => {
      const { current } = context.reservation
      if (current?.stage !== 'installed') return {}
      const grant = markTermsNotified(current.grant, event.at, context.periods.termWarnings)
      return { reservation: { ...context.reservation, current: { ...current, grant } } }
    }),
    notifyTermExpiry: (_, _params: { notices: readonly TermNotice[] }) => undefined,
    notifyInvalidTags: (_, _params: { tags: string[] }) => undefined,
    notifyEvaluationWarnings: (_, _params: { seconds: number[] }) => undefined,
  },
})

/** Creates a notice action whose detail is the message of the event's failure. */
export const notifyFailure = (notice: Notice) => ({
  type: 'notice' as const,
  params: ({ event }: { event: Event }) => ({ notice, detail: getFailure(event).message }),
})
export const notify = (notice: Notice) => ({ type: 'notice' as const, params: { notice } })
export const request = (kind: RequestKind) => ({ type: 'request' as const, params: { kind } })
export const requestRegistration = {
  type: 'request' as const,
  params: ({ context }: { context: Context }) => ({
    kind: 'register' as const,
    force: context.registering?.force ?? false,
  }),
}
export const discardSecrets = (what: 'identity' | 'registering') => ({
  type: 'discardSecrets' as const,
  params: { what },
})
export const notifyEvaluationWarnings = {
  type: 'notifyEvaluationWarnings' as const,
  params: ({ context, event }: { context: Context; event: Event }) => {
    assertEventType(event, 'tick')
    return {
      seconds: findCrossedThresholds(
        context.evaluation.remainingSeconds,
        computeRemainingSeconds(context, event.used),
        context.periods.evaluationWarnings,
      ),
    }
  },
}

/** Notifies about terms that end soon or have ended. Must run before `markTermsNotified`. */
export const notifyTermExpiry = {
  type: 'notifyTermExpiry' as const,
  params: ({ context, event }: { context: Context; event: Event }) => {
    const { current } = context.reservation
    return {
      notices:
        current?.stage === 'installed'
          ? listDueTermNotices(current.grant, event.at, context.periods.termWarnings)
          : [],
    }
  },
}
export const notifyNotAuthorized = {
  type: 'notice' as const,
  params: ({ context, event }: { context: Context; event: Event }) => ({
    notice: 'NOT_AUTHORIZED' as const,
    detail: describeShortfalls(context, event.at),
  }),
}

export const notifyInvalidTags = {
  type: 'notifyInvalidTags' as const,
  params: ({ event }: { event: Event }) => {
    assertEventType(event, 'authorize.accepted')
    return {
      tags: event.entitlements.filter(({ status }) => status === 'invalid-tag').map(({ tag }) => tag),
    }
  },
}

export const notifyUpgrade = {
  type: 'notice' as const,
  params: ({ event }: { event: Event }) => {
    assertEventType(event, 'upgrade')
    return { notice: 'PRODUCT_UPGRADED' as const, detail: event.version }
  },
}

export const notifyTransportChanged = {
  type: 'notice' as const,
  params: ({ event }: { event: Event }) => {
    assertEventType(event, 'transport.changed')
    return { notice: 'TRANSPORT_CHANGED' as const, detail: event.transport }
  },
}
