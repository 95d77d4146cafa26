import { agentSetup } from './agent-actions.ts'

// Actions and transitions that several states share. All of them are data.
const requestAuthorization = { type: 'request', params: { kind: 'authorize' } } as const
const notifyAuthorizationFailure = { type: 'notifyFailure', params: { notice: 'AUTH_RENEW_FAILED' } } as const
const notifyExhausted = { type: 'notify', params: { notice: 'EVAL_EXPIRED' } } as const
const confirmAuthorization = [
  'recordAuthorization',
  { type: 'notify', params: { notice: 'AUTH_RENEW_SUCCESS' } },
  'notifyInvalidTags',
] as const

/** The registration region ends a revoked registration; `registration.ended` follows. */
const onRevoked = { guard: 'isRevoked', actions: notifyAuthorizationFailure } as const

/** Two copies of the device's data directory exist, and the other one was answered first. */
const onDiverged = {
  guard: 'isDiverged',
  target: '#smart-agent.license.registered.diverged',
  actions: ['recordDivergence', notifyAuthorizationFailure],
  description: 'another copy of this device has continued its registration',
  meta: { label: 'a copy was found' },
} as const
/** Transitions on a divergence in a state that may have neither authorization deadline nor evaluation period left. */
const onDivergedPerhapsSpent = [
  {
    guard: 'isDivergedWithoutTolerance',
    target: '#smart-agent.license.registered.diverged.limited',
    actions: ['recordDivergence', notifyAuthorizationFailure],
    description: 'another copy of this device has continued its registration; no evaluation period is left',
    meta: { label: 'a copy was found, no time left' },
  },
  onDiverged,
] as const

const onAuthorizeAccepted = {
  'authorize.accepted': [
    {
      guard: 'isCompliant',
      target: '#smart-agent.license.authorized.current',
      actions: confirmAuthorization,
      description: 'enough licenses for the reported usage',
      meta: { label: 'enough licenses' },
    },
    {
      target: '#smart-agent.license.out-of-compliance.current',
      actions: confirmAuthorization,
      description: 'more licenses are in use than were bought',
      meta: { label: 'more in use than purchased' },
    },
  ],
} as const

const onReservationInstalled = {
  'reservation.install': {
    guard: 'isReservationRequested',
    target: 'reserved',
    description: 'licenses are reserved for this device',
    meta: { label: 'reservation installed' },
  },
} as const

/** Transitions on an upgrade. Each major version has one evaluation period (R-EVAL-2). */
const onUpgrade = {
  'product.upgrade': [
    {
      guard: 'startsNewEvaluation',
      target: 'evaluation',
      reenter: true,
      actions: ['renewEvaluation', 'notifyUpgrade'],
      description: 'a new major version starts a new evaluation period',
      meta: { label: 'upgrade' },
    },
    {
      guard: 'hasNoLicenseSource',
      actions: 'notifyUpgrade',
      description: 'this version starts no new evaluation period; the current evaluation continues',
    },
  ],
} as const

const onRenewRequested = {
  'authorization.renew': {
    target: 'requesting',
    actions: requestAuthorization,
    meta: { label: 'renewal requested' },
  },
} as const

/** Transitions that retry before the first authorization, while the evaluation continues. */
const onFirstRetryDue = {
  'clock.tick': [
    {
      guard: 'willExhaustEvaluationAndAttemptDue',
      target: 'requesting',
      actions: ['exhaustEvaluation', notifyExhausted, requestAuthorization],
      meta: { label: 'retry due, evaluation used up' },
    },
    {
      guard: 'isAttemptDue',
      target: 'requesting',
      actions: ['notifyEvaluationWarnings', 'consumeEvaluation', requestAuthorization],
      meta: { label: 'retry due' },
    },
  ],
  ...onRenewRequested,
} as const

