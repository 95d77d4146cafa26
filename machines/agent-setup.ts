import { assign, setup } from 'xstate'
import {
  defaultPeriods,
  due,
  longestRetry,
  nextAuthorizationAt,
  nextRetryAt,
  waited,
  warningsCrossed,
} from './deadlines.ts'
import { expectEvent } from './assert-event-type.ts'
import { covered, type TermNews, termNews, toldTerms, uncoveredWords } from './reservation.ts'
import type { Attempt, Context, Failure, Periods } from './agent-context.ts'
import type { Event, Notice, RequestKind } from './agent-machine.types.ts'
import type { Instant } from './time.ts'

/** The facts of a box that was just installed. */
export const freshContext = (periods: Periods = defaultPeriods, at: Instant = 0): Context => ({
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

/** What an event says went wrong; only those that say it are ever asked. */
function failureOf(event: Event): Failure {
  if ('failure' in event) return event.failure
  throw new TypeError(`${event.type} carries no failure`)
}
const failureAt = (event: Event): Failure & { at: Instant } => ({ ...failureOf(event), at: event.at })
const failed = (event: Event): Attempt => ({ at: event.at, outcome: 'failed', reason: failureOf(event) })
const succeeded = (at: Instant): Attempt => ({ at, outcome: 'succeeded', reason: null })

/** Whether two sets of counts are the same; a count of 0 is as good as none (agent-behaviour §9.3). */
function sameCounts(a: Record<string, number> | null, b: Record<string, number>): boolean {
  const counts = a ?? {}
  return [...Object.keys(counts), ...Object.keys(b)].every((tag) => (counts[tag] ?? 0) === (b[tag] ?? 0))
}

/** How much evaluation is left after a beat; unchanged while it stands still. */
const remainingAfter = (context: Context, used: number): number =>
  context.evaluation.running
    ? Math.max(0, context.evaluation.remainingSeconds - Math.max(0, used))
    : context.evaluation.remainingSeconds

function evaluationSpent(context: Context, event: Event): boolean {
  expectEvent(event, 'TICK')
  return context.evaluation.running && remainingAfter(context, event.used) === 0
}

/** Whether it is time to authorize: a renewal or a poll, or another attempt at one. */
const attemptDue = ({ authorization, periods }: Context, at: Instant): boolean =>
  waited(
    authorization.nextAttemptAt,
    at,
    authorization.failures > 0
      ? longestRetry(periods)
      : Math.max(periods.authorizationRenewal, periods.complianceCheck),
  )

/** The words of the chart: what it holds, what it asks, and how a step changes the facts. */
export const chart = setup({
  types: {
    context: {} as Context,
    events: {} as Event,
    input: {} as { periods?: Periods; at: Instant },
  },
  guards: {
    evaluationSpent: ({ context, event }) => evaluationSpent(context, event),
    evaluationIsSpent: ({ context }) => context.evaluation.remainingSeconds === 0,
    identityExpired: ({ context, event }) => due(context.registration?.expiresAt ?? null, event.at),
    identityExpiredForGood: ({ context, event }) =>
      due(context.registration?.expiresAt ?? null, event.at) && context.evaluation.remainingSeconds === 0,
    retryDue: ({ context, event }) =>
      waited(context.registering?.nextAttemptAt ?? null, event.at, longestRetry(context.periods)),
    renewalDue: ({ context, event }) =>
      waited(
        context.renewal.nextAt,
        event.at,
        Math.max(context.periods.registrationRenewal, longestRetry(context.periods)),
      ),
    authorizationDue: ({ context, event }) =>
      attemptDue(context, event.at) || waited(context.usage.reportAt, event.at, context.periods.usageReport),
    attemptDue: ({ context, event }) => attemptDue(context, event.at),
    spentAndAttemptDue: ({ context, event }) =>
      evaluationSpent(context, event) && attemptDue(context, event.at),
    deadlinePassed: ({ context, event }) => due(context.authorization.deadlineAt, event.at),
    compliant: ({ event }) => {
      expectEvent(event, 'authorize.accepted')
      return event.compliant
    },
    ended: ({ event }) => 'ended' in event && event.ended,
    endedForGood: ({ context, event }) =>
      'ended' in event && event.ended && context.evaluation.remainingSeconds === 0,
    unbound: ({ context }) =>
      context.registration === null && context.registering === null && context.reservation.current === null,
    evaluatedAnew: ({ context, event }) =>
      event.type === 'UPGRADE' &&
      event.evaluate &&
      context.registration === null &&
      context.registering === null &&
      context.reservation.current === null,
    registering: ({ context }) => context.registering !== null,
    reservationRequested: ({ context }) => context.reservation.current?.stage === 'requested',
    returning: ({ context }) => context.reservation.current?.stage === 'returning',
    returningForGood: ({ context }) =>
      context.reservation.current?.stage === 'returning' && context.evaluation.remainingSeconds === 0,
    covered: ({ context, event }) => covered(context, event.at),
    notCovered: ({ context, event }) => !covered(context, event.at),
    mayRegister: ({ event }) => {
      expectEvent(event, 'REGISTER')
      return event.force || event.again
    },
  },
  actions: {
    // Commands: the runtime carries them out once the step is on disk.
    request: (_, _params: { kind: RequestKind; force?: boolean }) => undefined,
    forget: (_, _params: { what: 'identity' | 'registering' }) => undefined,
    notice: (_, _params: { notice: Notice; detail?: string }) => undefined,

    // Facts.
    useEvaluation: assign(({ context, event }) => {
      expectEvent(event, 'TICK')
      return { evaluation: { ...context.evaluation, remainingSeconds: remainingAfter(context, event.used) } }
    }),
    spendEvaluation: assign({ evaluation: { remainingSeconds: 0, running: false } }),
    renewEvaluation: assign(({ context }) => ({
      evaluation: { remainingSeconds: context.periods.evaluationSeconds, running: true },
    })),
    stopEvaluation: assign(({ context }) => ({ evaluation: { ...context.evaluation, running: false } })),
    resumeEvaluation: assign(({ context }) => ({
      evaluation: { ...context.evaluation, running: context.evaluation.remainingSeconds > 0 },
    })),
    // The very first state is entered by no event of ours: its instant came with the input.
    markSince: assign(({ context, event }) =>
      'at' in event ? { authorization: { ...context.authorization, since: event.at } } : {},
    ),
    countUsage: assign(({ context, event }) => {
      expectEvent(event, 'USAGE')
      const counts = { ...context.usage.counts, [event.tag]: event.count }
      const changed = context.registration !== null && !sameCounts(context.usage.reported, counts)
      return {
        usage: {
          ...context.usage,
          counts,
          reportAt: changed ? (context.usage.reportAt ?? event.at + context.periods.usageReport) : null,
        },
      }
    }),

    beginRegistering: assign(({ event }) => {
      expectEvent(event, 'REGISTER')
      return {
        registering: { force: event.force, failures: 0, nextAttemptAt: null },
        registrationFailure: null,
      }
    }),
    retryRegistering: assign(({ context, event }) => {
      expectEvent(event, 'register.unreachable')
      if (!context.registering) return {}
      const failures = context.registering.failures + 1
      const nextAttemptAt = nextRetryAt(event.at, failures, event.jitter, {
        retryAfter: event.retryAfter,
        ceiling: context.periods.retryAfterCeiling,
        deadline: null,
      })
      return {
        registering: { ...context.registering, failures, nextAttemptAt },
        registrationFailure: failureAt(event),
      }
    }),
    failRegistering: assign(({ event }) => ({ registering: null, registrationFailure: failureAt(event) })),
    dropRegistering: assign({ registering: null, registrationFailure: null }),
    becomeRegistered: assign(({ context, event }) => {
      expectEvent(event, 'register.accepted')
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
    keepFailure: assign(({ event }) => ({ registrationFailure: failureAt(event) })),
    expireRegistration: assign(({ context, event }) => ({
      registrationFailure: {
        at: event.at,
        code: 'REGISTRATION_EXPIRED',
        message: `The registration of ${context.registration?.instanceId ?? 'this box'} was not renewed within its year.`,
        remedy: 'Register the box again with a new token.',
      },
    })),

    renewed: assign(({ context, event }) => {
      expectEvent(event, 'renew.accepted')
      if (!context.registration) return {}
      return {
        registration: { ...context.registration, expiresAt: event.expiresAt },
        renewal: {
          last: succeeded(event.at),
          nextAt: event.at + context.periods.registrationRenewal,
          failures: 0,
        },
      }
    }),
    renewalRefused: assign(({ event }) => ({
      renewal: { last: failed(event), nextAt: null, failures: 0 },
    })),
    retryRenewal: assign(({ context, event }) => {
      expectEvent(event, 'renew.unreachable')
      const failures = context.renewal.failures + 1
      return {
        renewal: {
          last: failed(event),
          failures,
          nextAt: nextRetryAt(event.at, failures, event.jitter, {
            retryAfter: event.retryAfter,
            ceiling: context.periods.retryAfterCeiling,
            deadline: context.registration?.expiresAt ?? null,
          }),
        },
      }
    }),

    authorized: assign(({ context, event }) => {
      expectEvent(event, 'authorize.accepted')
      const { smartAccount, virtualAccount } = event
      return {
        registration: context.registration && { ...context.registration, smartAccount, virtualAccount },
        authorization: {
          ...context.authorization,
          last: succeeded(event.at),
          nextAttemptAt: nextAuthorizationAt(event.at, event.compliant, context.periods, event),
          deadlineAt: event.deadlineAt,
          failures: 0,
          entitlements: event.entitlements,
        },
        usage: {
          ...context.usage,
          reported: event.counts,
          // What changed while the report was on its way goes with the next one, at once.
          reportAt: sameCounts(event.counts, context.usage.counts) ? null : event.at,
        },
      }
    }),
    authorizationRefused: assign(({ context, event }) => {
      expectEvent(event, 'authorize.refused')
      return {
        authorization: {
          ...context.authorization,
          last: failed(event),
          // A satellite that is out of touch is asked again: what mends it is not done at the box.
          nextAttemptAt: event.again ? event.at + context.periods.complianceCheck : null,
          failures: 0,
        },
        usage: { ...context.usage, reportAt: null },
      }
    }),
    retryAuthorization: assign(({ context, event }) => {
      expectEvent(event, 'authorize.unreachable')
      const failures = context.authorization.failures + 1
      return {
        authorization: {
          ...context.authorization,
          last: failed(event),
          failures,
          nextAttemptAt: nextRetryAt(event.at, failures, event.jitter, {
            retryAfter: event.retryAfter,
            ceiling: context.periods.retryAfterCeiling,
            deadline: context.authorization.deadlineAt,
          }),
        },
      }
    }),
    rememberFailure: assign(({ event }) => ({ lastFailure: failureAt(event) })),
    forgetFailure: assign({ lastFailure: null }),
    /** The authority can be reached, or may be: what waits for another attempt need not wait any longer. */
    retryNow: assign(({ context, event }) => {
      const { registering, renewal, authorization } = context
      const sooner = (instant: Instant | null) => (instant === null ? null : Math.min(instant, event.at))
      return {
        registering: registering && { ...registering, nextAttemptAt: sooner(registering.nextAttemptAt) },
        renewal: renewal.failures > 0 ? { ...renewal, nextAt: sooner(renewal.nextAt) } : renewal,
        authorization:
          authorization.failures > 0
            ? { ...authorization, nextAttemptAt: sooner(authorization.nextAttemptAt) }
            : authorization,
      }
    }),
    // Reservation.
    keepRequest: assign(({ context, event }) => {
      expectEvent(event, 'RESERVATION_REQUEST')
      return {
        reservation: {
          ...context.reservation,
          requests: context.reservation.requests + 1,
          current: { stage: 'requested', requestCode: event.requestCode, at: event.at },
        },
        registrationFailure: null,
      }
    }),
    dropRequest: assign(({ context }) => ({ reservation: { ...context.reservation, current: null } })),
    installGrant: assign(({ context, event }) => {
      expectEvent(event, 'RESERVATION_INSTALL', 'RESERVATION_UPDATE')
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
    endGrant: assign(({ context, event }) => {
      expectEvent(event, 'RESERVATION_RETURN_CODE')
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
      const last = { request: requests, reservationId: grant.reservationId, returnCode, at: event.at }
      return { reservation: { requests, current: null, returned: [...returned, last] } }
    }),
    keepDiscarded: assign(({ context, event }) => {
      expectEvent(event, 'RESERVATION_DISCARD')
      return {
        reservation: {
          ...context.reservation,
          returned: [...context.reservation.returned, event.returned],
        },
      }
    }),
    tellTerms: assign(({ context, event }) => {
      const { current } = context.reservation
      if (current?.stage !== 'installed') return {}
      const grant = toldTerms(current.grant, event.at, context.periods.termWarnings)
      return { reservation: { ...context.reservation, current: { ...current, grant } } }
    }),
    noticeTerms: (_, _params: { news: readonly TermNews[] }) => undefined,
    noticeInvalidTags: (_, _params: { tags: string[] }) => undefined,
    noticeWarnings: (_, _params: { seconds: number[] }) => undefined,
  },
})

/** A notice with the text of the failure that the event carries. */
export const because = (notice: Notice) => ({
  type: 'notice' as const,
  params: ({ event }: { event: Event }) => ({ notice, detail: failureOf(event).message }),
})
export const say = (notice: Notice) => ({ type: 'notice' as const, params: { notice } })
export const ask = (kind: RequestKind) => ({ type: 'request' as const, params: { kind } })
export const askToRegister = {
  type: 'request' as const,
  params: ({ context }: { context: Context }) => ({
    kind: 'register' as const,
    force: context.registering?.force ?? false,
  }),
}
export const forget = (what: 'identity' | 'registering') => ({ type: 'forget' as const, params: { what } })
export const sayWarnings = {
  type: 'noticeWarnings' as const,
  params: ({ context, event }: { context: Context; event: Event }) => {
    expectEvent(event, 'TICK')
    return {
      seconds: warningsCrossed(
        context.evaluation.remainingSeconds,
        remainingAfter(context, event.used),
        context.periods.evaluationWarnings,
      ),
    }
  },
}

/** The ends of terms that are near, or have come: said before they are noted as told. */
export const sayTerms = {
  type: 'noticeTerms' as const,
  params: ({ context, event }: { context: Context; event: Event }) => {
    const { current } = context.reservation
    return {
      news:
        current?.stage === 'installed' ? termNews(current.grant, event.at, context.periods.termWarnings) : [],
    }
  },
}
export const sayNotAuthorized = {
  type: 'notice' as const,
  params: ({ context, event }: { context: Context; event: Event }) => ({
    notice: 'NOT_AUTHORIZED' as const,
    detail: uncoveredWords(context, event.at),
  }),
}

export const sayInvalidTags = {
  type: 'noticeInvalidTags' as const,
  params: ({ event }: { event: Event }) => {
    expectEvent(event, 'authorize.accepted')
    return {
      tags: event.entitlements.filter(({ status }) => status === 'invalid-tag').map(({ tag }) => tag),
    }
  },
}

export const sayUpgrade = {
  type: 'notice' as const,
  params: ({ event }: { event: Event }) => {
    expectEvent(event, 'UPGRADE')
    return { notice: 'PRODUCT_UPGRADED' as const, detail: event.version }
  },
}

export const sayRoad = {
  type: 'notice' as const,
  params: ({ event }: { event: Event }) => {
    expectEvent(event, 'TRANSPORT_CHANGED')
    return { notice: 'TRANSPORT_CHANGED' as const, detail: event.road }
  },
}
