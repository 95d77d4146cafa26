import {
  ask,
  because,
  chart,
  say,
  sayInvalidTags,
  sayNotAuthorized,
  sayTerms,
  sayUpgrade,
  sayWarnings,
} from './agent-setup.ts'

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
    guard: 'registering' as const,
    target: '#registered',
    description: 'registered again: authorize under the new identity',
  },
}
const expiry = [
  { guard: 'identityExpiredForGood' as const, ...nothingLeft },
  { guard: 'identityExpired' as const, ...backToEvaluation },
]
const reservationInstalled = {
  RESERVATION_INSTALL: {
    guard: 'reservationRequested' as const,
    target: 'reserved',
    description: 'licences are reserved for this box',
  },
}
/** Another major version has an evaluation of its own, once (R-EVAL-2). */
const upgraded = {
  UPGRADE: [
    {
      guard: 'evaluatedAnew' as const,
      target: 'evaluation',
      reenter: true,
      actions: ['renewEvaluation' as const, sayUpgrade],
      description: 'a new version is evaluated anew',
    },
    {
      guard: 'unbound' as const,
      actions: sayUpgrade,
      description: 'a version that earns no evaluation: what is left goes on',
    },
  ],
}
const authorizeRefusedEnds = [
  { guard: 'endedForGood' as const, actions: because('AUTH_RENEW_FAILED'), ...nothingLeft },
  { guard: 'ended' as const, actions: because('AUTH_RENEW_FAILED'), ...backToEvaluation },
]
const countUsage = { USAGE: { actions: 'countUsage' as const } }

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

/** Before the first answer: the next attempt when it is due, while the evaluation goes on. */
const askAgain = {
  TICK: [
    ...expiry,
    {
      guard: 'spentAndAttemptDue' as const,
      target: 'asking',
      actions: ['spendEvaluation' as const, say('EVAL_EXPIRED'), ask('authorize')],
    },
    {
      guard: 'attemptDue' as const,
      target: 'asking',
      actions: [sayWarnings, 'useEvaluation' as const, ask('authorize')],
    },
  ],
  RENEW_AUTHORIZATION: { target: 'asking', actions: ask('authorize') },
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
    on: {
      ...registrationEnds,
      ...authorizeOutcomes,
      'authorize.refused': [
        ...authorizeRefusedEnds,
        {
          target: '.current',
          actions: ['authorizationRefused' as const, because('AUTH_RENEW_FAILED')],
        },
      ],
      'authorize.unreachable': {
        target: '.retrying',
        actions: ['retryAuthorization' as const, because('AUTH_RENEW_FAILED')],
      },
    },
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

/** The license axis: what the box may do. It holds the seven words of the Status document as its own states. */
export const license = chart.createStateConfig({
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
        'register.accepted': {
          guard: 'registering',
          target: 'registered',
          description: 'registered: authorize next',
        },
        ...reservationInstalled,
        ...upgraded,
      },
    },
    unregistered: {
      id: 'unregistered',
      tags: ['license-management-only'],
      description: 'the evaluation is used up and nothing is registered: only licence management works',
      entry: ['markSince', 'resumeEvaluation'],
      on: {
        'register.accepted': {
          guard: 'registering',
          target: 'registered',
          description: 'registered: authorize next',
        },
        ...reservationInstalled,
        ...upgraded,
      },
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
        'register.accepted': {
          guard: 'registering',
          target: 'registered',
          reenter: true,
          description: 'registered again',
        },
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
          on: askAgain,
        },
        refused: {
          description: 'the authority refused; only a person changes that, here or at a satellite',
          on: askAgain,
        },
      },
    },
    authorized: {
      id: 'authorized',
      tags: ['full'],
      description: 'the authority says that enough licences are there',
      entry: ['markSince', 'stopEvaluation', say('IN_COMPLIANCE')],
      ...contact('authorized'),
    },
    'out-of-compliance': {
      id: 'out-of-compliance',
      tags: ['full'],
      description: 'more is in use than was bought; nothing is refused for that',
      entry: ['markSince', 'stopEvaluation', say('OUT_OF_COMPLIANCE')],
      ...contact('out-of-compliance'),
    },
    'auth-expired': {
      id: 'auth-expired',
      tags: ['full'],
      description: 'no contact until the deadline; one successful contact mends it',
      entry: ['markSince', say('AUTHORIZATION_EXPIRED')],
      ...contact('auth-expired'),
    },
    reserved: {
      id: 'reserved',
      description: 'licences were reserved for this box; it makes no connections',
      entry: ['stopEvaluation'],
      initial: 'authorized',
      on: {
        TICK: {
          actions: [sayTerms, 'tellTerms'],
          description: 'terms end by their date, and are told of before',
        },
        RESERVATION_RETURN: [
          { guard: 'returningForGood', ...nothingLeft },
          { guard: 'returning', ...backToEvaluation },
        ],
      },
      states: {
        authorized: {
          tags: ['full'],
          description: 'what is reserved covers what is in use',
          entry: 'markSince',
          always: { guard: 'notCovered', target: 'not-authorized' },
        },
        'not-authorized': {
          tags: ['license-management-only'],
          description: 'more is in use than is reserved, or the reservation is being returned',
          entry: ['markSince', sayNotAuthorized],
          always: { guard: 'covered', target: 'authorized', actions: say('IN_COMPLIANCE') },
        },
      },
    },
  },
})
