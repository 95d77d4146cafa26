import {
  request,
  requestRegistration,
  notifyFailure,
  agentSetup,
  discardSecrets,
  notify,
} from './agent-setup.ts'

const onRevokedByAuthority = {
  guard: 'isRevoked' as const,
  target: '#not-registered.failed',
  actions: [
    'recordRegistrationFailure' as const,
    'endRegistration' as const,
    discardSecrets('identity'),
    notifyFailure('REGISTRATION_ENDED'),
  ],
  description: 'the product instance was removed or replaced at the authority',
}

/** Transitions when the authority ends the previous registration during re-registration. The new attempt continues. */
const onPreviousRegistrationEnded = (child: 'requesting' | 'retrying') => {
  const onEnded = {
    guard: 'isRevoked' as const,
    target: `#smart-agent.registration.registering.${child}`,
    actions: [
      'endRegistration' as const,
      discardSecrets('identity'),
      notifyFailure('REGISTRATION_ENDED'),
      'retryImmediately' as const,
    ],
    description: 'the previous registration has ended; the new one is still in progress',
  }
  return {
    'authorize.refused': onEnded,
    'acknowledge.refused': onEnded,
    'renew.refused': [
      onEnded,
      { actions: ['recordRenewalRefusal' as const, notifyFailure('ID_CERT_RENEW_FAILED')] },
    ],
  }
}

/** Transitions while no renewal is in progress: on the expiry of the certificate, or on a due renewal. */
const onRenewalDue = {
  tick: [
    {
      guard: 'isIdentityExpired' as const,
      target: '#not-registered.expired',
      actions: [
        'expireRegistration' as const,
        'endRegistration' as const,
        discardSecrets('identity'),
        notify('ID_CERT_EXPIRED'),
      ],
      description: 'the ID certificate has expired',
    },
    { guard: 'isRenewalDue' as const, target: 'renewing', actions: request('renew') },
  ],
  'registration.renew': { target: 'renewing', actions: request('renew') },
}

