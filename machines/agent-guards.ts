import { and, not, or, setup, stateIn } from 'xstate'
import type { Context, Periods } from './agent-context.ts'
import type { MachineEvent, NoticeEvent, StateMeta, TransitionMeta } from './agent-machine.types.ts'
import { assertEventType } from './assert-event-type.ts'
import { hasElapsed, isDue, maxRetryDelay } from './deadlines.ts'
import { findShortfalls } from './reservation.ts'
import type { Instant } from './time.ts'

/** Returns the evaluation seconds that remain after a tick. A stopped evaluation consumes no seconds. */
export const computeRemainingSeconds = (context: Context, used: number): number =>
  context.evaluation.running
    ? Math.max(0, context.evaluation.remainingSeconds - Math.max(0, used))
    : context.evaluation.remainingSeconds

const isIdentityExpired = ({ registration }: Context, at: Instant): boolean =>
  isDue(registration?.expiresAt ?? null, at)

/** Checks whether an authorization is due: a renewal, a compliance poll, or a retry of either. */
const isAttemptDue = (context: Context, at: Instant): boolean =>
  !isIdentityExpired(context, at) &&
  hasElapsed(
    context.authorization.nextAttemptAt,
    at,
    context.authorization.failures > 0
      ? maxRetryDelay(context.periods)
      : Math.max(context.periods.authorizationRenewal, context.periods.outOfComplianceRecheck),
  )

/**
 * Types and guards of the agent machine. Requests are never due once the ID certificate has expired: the registration
 * then ends first.
 */
export const agentGuards = setup({
  types: {
    context: {} as Context,
    events: {} as MachineEvent,
    input: {} as { periods?: Periods; at: Instant },
    emitted: {} as NoticeEvent,
    meta: {} as StateMeta,
    transitionMeta: {} as TransitionMeta,
    tags: {} as 'full' | 'evaluation-runs' | 'license-management-only',
  },
})
  .extend({
    guards: {
      willExhaustEvaluation: ({ context, event }) => {
        assertEventType(event, 'clock.tick')
        return context.evaluation.running && computeRemainingSeconds(context, event.used) === 0
      },
      isEvaluationExhausted: ({ context }) => context.evaluation.remainingSeconds === 0,
      isIdentityExpired: ({ context, event }) => isIdentityExpired(context, event.at),
      isRetryDue: ({ context, event }) =>
        !isIdentityExpired(context, event.at) &&
        hasElapsed(context.registering?.nextAttemptAt ?? null, event.at, maxRetryDelay(context.periods)),
      isRenewalDue: ({ context, event }) =>
        !isIdentityExpired(context, event.at) &&
        hasElapsed(
          context.renewal.nextAt,
          event.at,
          Math.max(context.periods.registrationRenewal, maxRetryDelay(context.periods)),
        ),
      isAttemptDue: ({ context, event }) => isAttemptDue(context, event.at),
      isUsageReportDue: ({ context, event }) =>
        !isIdentityExpired(context, event.at) &&
        hasElapsed(context.usage.reportAt, event.at, context.periods.usageReportDelay),
      isDeadlinePassed: ({ context, event }) =>
        !isIdentityExpired(context, event.at) && isDue(context.authorization.deadlineAt, event.at),
      isCompliant: ({ event }) => {
        assertEventType(event, 'authorize.accepted')
        return event.compliant
      },
      isRevoked: ({ event }) => 'consequence' in event && event.consequence === 'end',
      isDiverged: ({ event }) => 'consequence' in event && event.consequence === 'divergence',
      /** A diverged device stays fully functional until its authorization deadline and the end of its evaluation. */
      isToleranceOver: ({ context, event }) => {
        assertEventType(event, 'clock.tick')
        const { deadlineAt } = context.authorization
        return (
          computeRemainingSeconds(context, event.used) === 0 &&
          (deadlineAt === null || isDue(deadlineAt, event.at))
        )
      },
      isToleranceSpent: ({ context, event }) => {
        const { deadlineAt } = context.authorization
        return (
          context.evaluation.remainingSeconds === 0 && (deadlineAt === null || isDue(deadlineAt, event.at))
        )
      },
      endedByExpiry: ({ event }) => event.type === 'registration.ended' && event.reason === 'expired',
      endedByAuthority: ({ event }) => event.type === 'registration.ended' && event.reason === 'revoked',
      grantsEvaluation: ({ event }) => event.type === 'product.upgrade' && event.evaluate,
      canReregister: ({ event }) => {
        assertEventType(event, 'registration.start')
        return event.force || event.again
      },
      coversUsage: ({ context, event }) => findShortfalls(context, event.at).length === 0,
      isUnregistered: stateIn('#smart-agent.registration.unregistered'),
      isRegisteringFirst: stateIn('#smart-agent.registration.registering'),
      isReregistering: stateIn('#smart-agent.registration.registered.reregistering'),
      isUnreserved: stateIn('#smart-agent.reservation.none'),
      isReservationRequested: stateIn('#smart-agent.reservation.requested'),
      isReservationInstalled: stateIn('#smart-agent.reservation.installed'),
      isReturning: stateIn('#smart-agent.reservation.returning'),
    },
  })
  .extend({
    guards: {
      isNotRevoked: not('isRevoked'),
      isDivergedWithoutTolerance: and(['isDiverged', 'isToleranceSpent']),
      isRegistering: or(['isRegisteringFirst', 'isReregistering']),
      hasNoLicenseSource: and(['isUnregistered', 'isUnreserved']),
      isCovered: and(['isReservationInstalled', 'coversUsage']),
      isAuthorizationDue: or(['isAttemptDue', 'isUsageReportDue']),
      willExhaustEvaluationAndAttemptDue: and(['willExhaustEvaluation', 'isAttemptDue']),
      isReturningAndEvaluationExhausted: and(['isReturning', 'isEvaluationExhausted']),
    },
  })
  .extend({
    guards: {
      isNotCovered: not('isCovered'),
      startsNewEvaluation: and(['hasNoLicenseSource', 'grantsEvaluation']),
    },
  })
