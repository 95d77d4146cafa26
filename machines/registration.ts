import { agentSetup } from './agent-actions.ts'

// Actions that several transitions share. All of them are data.
const requestRenewal = { type: 'request', params: { kind: 'renew' } } as const
const requestRegistration = { type: 'request', params: { kind: 'register' } } as const
const discardIdentity = { type: 'discardSecrets', params: { what: 'identity' } } as const
const discardRegistering = { type: 'discardSecrets', params: { what: 'registering' } } as const
const notifyRegistrationFailure = { type: 'notifyFailure', params: { notice: 'AGENT_REG_FAILED' } } as const
const notifyRenewalFailure = { type: 'notifyFailure', params: { notice: 'ID_CERT_RENEW_FAILED' } } as const
const raiseExpired = { type: 'raiseRegistrationEnded', params: { reason: 'expired' } } as const
const raiseRevoked = { type: 'raiseRegistrationEnded', params: { reason: 'revoked' } } as const
const raiseDeregistered = { type: 'raiseRegistrationEnded', params: { reason: 'deregistered' } } as const

const completeRegistration = [
  'setRegistration',
  discardRegistering,
  { type: 'notify', params: { notice: 'AGENT_REG_SUCCESS' } },
  { type: 'notify', params: { notice: 'EXPORT_CONTROLLED' } },
] as const
const endRegistration = [
  'recordRegistrationEnd',
  'endRegistration',
  discardIdentity,
  'notifyRegistrationEnd',
] as const
/** The previous registration ended while a new one is in progress. The new attempt continues. */
const endPreviousRegistration = ['endRegistration', discardIdentity, 'notifyRegistrationEnd'] as const

/** Transitions while no renewal is in progress. */
const onRenewalDue = {
  'clock.tick': {
    guard: 'isRenewalDue',
    target: 'renewing',
    actions: requestRenewal,
    meta: { label: 'renewal due' },
  },
  'registration.renew': {
    target: 'renewing',
    actions: requestRenewal,
    meta: { label: 'renewal requested' },
  },
} as const

