/** Texts of the inspector's frame, chart and panel. */
export const texts = {
  title: 'Statechart',
  views: {
    state: 'State',
    chart: 'Chart',
    'time-travel': 'Time travel',
    exchanges: 'Exchanges',
    'what-if': 'What if',
  },
  viewsName: 'Views of the device',
  soon: 'This view is not part of this version yet.',
  states: {
    evaluation: 'Evaluation',
    unregistered: 'Unregistered',
    registered: 'Registered',
    authorized: 'Authorized',
    'out-of-compliance': 'Out of compliance',
    'auth-expired': 'Authorization expired',
    reserved: 'Reserved',
  },
  regions: {
    registration: 'Registration',
    license: 'License',
    reservation: 'Reservation',
    connection: 'Connection',
  },
  regionStates: {
    registration: {
      unregistered: 'Unregistered',
      registering: 'Registering',
      registered: 'Registered',
      deregistering: 'Deregistering',
    },
    reservation: {
      none: 'None',
      requested: 'Requested',
      installed: 'Installed',
      returning: 'Returning',
    },
    connection: { unknown: 'Not tried yet', up: 'Up', down: 'Down' },
  },
} as const