const current = {
  description: 'no request until the next authorization is due or the usage changes',
  meta: { label: 'Up to date', awaits: ['authorizationAttempt', 'usageReport'] },
} as const
const requesting = {
  description: 'an authorization request is due or in progress',
  meta: { label: 'Asking', request: 'authorize' },
} as const
const retrying = {
  description: 'the authority was not reached; the next attempt is scheduled',
  meta: { label: 'Waiting to retry', awaits: ['authorizationAttempt'] },
} as const
const onAuthorizationDue = {
  guard: 'isAuthorizationDue',
  target: 'requesting',
  actions: requestAuthorization,
  meta: { label: 'contact due, or usage changed' },
} as const
const onAttemptDue = {
  guard: 'isAttemptDue',
  target: 'requesting',
  actions: requestAuthorization,
  meta: { label: 'retry due' },
} as const
const onAuthorizeRefused = {
  target: '.current',
  actions: ['recordAuthorizationRefusal', notifyAuthorizationFailure],
  meta: { label: 'refused' },
} as const
const onAuthorizeUnreachable = {
  'authorize.unreachable': {
    target: '.retrying',
    actions: ['retryAuthorization', notifyAuthorizationFailure],
    meta: { label: 'no answer' },
  },
} as const
const onAuthorizeFailed = {
  'renew.refused': onDiverged,
  'acknowledge.refused': onDiverged,
  'authorize.refused': [onRevoked, onDiverged, onAuthorizeRefused],
  ...onAuthorizeUnreachable,
} as const
const onAuthorizeFailedWhenExpired = {
  'renew.refused': onDivergedPerhapsSpent,
  'acknowledge.refused': onDivergedPerhapsSpent,
  'authorize.refused': [onRevoked, ...onDivergedPerhapsSpent, onAuthorizeRefused],
  ...onAuthorizeUnreachable,
} as const

const onDeadlinePassed = {
  guard: 'isDeadlinePassed',
  description: 'no contact with the authority before the authorization deadline',
  meta: { label: 'no contact until the deadline' },
} as const
/** Child states that `authorized` and `out-of-compliance` share. Both expire at the authorization deadline. */
const authorizedStates = {
  current: {
    ...current,
    on: {
      'clock.tick': [
        {
          ...onDeadlinePassed,
          target: '#smart-agent.license.auth-expired.requesting',
          actions: requestAuthorization,
        },
        onAuthorizationDue,
      ],
      ...onRenewRequested,
    },
  },
  requesting: {
    ...requesting,
    on: { 'clock.tick': { ...onDeadlinePassed, target: '#smart-agent.license.auth-expired.requesting' } },
  },
  retrying: {
    ...retrying,
    on: {
      'clock.tick': [
        { ...onDeadlinePassed, target: '#smart-agent.license.auth-expired.retrying' },
        onAttemptDue,
      ],
      ...onRenewRequested,
    },
  },
} as const

/** Transitions of both states of a diverged device on the outcome of its attempt. It may still be right. */
const onDivergedAttempt = {
  'authorize.refused': [
    onRevoked,
    {
      target: '.waiting',
      actions: ['recordDivergence', notifyAuthorizationFailure],
      meta: { label: 'refused again' },
    },
  ],
  'authorize.unreachable': {
    target: '.waiting',
    actions: ['retryAuthorization', notifyAuthorizationFailure],
    meta: { label: 'no answer' },
  },
} as const
const onToleranceOver = {
  guard: 'isToleranceOver',
  actions: ['exhaustEvaluation', notifyExhausted],
  description: 'the authorization deadline has passed and the evaluation period is used up',
  meta: { label: 'time used up' },
} as const
const consumeTolerance = { actions: ['notifyEvaluationWarnings', 'consumeEvaluation'] } as const
const divergedWaiting = {
  description: 'the authority is asked again later',
  meta: { label: 'Waiting', awaits: ['authorizationAttempt'] },
} as const
const divergedRequesting = {
  description: 'the authority is asked again',
  meta: { label: 'Asking', request: 'authorize' },
} as const

