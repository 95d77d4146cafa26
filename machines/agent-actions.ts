import { assign, emit, enqueueActions, raise } from 'xstate'
import { agentGuards, computeRemainingSeconds } from './agent-guards.ts'
import type { Attempt, Context, Failure, Periods } from './agent-context.ts'
import type {
  MachineEvent,
  Notice,
  NoticeEvent,
  RegistrationEndReason,
  RequestKind,
} from './agent-machine.types.ts'
import { assertEventType } from './assert-event-type.ts'
import { defaultPeriods, findCrossedThresholds, nextAuthorizationAt, nextRetryAt } from './deadlines.ts'
import { describeShortfalls, listDueTermNotices, markTermsNotified } from './reservation.ts'
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
function getFailure(event: MachineEvent): Failure {
  if ('failure' in event && event.failure !== null) return event.failure
  throw new TypeError(`the event ${event.type} has no failure`)
}
const toDatedFailure = (event: MachineEvent): Failure & { at: Instant } => ({
  ...getFailure(event),
  at: event.at,
})
const toFailedAttempt = (event: MachineEvent): Attempt => ({
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

/** Returns authorization and usage before the first contact under a registration. */
const withoutAuthorization = ({
  authorization,
  usage,
}: Context): Pick<Context, 'authorization' | 'usage'> => ({
  authorization: {
    ...authorization,
    last: null,
    nextAttemptAt: null,
    deadlineAt: null,
    failures: 0,
    entitlements: [],
  },
  usage: { ...usage, reported: null, reportAt: null },
})

const toNotice = (notice: Notice, detail?: string): NoticeEvent => ({
  type: 'notice',
  notice,
  ...(detail !== undefined && { detail }),
})

function formatDaysLeft(seconds: number): string {
  const days = Math.round(seconds / 86_400)
  return days === 1 ? '1 day is left' : `${days} days are left`
}

/**
 * Types, guards and actions of the agent machine. Each action has a name and static parameters, so that the
 * configuration is data: `machine --format xstate` prints it, and other tools run it with these implementations.
 */
export const agentSetup = agentGuards.extend({
  actions: {
    // Commands: the runtime executes them after the transition is on disk. Other runtimes provide their own.
    request: (_, _params: { kind: RequestKind }) => undefined,
    discardSecrets: (_, _params: { what: 'identity' | 'registering' }) => undefined,

    // Notices.
    notify: emit((_, { notice }: { notice: Notice }) => toNotice(notice)),
    /** Emits a notice with the message of the event's failure. */
    notifyFailure: emit(({ event }: { event: MachineEvent }, { notice }: { notice: Notice }) =>
      toNotice(notice, getFailure(event).message),
    ),
    notifyRegistrationEnd: emit(({ event }: { event: MachineEvent }) => {
      assertEventType(event, 'registration.ended')
      const { reason, failure } = event
      if (reason === 'expired') return toNotice('ID_CERT_EXPIRED')
      if (reason === 'revoked') return toNotice('REGISTRATION_ENDED', failure?.message)
      return failure === null
        ? toNotice('AGENT_DEREG_SUCCESS')
        : toNotice('AGENT_DEREG_FAILED', failure.message)
    }),
    notifyEvaluationWarnings: enqueueActions(({ context, event, enqueue }) => {
      assertEventType(event, 'clock.tick')
      const crossed = findCrossedThresholds(
        context.evaluation.remainingSeconds,
        computeRemainingSeconds(context, event.used),
        context.periods.evaluationWarnings,
      )
      for (const seconds of crossed) enqueue.emit(toNotice('EVAL_EXPIRED_WARNING', formatDaysLeft(seconds)))
    }),
    notifyInvalidTags: enqueueActions(({ event, enqueue }) => {
      assertEventType(event, 'authorize.accepted')
      for (const { tag, status } of event.entitlements)
        if (status === 'invalid-tag') enqueue.emit(toNotice('INVALID_TAG', tag))
    }),
    /** Notifies about terms that end soon or have ended. Must run before `markTermsNotified`. */
    notifyTermExpiry: enqueueActions(({ context, event, enqueue }) => {
      const grant = context.reservation.current?.grant
      const notices = grant ? listDueTermNotices(grant, event.at, context.periods.termWarnings) : []
      for (const { tag, count, endsAt, ended } of notices)
        enqueue.emit(
          toNotice(
            ended ? 'RESERVATION_TERM_ENDED' : 'RESERVATION_TERM_WARNING',
            `${count} of ${tag}, ${new Date(endsAt).toISOString()}`,
          ),
        )
    }),
    notifyNotAuthorized: emit(({ context, event }: { context: Context; event: MachineEvent }) =>
      toNotice('NOT_AUTHORIZED', describeShortfalls(context, event.at)),
    ),
    notifyUpgrade: emit(({ event }: { event: MachineEvent }) => {
      assertEventType(event, 'product.upgrade')
      return toNotice('PRODUCT_UPGRADED', event.version)
    }),
    notifyTransportChanged: emit(({ event }: { event: MachineEvent }) => {
      assertEventType(event, 'transport.changed')
      return toNotice('TRANSPORT_CHANGED', event.transport)
    }),

    /** Tells all regions that the registration ended. */
    raiseRegistrationEnded: raise(
      ({ event }: { event: MachineEvent }, { reason }: { reason: RegistrationEndReason }) => ({
        type: 'registration.ended' as const,
        at: event.at,
        reason,
        failure: 'failure' in event ? event.failure : null,
      }),
    ),

    // Context assignments.
    consumeEvaluation: assign(({ context, event }) => {
      assertEventType(event, 'clock.tick')
      const remainingSeconds = computeRemainingSeconds(context, event.used)
      return { evaluation: { remainingSeconds, running: context.evaluation.running && remainingSeconds > 0 } }
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
      assertEventType(event, 'registration.start')
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
        ...withoutAuthorization(context),
      }
    }),
    endRegistration: assign(({ context }) => ({
      registration: null,
      renewal: { last: null, nextAt: null, failures: 0 },
      ...withoutAuthorization(context),
    })),
    /** Records why the registration ended. A deregistration that the authority accepted is no failure. */
    recordRegistrationEnd: assign(({ context, event }) => {
      assertEventType(event, 'registration.ended')
      if (event.reason === 'expired')
        return {
          registrationFailure: {
            at: event.at,
            code: 'REGISTRATION_EXPIRED',
            message: `The registration of ${context.registration?.instanceId ?? 'this device'} was not renewed before its ID certificate expired.`,
            remedy: 'Register the device again with a new token.',
          },
        }
      return event.failure === null ? {} : { registrationFailure: { ...event.failure, at: event.at } }
    }),

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
          nextAttemptAt:
            event.consequence === 'repeat' ? event.at + context.periods.outOfComplianceRecheck : null,
          failures: 0,
        },
        usage: { ...context.usage, reportAt: null },
      }
    }),
    /** Records that another copy continues the device's history. The authority may have been wrong, so the agent asks again. */
    recordDivergence: assign(({ context, event }) => ({
      authorization: {
        ...context.authorization,
        last: toFailedAttempt(event),
        nextAttemptAt: event.at + context.periods.outOfComplianceRecheck,
        failures: 0,
      },
      usage: { ...context.usage, reportAt: null },
      registrationFailure: toDatedFailure(event),
    })),
    clearRegistrationFailure: assign({ registrationFailure: null }),
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
          current: { requestCode: event.requestCode, requestedAt: event.at, grant: null, returnCode: null },
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
      if (current === null) return {}
      return { reservation: { ...context.reservation, current: { ...current, grant: event.grant } } }
    }),
    beginReturn: assign(({ context, event }) => {
      assertEventType(event, 'reservation.return-code')
      const { current } = context.reservation
      if (current === null) return {}
      return {
        reservation: { ...context.reservation, current: { ...current, returnCode: event.returnCode } },
      }
    }),
    completeReturn: assign(({ context, event }) => {
      const { current, returned, requests } = context.reservation
      const { grant, returnCode } = current ?? { grant: null, returnCode: null }
      if (grant === null || returnCode === null) return {}
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
      if (!current?.grant) return {}
      const grant = markTermsNotified(current.grant, event.at, context.periods.termWarnings)
      return { reservation: { ...context.reservation, current: { ...current, grant } } }
    }),
  },
})
