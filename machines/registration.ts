import { ask, askToRegister, because, chart, forget, say } from './agent-setup.ts'

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

/** While no renewal is on its way: the certificate ends, or another one is asked for. */
const mayRenew = {
  TICK: [
    {
      guard: 'identityExpired' as const,
      target: '#not-registered.expired',
      actions: [
        'expireRegistration' as const,
        'endRegistration' as const,
        forget('identity'),
        say('ID_CERT_EXPIRED'),
      ],
      description: 'the ID certificate has ended',
    },
    { guard: 'renewalDue' as const, target: 'renewing', actions: ask('renew') },
  ],
  RENEW_REGISTRATION: { target: 'renewing', actions: ask('renew') },
}

/** The registration axis: who the box is to its authority. */
export const registration = chart.createStateConfig({
  initial: 'unregistered',
  on: {
    RESERVATION_DISCARD: {
      actions: ['keepDiscarded', say('RESERVATION_DISCARDED')],
      description: 'a file that came too late is given back',
    },
  },
  states: {
    unregistered: {
      id: 'not-registered',
      description: 'this box holds no registration',
      initial: 'idle',
      on: {
        REGISTER: { target: 'registering', actions: ['beginRegistering', askToRegister] },
        RESERVATION_REQUEST: {
          target: 'reservation-requested',
          actions: ['keepRequest', say('RESERVATION_REQUESTED')],
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
        RESERVATION_CANCEL: {
          target: 'unregistered',
          actions: ['dropRequest', say('RESERVATION_CANCELED')],
          description: 'the code is good for nothing any more; the next one is another',
        },
        RESERVATION_INSTALL: {
          target: 'reserved',
          actions: ['installGrant', say('RESERVED_INSTALLED')],
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
            RESERVATION_UPDATE: {
              actions: ['installGrant', say('RESERVATION_UPDATED')],
              description: 'other quantities, and a confirmation code for the authority',
            },
            RESERVATION_RETURN_CODE: {
              target: 'returning',
              actions: ['endGrant', say('RETURN_CODE_CREATED')],
              description: 'the grant ends here, before anybody sees the code',
            },
          },
        },
        returning: {
          description: 'the return code was made; nothing is granted any more',
          on: {
            RESERVATION_RETURN: {
              target: '#not-registered',
              actions: ['completeReturn', say('RESERVATION_RETURNED')],
            },
          },
        },
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
          on: mayRenew,
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
          on: mayRenew,
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
})
