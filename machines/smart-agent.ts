import { assign, setup } from 'xstate'
import {
  defaultPeriods,
  due,
  type Instant,
  longestRetry,
  nextAuthorizationAt,
  nextRetryAt,
  type Periods,
  waited,
  warningsCrossed,
} from './deadlines.ts'
import type { Attempt, Context, Event, Failure, Notice, RequestKind } from './smart-agent-types.ts'

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
  lastFailure: null,
})

const failed = (at: Instant, reason: Failure): Attempt => ({ at, outcome: 'failed', reason })
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

const evaluationSpent = (context: Context, event: Event): boolean =>
  event.type === 'TICK' && context.evaluation.running && remainingAfter(context, event.used) === 0

/** Whether it is time to authorize: a renewal or a poll, or another attempt at one. */
const attemptDue = ({ authorization, periods }: Context, at: Instant): boolean =>
  waited(
    authorization.nextAttemptAt,
    at,
    authorization.failures > 0
      ? longestRetry(periods)
      : Math.max(periods.authorizationRenewal, periods.complianceCheck),
  )

const machine = setup({
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
    compliant: ({ event }) => event.type === 'authorize.accepted' && event.compliant,
    ended: ({ event }) => 'ended' in event && event.ended,
    endedForGood: ({ context, event }) =>
      'ended' in event && event.ended && context.evaluation.remainingSeconds === 0,
    mayRegister: ({ event }) => event.type === 'REGISTER' && (event.force || event.again),
  },
  actions: {
    // Commands: the runtime carries them out once the step is on disk.
    request: (_, _params: { kind: RequestKind; force?: boolean }) => undefined,
    forget: (_, _params: { what: 'identity' | 'registering' }) => undefined,
    notice: (_, _params: { notice: Notice; detail?: string }) => undefined,

    // Facts.
    useEvaluation: assign(({ context, event }) =>
      event.type === 'TICK'
        ? { evaluation: { ...context.evaluation, remainingSeconds: remainingAfter(context, event.used) } }
        : {},
    ),
    spendEvaluation: assign({ evaluation: { remainingSeconds: 0, running: false } }),
    stopEvaluation: assign(({ context }) => ({ evaluation: { ...context.evaluation, running: false } })),
    resumeEvaluation: assign(({ context }) => ({
      evaluation: { ...context.evaluation, running: context.evaluation.remainingSeconds > 0 },
    })),
    // The very first state is entered by no event of ours: its instant came with the input.
    markSince: assign(({ context, event }) =>
      'at' in event ? { authorization: { ...context.authorization, since: event.at } } : {},
    ),
    countUsage: assign(({ context, event }) => {
      if (event.type !== 'USAGE') return {}
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

    beginRegistering: assign(({ event }) =>
      event.type === 'REGISTER'
        ? { registering: { force: event.force, failures: 0, nextAttemptAt: null }, registrationFailure: null }
        : {},
    ),
    retryRegistering: assign(({ context, event }) => {
      if (event.type !== 'register.unreachable' || !context.registering) return {}
      const failures = context.registering.failures + 1
      const nextAttemptAt = nextRetryAt(event.at, failures, event.jitter, {
        retryAfter: event.retryAfter,
        ceiling: context.periods.retryAfterCeiling,
        deadline: null,
      })
      return {
        registering: { ...context.registering, failures, nextAttemptAt },
        registrationFailure: { ...event.failure, at: event.at },
      }
    }),
    failRegistering: assign(({ event }) =>
      'failure' in event
        ? { registering: null, registrationFailure: { ...event.failure, at: event.at } }
        : {},
    ),
    dropRegistering: assign({ registering: null, registrationFailure: null }),
    becomeRegistered: assign(({ context, event }) => {
      if (event.type !== 'register.accepted') return {}
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
    keepFailure: assign(({ event }) =>
      'failure' in event ? { registrationFailure: { ...event.failure, at: event.at } } : {},
    ),
    expireRegistration: assign(({ context, event }) => ({
      registrationFailure: {
        at: event.at,
        code: 'REGISTRATION_EXPIRED',
        message: `The registration of ${context.registration?.instanceId ?? 'this box'} was not renewed within its year.`,
        remedy: 'Register the box again with a new token.',
      },
    })),

    renewed: assign(({ context, event }) => {
      if (event.type !== 'renew.accepted' || !context.registration) return {}
      return {
        registration: { ...context.registration, expiresAt: event.expiresAt },
        renewal: {
          last: succeeded(event.at),
          nextAt: event.at + context.periods.registrationRenewal,
          failures: 0,
        },
      }
    }),
    renewalRefused: assign(({ context, event }) =>
      'failure' in event
        ? {
            renewal: { ...context.renewal, last: failed(event.at, event.failure), nextAt: null, failures: 0 },
          }
        : {},
    ),
    retryRenewal: assign(({ context, event }) => {
      if (event.type !== 'renew.unreachable') return {}
      const failures = context.renewal.failures + 1
      return {
        renewal: {
          last: failed(event.at, event.failure),
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
      if (event.type !== 'authorize.accepted') return {}
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
    authorizationRefused: assign(({ context, event }) =>
      'failure' in event
        ? {
            authorization: {
              ...context.authorization,
              last: failed(event.at, event.failure),
              nextAttemptAt: null,
              failures: 0,
            },
            usage: { ...context.usage, reportAt: null },
          }
        : {},
    ),
    retryAuthorization: assign(({ context, event }) => {
      if (event.type !== 'authorize.unreachable') return {}
      const failures = context.authorization.failures + 1
      return {
        authorization: {
          ...context.authorization,
          last: failed(event.at, event.failure),
          failures,
          nextAttemptAt: nextRetryAt(event.at, failures, event.jitter, {
            retryAfter: event.retryAfter,
            ceiling: context.periods.retryAfterCeiling,
            deadline: context.authorization.deadlineAt,
          }),
        },
      }
    }),
    rememberFailure: assign(({ event }) =>
      'failure' in event ? { lastFailure: { ...event.failure, at: event.at } } : {},
    ),
    forgetFailure: assign({ lastFailure: null }),
    /** The authority can be reached, or may be: what waits for another attempt need not wait any longer. */
    retryNow: assign(({ context, event }) => {
      if (!('at' in event)) return {}
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
    noticeInvalidTags: (_, _params: { tags: string[] }) => undefined,
    noticeWarnings: (_, _params: { seconds: number[] }) => undefined,
  },
})

/** The text of the failure an event carries: for notices. */
const reason = ({ event }: { event: Event }) => ('failure' in event ? event.failure.message : '')
const because = (notice: Notice) => ({
  type: 'notice' as const,
  params: (args: { event: Event }) => ({ notice, detail: reason(args) }),
})
const say = (notice: Notice) => ({ type: 'notice' as const, params: { notice } })
const ask = (kind: RequestKind) => ({ type: 'request' as const, params: { kind } })
const askToRegister = {
  type: 'request' as const,
  params: ({ context }: { context: Context }) => ({
    kind: 'register' as const,
    force: context.registering?.force ?? false,
  }),
}
const forget = (what: 'identity' | 'registering') => ({ type: 'forget' as const, params: { what } })
const sayWarnings = {
  type: 'noticeWarnings' as const,
  params: ({ context, event }: { context: Context; event: Event }) => ({
    seconds:
      event.type === 'TICK'
        ? warningsCrossed(
            context.evaluation.remainingSeconds,
            remainingAfter(context, event.used),
            context.periods.evaluationWarnings,
          )
        : [],
  }),
}

const sayInvalidTags = {
  type: 'noticeInvalidTags' as const,
  params: ({ event }: { event: Event }) => ({
    tags:
      event.type === 'authorize.accepted'
        ? event.entitlements.filter(({ status }) => status === 'invalid-tag').map(({ tag }) => tag)
        : [],
  }),
}

const sayRoad = {
  type: 'notice' as const,
  params: ({ event }: { event: Event }) => ({
    notice: 'TRANSPORT_CHANGED' as const,
    detail: event.type === 'TRANSPORT_CHANGED' ? event.road : '',
  }),
}

/** Where the licence axis goes when there is no registration any more: what is left of the evaluation. */
const backToEvaluation = { target: '#evaluation', description: 'what is left of the evaluation runs again' }
const nothingLeft = { target: '#unregistered', description: 'the evaluation is used up' }

/** The transitions out of a licence state when the registration ends, whoever ends it. */
const registrationEnds = {
  'deregister.accepted': [{ guard: 'evaluationIsSpent' as const, ...nothingLeft }, backToEvaluation],
  'deregister.refused': [{ guard: 'evaluationIsSpent' as const, ...nothingLeft }, backToEvaluation],
  'deregister.unreachable': [{ guard: 'evaluationIsSpent' as const, ...nothingLeft }, backToEvaluation],
  'renew.refused': [
    { guard: 'endedForGood' as const, ...nothingLeft },
    { guard: 'ended' as const, ...backToEvaluation },
  ],
  'acknowledge.refused': [
    { guard: 'endedForGood' as const, ...nothingLeft },
    { guard: 'ended' as const, ...backToEvaluation },
  ],
  'register.accepted': {
    target: '#registered',
    description: 'registered again: authorize under the new identity',
  },
}
const expiry = [
  { guard: 'identityExpiredForGood' as const, ...nothingLeft },
  { guard: 'identityExpired' as const, ...backToEvaluation },
]
const authorizeRefusedEnds = [
  { guard: 'endedForGood' as const, actions: because('AUTH_RENEW_FAILED'), ...nothingLeft },
  { guard: 'ended' as const, actions: because('AUTH_RENEW_FAILED'), ...backToEvaluation },
]
const countUsage = { USAGE: { actions: 'countUsage' as const } }

/** The authority says that the registration is over. */
const endsByAuthority = {
  guard: 'ended' as const,
  target: '#not-registered.failed',
  actions: [
    'keepFailure' as const,
    'endRegistration' as const,
    forget('identity'),
    because('REGISTRATION_ENDED'),
  ],
  description: 'removed or replaced at the authority',
}

/** The authority ends a registration while another is under way: that one goes on. */
const oldRegistrationEnds = (child: 'asking' | 'retrying') => {
  const ends = {
    guard: 'ended' as const,
    target: `#smart-agent.registration.registering.${child}`,
    actions: [
      'endRegistration' as const,
      forget('identity'),
      because('REGISTRATION_ENDED'),
      'retryNow' as const,
    ],
    description: 'the old registration is over; the new one is still under way',
  }
  return {
    'authorize.refused': ends,
    'acknowledge.refused': ends,
    'renew.refused': [ends, { actions: ['renewalRefused' as const, because('ID_CERT_RENEW_FAILED')] }],
  }
}

/** The three licence states of a box that was answered have the same inside: resting, asking, retrying. */
const contact = (word: 'authorized' | 'out-of-compliance' | 'auth-expired') => {
  const mayExpire = word !== 'auth-expired'
  const expired = (child: string, extra: object = {}) =>
    mayExpire
      ? [
          {
            guard: 'deadlinePassed' as const,
            target: `#auth-expired.${child}`,
            description: 'no contact until the deadline the authority gave',
            ...extra,
          },
        ]
      : []
  return {
    initial: 'current' as const,
    states: {
      current: {
        description: 'nothing to ask until the next authorization or a change of usage',
        on: {
          TICK: [
            ...expiry,
            ...expired('asking', { actions: ask('authorize') }),
            { guard: 'authorizationDue' as const, target: 'asking', actions: ask('authorize') },
          ],
          RENEW_AUTHORIZATION: { target: 'asking', actions: ask('authorize') },
        },
      },
      asking: {
        description: 'an authorization request is due, or on its way',
        on: {
          TICK: [...expiry, ...expired('asking')],
        },
      },
      retrying: {
        description: 'the authority was not reached; the next attempt is set',
        on: {
          TICK: [
            ...expiry,
            ...expired('retrying'),
            { guard: 'attemptDue' as const, target: 'asking', actions: ask('authorize') },
          ],
          RENEW_AUTHORIZATION: { target: 'asking', actions: ask('authorize') },
        },
      },
    },
  }
}

/** What an answer to an authorization request does, in every state that may ask. */
const authorizeOutcomes = {
  'authorize.accepted': [
    {
      guard: 'compliant' as const,
      target: '#authorized.current',
      actions: ['authorized' as const, say('AUTH_RENEW_SUCCESS'), sayInvalidTags],
      description: 'enough licences for what is in use',
    },
    {
      target: '#out-of-compliance.current',
      actions: ['authorized' as const, say('AUTH_RENEW_SUCCESS'), sayInvalidTags],
      description: 'more is in use than was bought',
    },
  ],
}

/** The kinds of exchange whose ends say whether the authority can be reached. */
type Ending<E extends 'accepted' | 'refused' | 'unreachable'> = `${RequestKind}.${E}`
const KINDS = ['register', 'authorize', 'renew', 'acknowledge', 'deregister'] as const

function onEach<E extends 'accepted' | 'refused' | 'unreachable', T>(ending: E, value: T) {
  return Object.fromEntries(KINDS.map((kind) => [`${kind}.${ending}`, value])) as Record<Ending<E>, T>
}
function wentDown() {
  return onEach('unreachable', {
    target: 'down',
    actions: ['rememberFailure' as const, because('COMM_FAILED')],
    description: 'said once per outage',
  })
}
function stillDown() {
  return onEach('unreachable', { actions: 'rememberFailure' as const })
}
function cameUp(...actions: ReturnType<typeof say>[]) {
  const up = {
    target: 'up',
    actions: [...actions, 'retryNow' as const],
    description: 'answered, with yes or no',
  }
  return { ...onEach('accepted', up), ...onEach('refused', up) }
}

/**
 * The licensing agent of a box, as a pure statechart (XState 5): no clock, no I/O, every event carries
 * its instant. Registration and authorization are two axes that stand beside each other, as the field
 * draws them, and the link to the authority is a third.
 *
 * The `license` axis holds the seven words of the Status document as its own states.
 */
export const smartAgent = machine.createMachine({
  id: 'smart-agent',
  type: 'parallel',
  context: ({ input }) => freshContext(input.periods, input.at),
  states: {
    registration: {
      initial: 'unregistered',
      states: {
        unregistered: {
          id: 'not-registered',
          description: 'this box holds no registration',
          initial: 'idle',
          on: { REGISTER: { target: 'registering', actions: ['beginRegistering', askToRegister] } },
          states: {
            idle: { description: 'never registered, or deregistered' },
            failed: { description: 'the authority refused, or ended the registration' },
            expired: { description: 'the registration was not renewed within its year' },
          },
        },
        registering: {
          description: 'a token was given; the authority has not answered yet',
          initial: 'asking',
          on: {
            'register.accepted': {
              target: 'registered',
              actions: [
                'becomeRegistered',
                forget('registering'),
                say('AGENT_REG_SUCCESS'),
                say('EXPORT_CONTROLLED'),
              ],
              description: 'the box is a product instance now',
            },
            'register.refused': {
              target: 'unregistered.failed',
              actions: ['failRegistering', forget('registering'), because('AGENT_REG_FAILED')],
              description: 'a refusal is final: the token is not tried again',
            },
            'register.unreachable': {
              target: '.retrying',
              actions: ['retryRegistering', because('AGENT_REG_FAILED')],
              description: 'the authority was not reached; tried again',
            },
          },
          states: {
            asking: { description: 'a registration request is due, or on its way' },
            retrying: {
              description: 'the next attempt to register is set',
              on: {
                TICK: { guard: 'retryDue', target: 'asking', actions: askToRegister },
                REGISTER: { target: 'asking', actions: ['beginRegistering', askToRegister] },
                DEREGISTER: {
                  target: '#not-registered.idle',
                  actions: ['dropRegistering', forget('registering')],
                  description: 'the attempt is given up',
                },
              },
            },
          },
        },
        registered: {
          id: 'has-registration',
          description: 'the box is a product instance and holds an ID certificate',
          initial: 'current',
          on: {
            DEREGISTER: {
              target: 'deregistering',
              actions: ['dropRegistering', forget('registering'), ask('deregister')],
            },
            REGISTER: {
              guard: 'mayRegister',
              target: '.reregistering',
              actions: ['beginRegistering', askToRegister],
              description: 'the old registration stands until the new one is there',
            },
            TICK: {
              guard: 'identityExpired',
              target: 'unregistered.expired',
              actions: ['expireRegistration', 'endRegistration', forget('identity'), say('ID_CERT_EXPIRED')],
              description: 'the ID certificate has ended',
            },
            'authorize.refused': endsByAuthority,
            'acknowledge.refused': endsByAuthority,
            // A renewal whose answer was lost is settled by whatever is asked next, wherever the chart stands.
            'renew.accepted': {
              target: '.acknowledging',
              actions: ['renewed', say('ID_CERT_RENEW_SUCCESS'), ask('acknowledge')],
            },
            'renew.refused': [
              endsByAuthority,
              { target: '.current', actions: ['renewalRefused', because('ID_CERT_RENEW_FAILED')] },
            ],
          },
          states: {
            current: {
              description: 'the ID certificate is good',
              on: {
                TICK: [
                  {
                    guard: 'identityExpired',
                    target: '#not-registered.expired',
                    actions: [
                      'expireRegistration',
                      'endRegistration',
                      forget('identity'),
                      say('ID_CERT_EXPIRED'),
                    ],
                    description: 'the ID certificate has ended',
                  },
                  { guard: 'renewalDue', target: 'renewing', actions: ask('renew') },
                ],
                RENEW_REGISTRATION: { target: 'renewing', actions: ask('renew') },
              },
            },
            renewing: {
              description: 'a new ID certificate is asked for',
              on: {
                'renew.unreachable': {
                  target: 'renewal-retrying',
                  actions: ['retryRenewal', because('ID_CERT_RENEW_FAILED')],
                },
              },
            },
            'renewal-retrying': {
              description: 'the authority was not reached; the next renewal attempt is set',
              on: {
                TICK: [
                  {
                    guard: 'identityExpired',
                    target: '#not-registered.expired',
                    actions: [
                      'expireRegistration',
                      'endRegistration',
                      forget('identity'),
                      say('ID_CERT_EXPIRED'),
                    ],
                    description: 'the ID certificate has ended',
                  },
                  { guard: 'renewalDue', target: 'renewing', actions: ask('renew') },
                ],
                RENEW_REGISTRATION: { target: 'renewing', actions: ask('renew') },
              },
            },
            acknowledging: {
              description: 'the authority is told that the new certificate arrived',
              on: {
                'acknowledge.accepted': 'current',
                'acknowledge.refused': [endsByAuthority, { target: 'current' }],
                'acknowledge.unreachable': {
                  target: 'current',
                  description: 'the next request made with the new certificate says the same',
                },
              },
            },
            reregistering: {
              description: 'registering again, with the old registration still good',
              initial: 'asking',
              on: {
                'register.accepted': {
                  target: 'current',
                  actions: [
                    'becomeRegistered',
                    forget('registering'),
                    say('AGENT_REG_SUCCESS'),
                    say('EXPORT_CONTROLLED'),
                  ],
                },
                'register.refused': {
                  target: 'current',
                  actions: ['failRegistering', forget('registering'), because('AGENT_REG_FAILED')],
                  description: 'the old registration stays',
                },
                'register.unreachable': {
                  target: '.retrying',
                  actions: ['retryRegistering', because('AGENT_REG_FAILED')],
                },
                'renew.accepted': { actions: ['renewed', say('ID_CERT_RENEW_SUCCESS')] },
                'renew.unreachable': { actions: ['retryRenewal', because('ID_CERT_RENEW_FAILED')] },
              },
              states: {
                asking: {
                  description: 'a registration request is due, or on its way',
                  on: {
                    ...oldRegistrationEnds('asking'),
                    REGISTER: { description: 'one registration at a time' },
                    TICK: {
                      guard: 'identityExpired',
                      target: '#smart-agent.registration.registering.asking',
                      actions: ['endRegistration', forget('identity'), say('ID_CERT_EXPIRED')],
                    },
                  },
                },
                retrying: {
                  description: 'the next attempt to register is set',
                  on: {
                    ...oldRegistrationEnds('retrying'),
                    TICK: [
                      {
                        guard: 'identityExpired',
                        target: '#smart-agent.registration.registering.retrying',
                        actions: ['endRegistration', forget('identity'), say('ID_CERT_EXPIRED')],
                      },
                      { guard: 'retryDue', target: 'asking', actions: askToRegister },
                    ],
                    REGISTER: { target: 'asking', actions: ['beginRegistering', askToRegister] },
                  },
                },
              },
            },
          },
        },
        deregistering: {
          description: 'the authority is told, once; whatever it says, the registration ends here',
          on: {
            'register.accepted': {
              actions: ['becomeRegistered', forget('registering')],
              description: 'it was under way; what it gave is given back too',
            },
            'deregister.accepted': {
              target: 'unregistered.idle',
              actions: ['endRegistration', forget('identity'), say('AGENT_DEREG_SUCCESS')],
            },
            'deregister.refused': {
              target: 'unregistered.idle',
              actions: ['keepFailure', 'endRegistration', forget('identity'), because('AGENT_DEREG_FAILED')],
              description: 'ended here; the authority may still list the instance',
            },
            'deregister.unreachable': {
              target: 'unregistered.idle',
              actions: ['keepFailure', 'endRegistration', forget('identity'), because('AGENT_DEREG_FAILED')],
              description: 'ended here; the instance must be removed at the authority by hand',
            },
            TICK: {
              guard: 'identityExpired',
              target: 'unregistered.expired',
              actions: ['expireRegistration', 'endRegistration', forget('identity'), say('ID_CERT_EXPIRED')],
            },
            'authorize.refused': {
              guard: 'ended',
              target: 'unregistered.idle',
              actions: ['endRegistration', forget('identity'), because('REGISTRATION_ENDED')],
            },
            'renew.refused': {
              guard: 'ended',
              target: 'unregistered.idle',
              actions: ['endRegistration', forget('identity'), because('REGISTRATION_ENDED')],
            },
            'acknowledge.refused': {
              guard: 'ended',
              target: 'unregistered.idle',
              actions: ['endRegistration', forget('identity'), because('REGISTRATION_ENDED')],
            },
          },
        },
      },
    },

    license: {
      initial: 'evaluation',
      on: countUsage,
      states: {
        evaluation: {
          id: 'evaluation',
          tags: ['full', 'evaluation-runs'],
          description: 'everything may be used while the evaluation lasts',
          entry: ['markSince', 'resumeEvaluation', say('EVAL_START')],
          on: {
            TICK: [
              {
                guard: 'evaluationSpent',
                target: 'unregistered',
                actions: ['spendEvaluation', say('EVAL_EXPIRED')],
                description: 'the last second of the evaluation is used',
              },
              { actions: [sayWarnings, 'useEvaluation'] },
            ],
            'register.accepted': { target: 'registered', description: 'registered: authorize next' },
          },
        },
        unregistered: {
          id: 'unregistered',
          tags: ['license-management-only'],
          description: 'the evaluation is used up and nothing is registered: only licence management works',
          entry: ['markSince', 'resumeEvaluation'],
          on: { 'register.accepted': { target: 'registered', description: 'registered: authorize next' } },
        },
        registered: {
          id: 'registered',
          tags: ['full', 'evaluation-runs'],
          description: 'registered, and waiting for the first authorization',
          entry: ['markSince', ask('authorize')],
          initial: 'asking',
          on: {
            ...registrationEnds,
            ...authorizeOutcomes,
            'register.accepted': { target: 'registered', reenter: true, description: 'registered again' },
            'authorize.refused': [
              ...authorizeRefusedEnds,
              { target: '.refused', actions: ['authorizationRefused', because('AUTH_RENEW_FAILED')] },
            ],
            'authorize.unreachable': {
              target: '.retrying',
              actions: ['retryAuthorization', because('AUTH_RENEW_FAILED')],
            },
            TICK: [
              ...expiry,
              { guard: 'evaluationSpent', actions: ['spendEvaluation', say('EVAL_EXPIRED')] },
              { actions: [sayWarnings, 'useEvaluation'] },
            ],
          },
          states: {
            asking: { description: 'the first authorization request is due, or on its way' },
            retrying: {
              description: 'the authority was not reached; the next attempt is set',
              on: {
                TICK: [
                  ...expiry,
                  {
                    guard: 'spentAndAttemptDue',
                    target: 'asking',
                    actions: ['spendEvaluation', say('EVAL_EXPIRED'), ask('authorize')],
                  },
                  {
                    guard: 'attemptDue',
                    target: 'asking',
                    actions: [sayWarnings, 'useEvaluation', ask('authorize')],
                  },
                ],
                RENEW_AUTHORIZATION: { target: 'asking', actions: ask('authorize') },
              },
            },
            refused: {
              description: 'the authority refused; only a person changes that',
              on: { RENEW_AUTHORIZATION: { target: 'asking', actions: ask('authorize') } },
            },
          },
        },
        authorized: {
          id: 'authorized',
          tags: ['full'],
          description: 'the authority says that enough licences are there',
          entry: ['markSince', 'stopEvaluation', say('IN_COMPLIANCE')],
          on: {
            ...registrationEnds,
            ...authorizeOutcomes,
            'authorize.refused': [
              ...authorizeRefusedEnds,
              { target: '.current', actions: ['authorizationRefused', because('AUTH_RENEW_FAILED')] },
            ],
            'authorize.unreachable': {
              target: '.retrying',
              actions: ['retryAuthorization', because('AUTH_RENEW_FAILED')],
            },
          },
          ...contact('authorized'),
        },
        'out-of-compliance': {
          id: 'out-of-compliance',
          tags: ['full'],
          description: 'more is in use than was bought; nothing is refused for that',
          entry: ['markSince', 'stopEvaluation', say('OUT_OF_COMPLIANCE')],
          on: {
            ...registrationEnds,
            ...authorizeOutcomes,
            'authorize.refused': [
              ...authorizeRefusedEnds,
              { target: '.current', actions: ['authorizationRefused', because('AUTH_RENEW_FAILED')] },
            ],
            'authorize.unreachable': {
              target: '.retrying',
              actions: ['retryAuthorization', because('AUTH_RENEW_FAILED')],
            },
          },
          ...contact('out-of-compliance'),
        },
        'auth-expired': {
          id: 'auth-expired',
          tags: ['full'],
          description: 'no contact until the deadline; one successful contact mends it',
          entry: ['markSince', say('AUTHORIZATION_EXPIRED')],
          on: {
            ...registrationEnds,
            ...authorizeOutcomes,
            'authorize.refused': [
              ...authorizeRefusedEnds,
              { target: '.current', actions: ['authorizationRefused', because('AUTH_RENEW_FAILED')] },
            ],
            'authorize.unreachable': {
              target: '.retrying',
              actions: ['retryAuthorization', because('AUTH_RENEW_FAILED')],
            },
          },
          ...contact('auth-expired'),
        },
        reserved: {
          id: 'reserved',
          tags: ['full'],
          description: 'licences were reserved for this box; it makes no connections',
        },
      },
    },

    link: {
      initial: 'unknown',
      on: {
        TRANSPORT_CHANGED: {
          target: '.unknown',
          actions: ['forgetFailure', 'retryNow', sayRoad],
          description: 'another road, of which nothing is known yet: what waits tries it now',
        },
      },
      states: {
        unknown: {
          description: 'nothing was asked yet on this road',
          on: { ...wentDown(), ...cameUp() },
        },
        up: { description: 'the last exchange was answered', on: wentDown() },
        down: {
          description: 'the last exchange was not answered',
          on: { ...stillDown(), ...cameUp(say('COMM_RESTORED')) },
        },
      },
    },
  },
})