/** Consequence of a divergence. Registering again ends it, which gives the device a new key. */
const diverged = {
  description: 'another copy of this device has continued its registration; register the device again',
  meta: { label: 'Copy found' },
  entry: 'resumeEvaluation',
  exit: 'clearRegistrationFailure',
  initial: 'tolerated',
  states: {
    tolerated: {
      tags: ['full', 'evaluation-runs'],
      description:
        'all features may be used until the authorization deadline, and for the rest of the evaluation period',
      meta: { label: 'Time left', awaits: ['toleranceEnd'] },
      initial: 'waiting',
      on: onDivergedAttempt,
      states: {
        waiting: {
          ...divergedWaiting,
          on: {
            'clock.tick': [
              { ...onToleranceOver, target: '#smart-agent.license.registered.diverged.limited.waiting' },
              {
                guard: 'isAttemptDue',
                target: 'requesting',
                actions: ['notifyEvaluationWarnings', 'consumeEvaluation', requestAuthorization],
                meta: { label: 'retry due' },
              },
              consumeTolerance,
            ],
            ...onRenewRequested,
          },
        },
        requesting: {
          ...divergedRequesting,
          on: {
            'clock.tick': [
              { ...onToleranceOver, target: '#smart-agent.license.registered.diverged.limited.requesting' },
              consumeTolerance,
            ],
          },
        },
      },
    },
    limited: {
      tags: ['license-management-only'],
      description: 'only license management works until the device is registered again',
      meta: { label: 'No time left' },
      initial: 'waiting',
      on: onDivergedAttempt,
      states: {
        waiting: { ...divergedWaiting, on: { 'clock.tick': onAttemptDue, ...onRenewRequested } },
        requesting: divergedRequesting,
      },
    },
  },
} as const

