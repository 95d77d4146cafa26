import {
  request,
  requestRegistration,
  notifyFailure,
  agentSetup,
  discardSecrets,
  notify,
} from './agent-setup.ts'

/** The authority says that the registration is over. */
const onRevokedByAuthority = {
  guard: 'isRevoked' as const,
  target: '#not-registered.failed',
  actions: [
    'recordRegistrationFailure' as const,
    'endRegistration' as const,
    discardSecrets('identity'),
    notifyFailure('REGISTRATION_ENDED'),
  ],
  description: 'removed or replaced at the authority',
}

/** The authority ends a registration while another is under way: that one goes on. */
const onPreviousRegistrationEnded = (child: 'requesting' | 'retrying') => {
  const ends = {
    guard: 'isRevoked' as const,
    target: `#smart-agent.registration.registering.${child}`,
    actions: [
      'endRegistration' as const,
      discardSecrets('identity'),
      notifyFailure('REGISTRATION_ENDED'),
      'retryImmediately' as const,
    ],
    description: 'the old registration is over; the new one is still under way',
  }
  return {
    'authorize.refused': ends,
    'acknowledge.refused': ends,
    'renew.refused': [
      ends,
      { actions: ['recordRenewalRefusal' as const, notifyFailure('ID_CERT_RENEW_FAILED')] },
    ],
  }
}

/** While no renewal is on its way: the certificate ends, or another one is asked for. */
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
      description: 'the ID certificate has ended',
    },
    { guard: 'isRenewalDue' as const, target: 'renewing', actions: request('renew') },
  ],
  'registration.renew': { target: 'renewing', actions: request('renew') },
}

/** The registration axis: who the box is to its authority. */
export const registration = agentSetup.createStateConfig({
  initial: 'unregistered',
  on: {
    'reservation.discard': {
      actions: ['recordDiscardedFile', notify('RESERVATION_DISCARDED')],
      description: 'a file that came too late is given back',
    },
  },
  states: {
    unregistered: {
      id: 'not-registered',
      description: 'this box holds no registration',
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
        failed: { description: 'the authority refused, or ended the registration' },
        expired: { description: 'the registration was not renewed within its year' },
      },
    },
    'reservation-requested': {
      description: 'a reservation request code was made; its authorization file has not come yet',
      on: {
        'reservation.cancel': {
          target: 'unregistered',
          actions: ['clearReservationRequest', notify('RESERVATION_CANCELED')],
          description: 'the code is good for nothing any more; the next one is another',
        },
        'reservation.install': {
          target: 'reserved',
          actions: ['installGrant', notify('RESERVED_INSTALLED')],
        },
      },
    },
    reserved: {
      description: 'the box works from an authorization file, and never asks anybody',
      initial: 'installed',
      states: {
        installed: {
          description: 'the reservation is in force',
          on: {
            'reservation.update': {
              actions: ['installGrant', notify('RESERVATION_UPDATED')],
              description: 'other quantities, and a confirmation code for the authority',
            },
            'reservation.return-code': {
              target: 'return-pending',
              actions: ['revokeGrant', notify('RETURN_CODE_CREATED')],
              description: 'the grant ends here, before anybody sees the code',
            },
          },
        },
        'return-pending': {
          description: 'the return code was made; nothing is granted any more',
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
      description: 'a token was given; the authority has not answered yet',
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
          description: 'the box is a product instance now',
        },
        'register.refused': {
          target: 'unregistered.failed',
          actions: ['failRegistering', discardSecrets('registering'), notifyFailure('AGENT_REG_FAILED')],
          description: 'a refusal is final: the token is not tried again',
        },
        'register.unreachable': {
          target: '.retrying',
          actions: ['retryRegistering', notifyFailure('AGENT_REG_FAILED')],
          description: 'the authority was not reached; tried again',
        },
      },
      states: {
        requesting: { description: 'a registration request is due, or on its way' },
        retrying: {
          description: 'the next attempt to register is set',
          on: {
            tick: { guard: 'isRetryDue', target: 'requesting', actions: requestRegistration },
            register: { target: 'requesting', actions: ['beginRegistering', requestRegistration] },
            deregister: {
              target: '#not-registered.idle',
              actions: ['dropRegistering', discardSecrets('registering')],
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
        deregister: {
          target: 'deregistering',
          actions: ['dropRegistering', discardSecrets('registering'), request('deregister')],
        },
        register: {
          guard: 'canRegister',
          target: '.reregistering',
          actions: ['beginRegistering', requestRegistration],
          description: 'the old registration stands until the new one is there',
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
          description: 'the ID certificate has ended',
        },
        'authorize.refused': onRevokedByAuthority,
        'acknowledge.refused': onRevokedByAuthority,
        // A renewal whose answer was lost is settled by whatever is asked next, wherever the chart stands.
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
          description: 'the ID certificate is good',
          on: onRenewalDue,
        },
        renewing: {
          description: 'a new ID certificate is asked for',
          on: {
            'renew.unreachable': {
              target: 'renewal-retrying',
              actions: ['retryRenewal', notifyFailure('ID_CERT_RENEW_FAILED')],
            },
          },
        },
        'renewal-retrying': {
          description: 'the authority was not reached; the next renewal attempt is set',
          on: onRenewalDue,
        },
        acknowledging: {
          description: 'the authority is told that the new certificate arrived',
          on: {
            'acknowledge.accepted': 'current',
            'acknowledge.refused': [onRevokedByAuthority, { target: 'current' }],
            'acknowledge.unreachable': {
              target: 'current',
              description: 'the next request made with the new certificate says the same',
            },
          },
        },
        reregistering: {
          description: 'registering again, with the old registration still good',
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
              description: 'the old registration stays',
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
              description: 'a registration request is due, or on its way',
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
              description: 'the next attempt to register is set',
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
      description: 'the authority is told, once; whatever it says, the registration ends here',
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
          description: 'ended here; the authority may still list the instance',
        },
        'deregister.unreachable': {
          target: 'unregistered.idle',
          actions: [
            'recordRegistrationFailure',
            'endRegistration',
            discardSecrets('identity'),
            notifyFailure('AGENT_DEREG_FAILED'),
          ],
          description: 'ended here; the instance must be removed at the authority by hand',
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
