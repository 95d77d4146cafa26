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

// Targets after a registration ends: the remaining evaluation, or `unregistered` when none remains.
const toEvaluation = { target: '#evaluation', description: 'the remaining evaluation period resumes' }
const toUnregistered = { target: '#unregistered', description: 'the evaluation period is used up' }

/** Transitions out of a license state when the device or the authority ends the registration. */
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
    description: 'registered again: authorization under the new identity is next',
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
    description: 'licenses are reserved for this device',
  },
}
/** Transitions on an upgrade. Each major version has one evaluation period (R-EVAL-2). */
const onUpgrade = {
  upgrade: [
    {
      guard: 'startsNewEvaluation' as const,
      target: 'evaluation',
      reenter: true,
      actions: ['renewEvaluation' as const, notifyUpgrade],
      description: 'a new major version starts a new evaluation period',
    },
    {
      guard: 'hasNoRegistration' as const,
      actions: notifyUpgrade,
      description: 'this version starts no new evaluation period; the current evaluation continues',
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
const onUsageChanged = { 'usage.changed': { actions: 'recordUsage' as const } }

/** Transitions on an accepted authorization, for every state that can request one. */
const onAuthorizeAccepted = {
  'authorize.accepted': [
    {
      guard: 'isCompliant' as const,
      target: '#authorized.current',
      actions: ['recordAuthorization' as const, notify('AUTH_RENEW_SUCCESS'), notifyInvalidTags],
      description: 'enough licenses for the reported usage',
    },
    {
      target: '#out-of-compliance.current',
      actions: ['recordAuthorization' as const, notify('AUTH_RENEW_SUCCESS'), notifyInvalidTags],
      description: 'more licenses are in use than were bought',
    },
  ],
}

/** Transitions that retry before the first authorization, while the evaluation continues. */
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

/** Returns the transitions and child states that all license states after the first authorization share. */
const authorizationSubstates = (state: 'authorized' | 'out-of-compliance' | 'auth-expired') => {
  const canExpire = state !== 'auth-expired'
  const onDeadlinePassed = (child: string, extra: object = {}) =>
    canExpire
      ? [
          {
            guard: 'isDeadlinePassed' as const,
            target: `#auth-expired.${child}`,
            description: 'no contact with the authority before the authorization deadline',
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
        description: 'no request until the next authorization is due or the usage changes',
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
        description: 'an authorization request is due or in progress',
        on: {
          tick: [...onIdentityExpired, ...onDeadlinePassed('requesting')],
        },
      },
      retrying: {
        description: 'the authority was not reached; the next attempt is scheduled',
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

/** License region. Its top states are the seven license states of the Status document. */
export const license = agentSetup.createStateConfig({
  initial: 'evaluation',
  on: onUsageChanged,
  states: {
    evaluation: {
      id: 'evaluation',
      tags: ['full', 'evaluation-runs'],
      description: 'all features may be used during the evaluation period',
      entry: ['recordStateEntry', 'resumeEvaluation', notify('EVAL_START')],
      on: {
        tick: [
          {
            guard: 'willExhaustEvaluation',
            target: 'unregistered',
            actions: ['exhaustEvaluation', notify('EVAL_EXPIRED')],
            description: 'the evaluation period is used up',
          },
          { actions: [notifyEvaluationWarnings, 'consumeEvaluation'] },
        ],
        'register.accepted': {
          guard: 'isRegistering',
          target: 'registered',
          description: 'registered: the first authorization is next',
        },
        ...onReservationInstalled,
        ...onUpgrade,
      },
    },
    unregistered: {
      id: 'unregistered',
      tags: ['license-management-only'],
      description:
        'the evaluation period is used up and the device is not registered: only license management works',
      entry: ['recordStateEntry', 'resumeEvaluation'],
      on: {
        'register.accepted': {
          guard: 'isRegistering',
          target: 'registered',
          description: 'registered: the first authorization is next',
        },
        ...onReservationInstalled,
        ...onUpgrade,
      },
    },
    registered: {
      id: 'registered',
      tags: ['full', 'evaluation-runs'],
      description: 'registered, waiting for the first authorization',
      entry: ['recordStateEntry', request('authorize')],
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
        requesting: { description: 'the first authorization request is due or in progress' },
        retrying: {
          description: 'the authority was not reached; the next attempt is scheduled',
          on: onRetryDue,
        },
        refused: {
          description:
            'the authority refused the authorization; an administrator must act on the device or at a satellite',
          on: onRetryDue,
        },
      },
    },
    authorized: {
      id: 'authorized',
      tags: ['full'],
      description: 'the authority confirmed enough licenses for the reported usage',
      entry: ['recordStateEntry', 'stopEvaluation', notify('IN_COMPLIANCE')],
      ...authorizationSubstates('authorized'),
    },
    'out-of-compliance': {
      id: 'out-of-compliance',
      tags: ['full'],
      description: 'more licenses are in use than were bought; all features still work',
      entry: ['recordStateEntry', 'stopEvaluation', notify('OUT_OF_COMPLIANCE')],
      ...authorizationSubstates('out-of-compliance'),
    },
    'auth-expired': {
      id: 'auth-expired',
      tags: ['full'],
      description:
        'the authorization deadline passed without contact; the next successful authorization restores it',
      entry: ['recordStateEntry', notify('AUTHORIZATION_EXPIRED')],
      ...authorizationSubstates('auth-expired'),
    },
    reserved: {
      id: 'reserved',
      description: 'licenses are reserved for this device; the agent makes no connections',
      entry: ['stopEvaluation'],
      initial: 'authorized',
      on: {
        tick: {
          actions: [notifyTermExpiry, 'markTermsNotified'],
          description: 'the terms of reserved licenses end on their dates; the agent warns before',
        },
        'reservation.return': [
          { guard: 'isReturningAndEvaluationExhausted', ...toUnregistered },
          { guard: 'isReturning', ...toEvaluation },
        ],
      },
      states: {
        authorized: {
          tags: ['full'],
          description: 'the reserved licenses cover the usage',
          entry: 'recordStateEntry',
          always: { guard: 'isNotCovered', target: 'not-authorized' },
        },
        'not-authorized': {
          tags: ['license-management-only'],
          description: 'more licenses are in use than are reserved, or the reservation is being returned',
          entry: ['recordStateEntry', notifyNotAuthorized],
          always: { guard: 'isCovered', target: 'authorized', actions: notify('IN_COMPLIANCE') },
        },
      },
    },
  },
})
