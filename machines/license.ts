import {
  request,
  notifyFailure,
  agentSetup,
  notify,
  notifyInvalidTags,
  notifyNotAuthorized,
  notifyTermExpiry,
  notifyUpgrade,
  notifyEvaluationWarnings,
} from './agent-setup.ts'

/** Where the license axis goes when there is no registration any more: what is left of the evaluation. */
const toEvaluation = { target: '#evaluation', description: 'what is left of the evaluation runs again' }
const toUnregistered = { target: '#unregistered', description: 'the evaluation is used up' }

/** The transitions out of a license state when the registration ends, whoever ends it. */
const onRegistrationEnded = {
  'deregister.accepted': [{ guard: 'isEvaluationExhausted' as const, ...toUnregistered }, toEvaluation],
  'deregister.refused': [{ guard: 'isEvaluationExhausted' as const, ...toUnregistered }, toEvaluation],
  'deregister.unreachable': [{ guard: 'isEvaluationExhausted' as const, ...toUnregistered }, toEvaluation],
  'renew.refused': [
    { guard: 'isRevokedAndEvaluationExhausted' as const, ...toUnregistered },
    { guard: 'isRevoked' as const, ...toEvaluation },
  ],
  'acknowledge.refused': [
    { guard: 'isRevokedAndEvaluationExhausted' as const, ...toUnregistered },
    { guard: 'isRevoked' as const, ...toEvaluation },
  ],
  'register.accepted': {
    guard: 'isRegistering' as const,
    target: '#registered',
    description: 'registered again: authorize under the new identity',
  },
}
const onIdentityExpired = [
  { guard: 'isIdentityExpiredAndEvaluationExhausted' as const, ...toUnregistered },
  { guard: 'isIdentityExpired' as const, ...toEvaluation },
]
const onReservationInstalled = {
  'reservation.install': {
    guard: 'isReservationRequested' as const,
    target: 'reserved',
    description: 'licenses are reserved for this box',
  },
}
/** Another major version has an evaluation of its own, once (R-EVAL-2). */
const onUpgrade = {
  upgrade: [
    {
      guard: 'startsNewEvaluation' as const,
      target: 'evaluation',
      reenter: true,
      actions: ['renewEvaluation' as const, notifyUpgrade],
      description: 'a new version is evaluated anew',
    },
    {
      guard: 'hasNoRegistration' as const,
      actions: notifyUpgrade,
      description: 'a version that earns no evaluation: what is left goes on',
    },
  ],
}
const onAuthorizationRevoked = [
  {
    guard: 'isRevokedAndEvaluationExhausted' as const,
    actions: notifyFailure('AUTH_RENEW_FAILED'),
    ...toUnregistered,
  },
  { guard: 'isRevoked' as const, actions: notifyFailure('AUTH_RENEW_FAILED'), ...toEvaluation },
]
const onUsageChanged = { 'usage.changed': { actions: 'countUsage' as const } }

/** What an answer to an authorization request does, in every state that may ask. */
const onAuthorizeAccepted = {
  'authorize.accepted': [
    {
      guard: 'isCompliant' as const,
      target: '#authorized.current',
      actions: ['recordAuthorization' as const, notify('AUTH_RENEW_SUCCESS'), notifyInvalidTags],
      description: 'enough licenses for what is in use',
    },
    {
      target: '#out-of-compliance.current',
      actions: ['recordAuthorization' as const, notify('AUTH_RENEW_SUCCESS'), notifyInvalidTags],
      description: 'more is in use than was bought',
    },
  ],
}

/** Before the first answer: the next attempt when it is due, while the evaluation goes on. */
const onRetryDue = {
  tick: [
    ...onIdentityExpired,
    {
      guard: 'willExhaustEvaluationAndAttemptDue' as const,
      target: 'requesting',
      actions: ['exhaustEvaluation' as const, notify('EVAL_EXPIRED'), request('authorize')],
    },
    {
      guard: 'isAttemptDue' as const,
      target: 'requesting',
      actions: [notifyEvaluationWarnings, 'consumeEvaluation' as const, request('authorize')],
    },
  ],
  'authorization.renew': { target: 'requesting', actions: request('authorize') },
}

/** The three license states of a box that was answered have the same inside: resting, asking, retrying. */
const authorizationSubstates = (state: 'authorized' | 'out-of-compliance' | 'auth-expired') => {
  const canExpire = state !== 'auth-expired'
  const onDeadlinePassed = (child: string, extra: object = {}) =>
    canExpire
      ? [
          {
            guard: 'isDeadlinePassed' as const,
            target: `#auth-expired.${child}`,
            description: 'no contact until the deadline the authority gave',
            ...extra,
          },
        ]
      : []
  return {
    on: {
      ...onRegistrationEnded,
      ...onAuthorizeAccepted,
      'authorize.refused': [
        ...onAuthorizationRevoked,
        {
          target: '.current',
          actions: ['recordAuthorizationRefusal' as const, notifyFailure('AUTH_RENEW_FAILED')],
        },
      ],
      'authorize.unreachable': {
        target: '.retrying',
        actions: ['retryAuthorization' as const, notifyFailure('AUTH_RENEW_FAILED')],
      },
    },
    initial: 'current' as const,
    states: {
      current: {
        description: 'nothing to ask until the next authorization or a change of usage',
        on: {
          tick: [
            ...onIdentityExpired,
            ...onDeadlinePassed('requesting', { actions: request('authorize') }),
            { guard: 'isAuthorizationDue' as const, target: 'requesting', actions: request('authorize') },
          ],
          'authorization.renew': { target: 'requesting', actions: request('authorize') },
        },
      },
      requesting: {
        description: 'an authorization request is due, or on its way',
        on: {
          tick: [...onIdentityExpired, ...onDeadlinePassed('requesting')],
        },
      },
      retrying: {
        description: 'the authority was not reached; the next attempt is set',
        on: {
          tick: [
            ...onIdentityExpired,
            ...onDeadlinePassed('retrying'),
            { guard: 'isAttemptDue' as const, target: 'requesting', actions: request('authorize') },
          ],
          'authorization.renew': { target: 'requesting', actions: request('authorize') },
        },
      },
    },
  }
}