/** License region. Its top states are the seven license states of the Status document. */
export const license = agentSetup.createStateConfig({
  initial: 'evaluation',
  on: {
    'usage.changed': { actions: 'recordUsage' },
    'register.accepted': {
      guard: 'isRegistering',
      target: '.registered',
      actions: requestAuthorization,
      description: 'registered: authorization under the new identity is next',
      meta: { label: 'registers' },
    },
    'registration.ended': [
      {
        guard: 'isEvaluationExhausted',
        target: '.unregistered',
        description: 'the evaluation period is used up',
        meta: { label: 'registration ends, none left' },
      },
      {
        target: '.evaluation',
        description: 'the remaining evaluation period resumes',
        meta: { label: 'registration ends, time left' },
      },
    ],
  },
  states: {
    evaluation: {
      tags: ['full', 'evaluation-runs'],
      description: 'all features may be used during the evaluation period',
      meta: { label: 'Evaluation', awaits: ['evaluationEnd'] },
      entry: ['recordStateEntry', 'resumeEvaluation', { type: 'notify', params: { notice: 'EVAL_START' } }],
      on: {
        'clock.tick': [
          {
            guard: 'willExhaustEvaluation',
            target: 'unregistered',
            actions: ['exhaustEvaluation', notifyExhausted],
            description: 'the evaluation period is used up',
            meta: { label: 'time used up' },
          },
          { actions: ['notifyEvaluationWarnings', 'consumeEvaluation'] },
        ],
        ...onReservationInstalled,
        ...onUpgrade,
      },
    },
    unregistered: {
      tags: ['license-management-only'],
      description:
        'the evaluation period is used up and the device is not registered: only license management works',
      meta: { label: 'Not registered' },
      entry: ['recordStateEntry', 'resumeEvaluation'],
      on: { ...onReservationInstalled, ...onUpgrade },
    },
    registered: {
      description: 'registered, without an authorization',
      meta: { label: 'Registered', awaits: ['evaluationEnd'] },
      entry: 'recordStateEntry',
      initial: 'requesting',
      on: {
        ...onAuthorizeAccepted,
        'renew.refused': onDivergedPerhapsSpent,
        'acknowledge.refused': onDivergedPerhapsSpent,
        'authorize.refused': [
          onRevoked,
          ...onDivergedPerhapsSpent,
          {
            target: '.refused',
            actions: ['recordAuthorizationRefusal', notifyAuthorizationFailure],
            meta: { label: 'refused' },
          },
        ],
        'authorize.unreachable': {
          target: '.retrying',
          actions: ['retryAuthorization', notifyAuthorizationFailure],
          meta: { label: 'no answer' },
        },
        'clock.tick': [
          { guard: 'willExhaustEvaluation', actions: ['exhaustEvaluation', notifyExhausted] },
          { actions: ['notifyEvaluationWarnings', 'consumeEvaluation'] },
        ],
      },
      states: {
        requesting: {
          tags: ['full', 'evaluation-runs'],
          description: 'the first authorization request is due or in progress',
          meta: { label: 'Asking', request: 'authorize' },
        },
        retrying: { tags: ['full', 'evaluation-runs'], ...retrying, on: onFirstRetryDue },
        refused: {
          tags: ['full', 'evaluation-runs'],
          description:
            'the authority refused the authorization; an administrator must act on the device or at a satellite',
          meta: { label: 'Refused', awaits: ['authorizationAttempt'] },
          on: onFirstRetryDue,
        },
        diverged,
      },
    },
    authorized: {
      tags: ['full'],
      description: 'the authority confirmed enough licenses for the reported usage',
      meta: { label: 'Authorized', awaits: ['authorizationDeadline'] },
      entry: ['recordStateEntry', 'stopEvaluation', { type: 'notify', params: { notice: 'IN_COMPLIANCE' } }],
      initial: 'current',
      on: { ...onAuthorizeAccepted, ...onAuthorizeFailed },
      states: authorizedStates,
    },
    'out-of-compliance': {
      tags: ['full'],
      description: 'more licenses are in use than were bought; all features still work',
      meta: { label: 'Out of compliance', awaits: ['authorizationDeadline'] },
      entry: [
        'recordStateEntry',
        'stopEvaluation',
        { type: 'notify', params: { notice: 'OUT_OF_COMPLIANCE' } },
      ],
      initial: 'current',
      on: { ...onAuthorizeAccepted, ...onAuthorizeFailed },
      states: authorizedStates,
    },
    'auth-expired': {
      tags: ['full'],
      description:
        'the authorization deadline passed without contact; the next successful authorization restores it',
      meta: { label: 'Authorization expired' },
      entry: ['recordStateEntry', { type: 'notify', params: { notice: 'AUTHORIZATION_EXPIRED' } }],
      initial: 'current',
      on: { ...onAuthorizeAccepted, ...onAuthorizeFailedWhenExpired },
      states: {
        current: { ...current, on: { 'clock.tick': onAuthorizationDue, ...onRenewRequested } },
        requesting,
        retrying: { ...retrying, on: { 'clock.tick': onAttemptDue, ...onRenewRequested } },
      },
    },
    reserved: {
      description: 'licenses are reserved for this device; the agent makes no connections',
      meta: { label: 'Reserved' },
      entry: ['stopEvaluation'],
      initial: 'authorized',
      on: {
        'reservation.return': [
          {
            guard: 'isReturningAndEvaluationExhausted',
            target: 'unregistered',
            description: 'the evaluation period is used up',
            meta: { label: 'reservation returned, none left' },
          },
          {
            guard: 'isReturning',
            target: 'evaluation',
            description: 'the remaining evaluation period resumes',
            meta: { label: 'reservation returned, time left' },
          },
        ],
      },
      states: {
        authorized: {
          tags: ['full'],
          description: 'the reserved licenses cover the usage',
          meta: { label: 'Covered' },
          entry: 'recordStateEntry',
          always: {
            guard: 'isNotCovered',
            target: 'not-authorized',
            meta: { label: 'not covered' },
          },
        },
        'not-authorized': {
          tags: ['license-management-only'],
          description: 'more licenses are in use than are reserved, or the reservation is being returned',
          meta: { label: 'Not covered' },
          entry: ['recordStateEntry', 'notifyNotAuthorized'],
          always: {
            guard: 'isCovered',
            target: 'authorized',
            actions: { type: 'notify', params: { notice: 'IN_COMPLIANCE' } },
            meta: { label: 'covered again' },
          },
        },
      },
    },
  },
})