/** Registration region: the identity of the device at its authority. */
export const registration = agentSetup.createStateConfig({
  initial: 'unregistered',
  on: {
    'registration.ended': [
      {
        guard: 'endedByExpiry',
        target: '.unregistered.expired',
        actions: endRegistration,
        description: 'the ID certificate has expired',
        meta: { label: 'certificate expired' },
      },
      {
        guard: 'endedByAuthority',
        target: '.unregistered.failed',
        actions: endRegistration,
        description: 'the product instance was removed or replaced at the authority',
        meta: { label: 'removed at the license server' },
      },
      {
        target: '.unregistered.idle',
        actions: endRegistration,
        description: 'the device deregistered',
        meta: { label: 'deregistered' },
      },
    ],
  },
  states: {
    unregistered: {
      description: 'the device is not registered',
      meta: { label: 'Not registered' },
      initial: 'idle',
      on: {
        'registration.start': {
          guard: 'isUnreserved',
          target: 'registering',
          actions: ['beginRegistering', requestRegistration],
          meta: { label: 'token entered' },
        },
        'reservation.request': {
          guard: 'isUnreserved',
          target: '.idle',
          meta: { label: 'reservation requested' },
        },
      },
      states: {
        idle: { description: 'never registered, or deregistered', meta: { label: 'No registration' } },
        failed: {
          description: 'the authority refused or ended the registration',
          meta: { label: 'Refused or ended' },
        },
        expired: {
          description: 'the ID certificate expired without a renewal',
          meta: { label: 'Certificate expired' },
        },
      },
    },
    registering: {
      description: 'a token was entered; the authority has not answered yet',
      meta: { label: 'Registering' },
      initial: 'requesting',
      on: {
        'register.accepted': {
          target: 'registered',
          actions: completeRegistration,
          description: 'the device is now a product instance',
          meta: { label: 'accepted' },
        },
        'register.refused': {
          target: 'unregistered.failed',
          actions: ['failRegistering', discardRegistering, notifyRegistrationFailure],
          description: 'a refusal is final: the agent does not retry the token',
          meta: { label: 'refused' },
        },
      },
      states: {
        requesting: {
          description: 'a registration request is due or in progress',
          meta: { label: 'Asking', request: 'register' },
          on: {
            'register.unreachable': {
              target: 'retrying',
              actions: ['retryRegistering', notifyRegistrationFailure],
              description: 'the authority was not reached; the agent retries',
              meta: { label: 'no answer' },
            },
          },
        },
        retrying: {
          description: 'the next registration attempt is scheduled',
          meta: { label: 'Waiting to retry', awaits: ['registrationAttempt'] },
          on: {
            'clock.tick': {
              guard: 'isRetryDue',
              target: 'requesting',
              actions: requestRegistration,
              meta: { label: 'retry due' },
            },
            'registration.start': {
              target: 'requesting',
              actions: ['beginRegistering', requestRegistration],
              meta: { label: 'token entered again' },
            },
            'registration.end': {
              target: '#smart-agent.registration.unregistered.idle',
              actions: ['cancelRegistering', discardRegistering],
              description: 'the registration attempt is canceled',
              meta: { label: 'canceled' },
            },
          },
        },
      },
    },
    registered: {
      description: 'the device is a product instance and holds an ID certificate',
      meta: { label: 'Registered', awaits: ['registrationExpiry'] },
      initial: 'current',
      on: {
        'registration.end': {
          target: 'deregistering',
          actions: [
            'cancelRegistering',
            discardRegistering,
            { type: 'request', params: { kind: 'deregister' } },
          ],
          meta: { label: 'deregistration requested' },
        },
        'registration.start': {
          guard: 'canReregister',
          target: '.reregistering',
          actions: ['beginRegistering', requestRegistration],
          description: 'the previous registration stays valid until the new one succeeds',
          meta: { label: 'new token entered' },
        },
        'clock.tick': {
          guard: 'isIdentityExpired',
          actions: raiseExpired,
          description: 'the ID certificate has expired',
        },
        'authorize.refused': { guard: 'isRevoked', actions: raiseRevoked },
        'acknowledge.refused': { guard: 'isRevoked', actions: raiseRevoked },
        // After a lost answer, the agent repeats the renewal before its next request. So the answer may arrive in any
        // child state.
        'renew.accepted': {
          target: '.acknowledging',
          actions: [
            'recordRenewal',
            { type: 'notify', params: { notice: 'ID_CERT_RENEW_SUCCESS' } },
            { type: 'request', params: { kind: 'acknowledge' } },
          ],
          meta: { label: 'new certificate' },
        },
        'renew.refused': [
          { guard: 'isRevoked', actions: raiseRevoked },
          {
            target: '.current',
            actions: ['recordRenewalRefusal', notifyRenewalFailure],
            meta: { label: 'renewal refused' },
          },
        ],
      },
      states: {
        current: {
          description: 'the ID certificate is valid',
          meta: { label: 'Certificate valid', awaits: ['registrationRenewal'] },
          on: onRenewalDue,
        },
        renewing: {
          description: 'a new ID certificate is requested',
          meta: { label: 'Renewing', request: 'renew' },
          on: {
            'renew.unreachable': {
              target: 'renewal-retrying',
              actions: ['retryRenewal', notifyRenewalFailure],
              meta: { label: 'no answer' },
            },
          },
        },
        'renewal-retrying': {
          description: 'the authority was not reached; the next renewal attempt is scheduled',
          meta: { label: 'Waiting to retry', awaits: ['registrationRenewal'] },
          on: onRenewalDue,
        },
        acknowledging: {
          description: 'the agent acknowledges the new certificate to the authority',
          meta: { label: 'Acknowledging', request: 'acknowledge' },
          on: {
            'acknowledge.accepted': { target: 'current', meta: { label: 'acknowledged' } },
            'acknowledge.refused': {
              guard: 'isNotRevoked',
              target: 'current',
              meta: { label: 'refused' },
            },
            'acknowledge.unreachable': {
              target: 'current',
              description: 'the next request signed with the new certificate is an acknowledgement too',
              meta: { label: 'no answer' },
            },
          },
        },
        reregistering: {
          description: 'registering again while the previous registration is still valid',
          meta: { label: 'Registering again' },
          initial: 'requesting',
          on: {
            'register.accepted': {
              target: 'current',
              actions: completeRegistration,
              meta: { label: 'accepted' },
            },
            'register.refused': {
              target: 'current',
              actions: ['failRegistering', discardRegistering, notifyRegistrationFailure],
              description: 'the previous registration stays valid',
              meta: { label: 'refused' },
            },
            'renew.accepted': {
              actions: ['recordRenewal', { type: 'notify', params: { notice: 'ID_CERT_RENEW_SUCCESS' } }],
            },
            'renew.refused': [
              { guard: 'isRevoked', actions: raiseRevoked },
              { actions: ['recordRenewalRefusal', notifyRenewalFailure] },
            ],
            'renew.unreachable': { actions: ['retryRenewal', notifyRenewalFailure] },
          },
          states: {
            requesting: {
              description: 'a registration request is due or in progress',
              meta: { label: 'Asking', request: 'register' },
              on: {
                'register.unreachable': {
                  target: 'retrying',
                  actions: ['retryRegistering', notifyRegistrationFailure],
                  meta: { label: 'no answer' },
                },
                // Without this entry, the parent state would start another registration.
                'registration.start': { description: 'one registration at a time' },
                'registration.ended': {
                  target: '#smart-agent.registration.registering.requesting',
                  actions: endPreviousRegistration,
                  description: 'the previous registration has ended; the new one is still in progress',
                  meta: { label: 'previous registration ends' },
                },
              },
            },
            retrying: {
              description: 'the next registration attempt is scheduled',
              meta: { label: 'Waiting to retry', awaits: ['registrationAttempt'] },
              on: {
                'clock.tick': {
                  guard: 'isRetryDue',
                  target: 'requesting',
                  actions: requestRegistration,
                  meta: { label: 'retry due' },
                },
                'registration.start': {
                  target: 'requesting',
                  actions: ['beginRegistering', requestRegistration],
                  meta: { label: 'token entered again' },
                },
                'registration.ended': [
                  {
                    guard: 'endedByAuthority',
                    target: '#smart-agent.registration.registering.retrying',
                    // The authority answered, so the new registration is retried immediately.
                    actions: [...endPreviousRegistration, 'retryImmediately'],
                    description: 'the previous registration has ended; the new one is still in progress',
                    meta: { label: 'previous registration ends' },
                  },
                  {
                    target: '#smart-agent.registration.registering.retrying',
                    actions: endPreviousRegistration,
                    meta: { label: 'previous registration ends' },
                  },
                ],
              },
            },
          },
        },
      },
    },
    deregistering: {
      description:
        'the agent sends one deregistration request; the registration ends on the device whatever the outcome',
      meta: { label: 'Deregistering', awaits: ['registrationExpiry'], request: 'deregister' },
      on: {
        'deregister.accepted': { actions: raiseDeregistered },
        'deregister.refused': {
          actions: raiseDeregistered,
          description: 'ended on the device; the authority may still list the product instance',
        },
        'deregister.unreachable': {
          actions: raiseDeregistered,
          description:
            'ended on the device; an administrator must remove the product instance at the authority',
        },
        'clock.tick': { guard: 'isIdentityExpired', actions: raiseExpired },
        'authorize.refused': { guard: 'isRevoked', actions: raiseRevoked },
        'renew.refused': { guard: 'isRevoked', actions: raiseRevoked },
        'acknowledge.refused': { guard: 'isRevoked', actions: raiseRevoked },
        'registration.ended': {
          guard: 'endedByAuthority',
          target: 'unregistered.idle',
          actions: endPreviousRegistration,
          description: 'the authority ended the registration before the request reached it',
          meta: { label: 'removed at the license server' },
        },
      },
    },
  },
})