/** Registration region: the identity of the device at its authority. */
export const registration = agentSetup.createStateConfig({
  initial: 'unregistered',
  on: {
    'reservation.discard': {
      actions: ['recordDiscardedFile', notify('RESERVATION_DISCARDED')],
      description: 'an authorization file for a canceled request is returned',
    },
  },
  states: {
    unregistered: {
      id: 'not-registered',
      description: 'the device is not registered',
      initial: 'idle',
      on: {
        register: { target: 'registering', actions: ['beginRegistering', requestRegistration] },
        'reservation.request': {
          target: 'reservation-requested',
          actions: ['recordReservationRequest', notify('RESERVATION_REQUESTED')],
        },
      },
      states: {
        idle: { description: 'never registered, or deregistered' },
        failed: { description: 'the authority refused or ended the registration' },
        expired: { description: 'the ID certificate expired without a renewal' },
      },
    },
    'reservation-requested': {
      description: 'a reservation request code was created; its authorization file is not installed yet',
      on: {
        'reservation.cancel': {
          target: 'unregistered',
          actions: ['clearReservationRequest', notify('RESERVATION_CANCELED')],
          description: 'the request code is no longer valid; the next request has a new code',
        },
        'reservation.install': {
          target: 'reserved',
          actions: ['installGrant', notify('RESERVED_INSTALLED')],
        },
      },
    },
    reserved: {
      description: 'the device works from an authorization file and makes no connections',
      initial: 'installed',
      states: {
        installed: {
          description: 'the reservation is active',
          on: {
            'reservation.update': {
              actions: ['installGrant', notify('RESERVATION_UPDATED')],
              description: 'the quantities changed; a confirmation code was created for the authority',
            },
            'reservation.return-code': {
              target: 'return-pending',
              actions: ['beginReturn', notify('RETURN_CODE_CREATED')],
              description: 'the reservation ends on the device, and then the return code is shown',
            },
          },
        },
        'return-pending': {
          description: 'the return code was created; its licenses are no longer reserved',
          on: {
            'reservation.return': {
              target: '#not-registered',
              actions: ['completeReturn', notify('RESERVATION_RETURNED')],
            },
          },
        },
      },
    },
    registering: {
      description: 'a token was entered; the authority has not answered yet',
      initial: 'requesting',
      on: {
        'register.accepted': {
          target: 'registered',
          actions: [
            'setRegistration',
            discardSecrets('registering'),
            notify('AGENT_REG_SUCCESS'),
            notify('EXPORT_CONTROLLED'),
          ],
          description: 'the device is now a product instance',
        },
        'register.refused': {
          target: 'unregistered.failed',
          actions: ['failRegistering', discardSecrets('registering'), notifyFailure('AGENT_REG_FAILED')],
          description: 'a refusal is final: the agent does not retry the token',
        },
        'register.unreachable': {
          target: '.retrying',
          actions: ['retryRegistering', notifyFailure('AGENT_REG_FAILED')],
          description: 'the authority was not reached; the agent retries',
        },
      },
      states: {
        requesting: { description: 'a registration request is due or in progress' },
        retrying: {
          description: 'the next registration attempt is scheduled',
          on: {
            tick: { guard: 'isRetryDue', target: 'requesting', actions: requestRegistration },
            register: { target: 'requesting', actions: ['beginRegistering', requestRegistration] },
            deregister: {
              target: '#not-registered.idle',
              actions: ['cancelRegistering', discardSecrets('registering')],
              description: 'the registration attempt is canceled',
            },
          },
        },
      },
    },
    registered: {
      id: 'has-registration',
      description: 'the device is a product instance and holds an ID certificate',
      initial: 'current',
      on: {
        deregister: {
          target: 'deregistering',
          actions: ['cancelRegistering', discardSecrets('registering'), request('deregister')],
        },
        register: {
          guard: 'canReregister',
          target: '.reregistering',
          actions: ['beginRegistering', requestRegistration],
          description: 'the previous registration stays valid until the new one succeeds',
        },
        tick: {
          guard: 'isIdentityExpired',
          target: 'unregistered.expired',
          actions: [
            'expireRegistration',
            'endRegistration',
            discardSecrets('identity'),
            notify('ID_CERT_EXPIRED'),
          ],
          description: 'the ID certificate has expired',
        },
        'authorize.refused': onRevokedByAuthority,
        'acknowledge.refused': onRevokedByAuthority,
        // After a lost answer, the agent repeats the renewal before its next request. So the answer may arrive in any
        // child state.
        'renew.accepted': {
          target: '.acknowledging',
          actions: ['recordRenewal', notify('ID_CERT_RENEW_SUCCESS'), request('acknowledge')],
        },
        'renew.refused': [
          onRevokedByAuthority,
          { target: '.current', actions: ['recordRenewalRefusal', notifyFailure('ID_CERT_RENEW_FAILED')] },
        ],
      },
      states: {
        current: {
          description: 'the ID certificate is valid',
          on: onRenewalDue,
        },
        renewing: {
          description: 'a new ID certificate is requested',
          on: {
            'renew.unreachable': {
              target: 'renewal-retrying',
              actions: ['retryRenewal', notifyFailure('ID_CERT_RENEW_FAILED')],
            },
          },
        },
        'renewal-retrying': {
          description: 'the authority was not reached; the next renewal attempt is scheduled',
          on: onRenewalDue,
        },
        acknowledging: {
          description: 'the agent acknowledges the new certificate to the authority',
          on: {
            'acknowledge.accepted': 'current',
            'acknowledge.refused': [onRevokedByAuthority, { target: 'current' }],
            'acknowledge.unreachable': {
              target: 'current',
              description: 'the next request signed with the new certificate is an acknowledgement too',
            },
          },
        },
        reregistering: {
          description: 'registering again while the previous registration is still valid',
          initial: 'requesting',
          on: {
            'register.accepted': {
              target: 'current',
              actions: [
                'setRegistration',
                discardSecrets('registering'),
                notify('AGENT_REG_SUCCESS'),
                notify('EXPORT_CONTROLLED'),
              ],
            },
            'register.refused': {
              target: 'current',
              actions: ['failRegistering', discardSecrets('registering'), notifyFailure('AGENT_REG_FAILED')],
              description: 'the previous registration stays valid',
            },
            'register.unreachable': {
              target: '.retrying',
              actions: ['retryRegistering', notifyFailure('AGENT_REG_FAILED')],
            },
            'renew.accepted': { actions: ['recordRenewal', notify('ID_CERT_RENEW_SUCCESS')] },
            'renew.unreachable': { actions: ['retryRenewal', notifyFailure('ID_CERT_RENEW_FAILED')] },
          },
          states: {
            requesting: {
              description: 'a registration request is due or in progress',
              on: {
                ...onPreviousRegistrationEnded('requesting'),
                register: { description: 'one registration at a time' },
                tick: {
                  guard: 'isIdentityExpired',
                  target: '#smart-agent.registration.registering.requesting',
                  actions: ['endRegistration', discardSecrets('identity'), notify('ID_CERT_EXPIRED')],
                },
              },
            },
            retrying: {
              description: 'the next registration attempt is scheduled',
              on: {
                ...onPreviousRegistrationEnded('retrying'),
                tick: [
                  {
                    guard: 'isIdentityExpired',
                    target: '#smart-agent.registration.registering.retrying',
                    actions: ['endRegistration', discardSecrets('identity'), notify('ID_CERT_EXPIRED')],
                  },
                  { guard: 'isRetryDue', target: 'requesting', actions: requestRegistration },
                ],
                register: { target: 'requesting', actions: ['beginRegistering', requestRegistration] },
              },
            },
          },
        },
      },
    },
    deregistering: {
      description:
        'the agent sends one deregistration request; the registration ends on the device whatever the outcome',
      on: {
        'deregister.accepted': {
          target: 'unregistered.idle',
          actions: ['endRegistration', discardSecrets('identity'), notify('AGENT_DEREG_SUCCESS')],
        },
        'deregister.refused': {
          target: 'unregistered.idle',
          actions: [
            'recordRegistrationFailure',
            'endRegistration',
            discardSecrets('identity'),
            notifyFailure('AGENT_DEREG_FAILED'),
          ],
          description: 'ended on the device; the authority may still list the product instance',
        },
        'deregister.unreachable': {
          target: 'unregistered.idle',
          actions: [
            'recordRegistrationFailure',
            'endRegistration',
            discardSecrets('identity'),
            notifyFailure('AGENT_DEREG_FAILED'),
          ],
          description:
            'ended on the device; an administrator must remove the product instance at the authority',
        },
        tick: {
          guard: 'isIdentityExpired',
          target: 'unregistered.expired',
          actions: [
            'expireRegistration',
            'endRegistration',
            discardSecrets('identity'),
            notify('ID_CERT_EXPIRED'),
          ],
        },
        'authorize.refused': {
          guard: 'isRevoked',
          target: 'unregistered.idle',
          actions: ['endRegistration', discardSecrets('identity'), notifyFailure('REGISTRATION_ENDED')],
        },
        'renew.refused': {
          guard: 'isRevoked',
          target: 'unregistered.idle',
          actions: ['endRegistration', discardSecrets('identity'), notifyFailure('REGISTRATION_ENDED')],
        },
        'acknowledge.refused': {
          guard: 'isRevoked',
          target: 'unregistered.idle',
          actions: ['endRegistration', discardSecrets('identity'), notifyFailure('REGISTRATION_ENDED')],
        },
      },
    },
  },
})