/** The license axis: what the box may do. It holds the seven words of the Status document as its own states. */
export const license = agentSetup.createStateConfig({
  initial: 'evaluation',
  on: onUsageChanged,
  states: {
    evaluation: {
      id: 'evaluation',
      tags: ['full', 'evaluation-runs'],
      description: 'everything may be used while the evaluation lasts',
      entry: ['stampStateEntry', 'resumeEvaluation', notify('EVAL_START')],
      on: {
        tick: [
          {
            guard: 'willExhaustEvaluation',
            target: 'unregistered',
            actions: ['exhaustEvaluation', notify('EVAL_EXPIRED')],
            description: 'the last second of the evaluation is used',
          },
          { actions: [notifyEvaluationWarnings, 'consumeEvaluation'] },
        ],
        'register.accepted': {
          guard: 'isRegistering',
          target: 'registered',
          description: 'registered: authorize next',
        },
        ...onReservationInstalled,
        ...onUpgrade,
      },
    },
    unregistered: {
      id: 'unregistered',
      tags: ['license-management-only'],
      description: 'the evaluation is used up and nothing is registered: only license management works',
      entry: ['stampStateEntry', 'resumeEvaluation'],
      on: {
        'register.accepted': {
          guard: 'isRegistering',
          target: 'registered',
          description: 'registered: authorize next',
        },
        ...onReservationInstalled,
        ...onUpgrade,
      },
    },
    registered: {
      id: 'registered',
      tags: ['full', 'evaluation-runs'],
      description: 'registered, and waiting for the first authorization',
      entry: ['stampStateEntry', request('authorize')],
      initial: 'requesting',
      on: {
        ...onRegistrationEnded,
        ...onAuthorizeAccepted,
        'register.accepted': {
          guard: 'isRegistering',
          target: 'registered',
          reenter: true,
          description: 'registered again',
        },
        'authorize.refused': [
          ...onAuthorizationRevoked,
          { target: '.refused', actions: ['recordAuthorizationRefusal', notifyFailure('AUTH_RENEW_FAILED')] },
        ],
        'authorize.unreachable': {
          target: '.retrying',
          actions: ['retryAuthorization', notifyFailure('AUTH_RENEW_FAILED')],
        },
        tick: [
          ...onIdentityExpired,
          { guard: 'willExhaustEvaluation', actions: ['exhaustEvaluation', notify('EVAL_EXPIRED')] },
          { actions: [notifyEvaluationWarnings, 'consumeEvaluation'] },
        ],
      },
      states: {
        requesting: { description: 'the first authorization request is due, or on its way' },
        retrying: {
          description: 'the authority was not reached; the next attempt is set',
          on: onRetryDue,
        },
        refused: {
          description: 'the authority refused; only a person changes that, here or at a satellite',
          on: onRetryDue,
        },
      },
    },
    authorized: {
      id: 'authorized',
      tags: ['full'],
      description: 'the authority says that enough licenses are there',
      entry: ['stampStateEntry', 'stopEvaluation', notify('IN_COMPLIANCE')],
      ...authorizationSubstates('authorized'),
    },
    'out-of-compliance': {
      id: 'out-of-compliance',
      tags: ['full'],
      description: 'more is in use than was bought; nothing is refused for that',
      entry: ['stampStateEntry', 'stopEvaluation', notify('OUT_OF_COMPLIANCE')],
      ...authorizationSubstates('out-of-compliance'),
    },
    'auth-expired': {
      id: 'auth-expired',
      tags: ['full'],
      description: 'no contact until the deadline; one successful contact mends it',
      entry: ['stampStateEntry', notify('AUTHORIZATION_EXPIRED')],
      ...authorizationSubstates('auth-expired'),
    },
    reserved: {
      id: 'reserved',
      description: 'licenses were reserved for this box; it makes no connections',
      entry: ['stopEvaluation'],
      initial: 'authorized',
      on: {
        tick: {
          actions: [notifyTermExpiry, 'markTermsNotified'],
          description: 'terms end by their date, and are told of before',
        },
        'reservation.return': [
          { guard: 'isReturningAndEvaluationExhausted', ...toUnregistered },
          { guard: 'isReturning', ...toEvaluation },
        ],
      },
      states: {
        authorized: {
          tags: ['full'],
          description: 'what is reserved covers what is in use',
          entry: 'stampStateEntry',
          always: { guard: 'isNotCovered', target: 'not-authorized' },
        },
        'not-authorized': {
          tags: ['license-management-only'],
          description: 'more is in use than is reserved, or the reservation is being returned',
          entry: ['stampStateEntry', notifyNotAuthorized],
          always: { guard: 'isCovered', target: 'authorized', actions: notify('IN_COMPLIANCE') },
        },
      },
    },
  },
})
