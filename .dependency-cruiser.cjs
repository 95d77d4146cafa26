// Imports run downward: cli, console, rest, testing → agent, authority → diagrams, trust → the small rooms → domain.
const rooms = {
  domain: [],
  protocol: ['domain'],
  transports: ['domain'],
  trust: ['domain', 'protocol'],
  hosts: ['domain'],
  system: ['domain'],
  diagrams: ['domain'],
  telemetry: ['domain', 'transports'],
  agent: ['domain', 'protocol', 'trust', 'transports', 'hosts', 'system'],
  chaos: ['domain', 'protocol', 'trust'],
  authority: ['domain', 'protocol', 'trust', 'transports', 'chaos'],
  simulation: ['domain', 'protocol', 'trust', 'transports', 'system', 'chaos', 'agent', 'authority'],
  testing: ['domain', 'protocol', 'trust', 'transports', 'agent', 'authority', 'simulation'],
  console: ['domain', 'protocol', 'trust', 'transports', 'diagrams', 'agent', 'authority'],
  rest: ['domain', 'protocol', 'trust', 'transports', 'authority'],
  cli: [
    'domain',
    'protocol',
    'trust',
    'transports',
    'hosts',
    'chaos',
    'diagrams',
    'agent',
    'authority',
    'console',
    'rest',
    'telemetry',
  ],
}
// The same within the authority: each of these imports only those before it.
const authorityRooms = [
  'rules.ts',
  'leave.ts',
  'observer.ts',
  'store/',
  'outbox/',
  'events/',
  'keys/',
  'inventory/',
  'desk.ts',
  'satellites/',
  'upstream/',
  'exchanges/',
  'audit/',
  'people/',
  'alerts/',
  'notifications/',
  'reports/',
  'reservations.ts',
  'tickets.ts',
  'figures.ts',
  'backup/',
  'serving/',
  'authority.ts',
  'index.ts',
]
const mayUseMachines = ['diagrams', 'agent', 'authority', 'simulation', 'testing', 'console', 'cli']

module.exports = {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'machines-know-nobody',
      severity: 'error',
      from: { path: '^machines/' },
      to: { pathNot: ['^machines/', 'node_modules/xstate'] },
    },
    {
      name: 'mocks-are-not-shipped-rooms',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(mocks|test)/' },
    },
    {
      name: 'mocks-know-the-authority',
      severity: 'error',
      from: { path: '^mocks/' },
      to: {
        path: '^(src|machines|test)/',
        pathNot: '^src/(authority|chaos|domain|protocol|transports|trust)/',
      },
    },
    {
      // What a browser is sent holds nothing of the server: its types alone, and what draws the chart.
      name: 'pages-know-types-alone',
      severity: 'error',
      from: { path: '^src/console/pages/' },
      to: {
        path: '^(src|machines)/',
        pathNot: ['^src/console/pages/', '^src/diagrams/'],
        dependencyTypesNot: ['type-only'],
      },
    },
    ...Object.entries(rooms).map(([room, below]) => ({
      name: `${room}-imports-downward`,
      severity: 'error',
      from: { path: `^src/${room}/` },
      to: {
        path: '^(src|machines)/',
        pathNot: [room, ...below]
          .map((one) => `^src/${one}/`)
          .concat(mayUseMachines.includes(room) ? ['^machines/'] : []),
      },
    })),
    ...authorityRooms.map((room, i) => ({
      name: `authority-${room.replace(/[/.].*/, '')}-imports-downward`,
      severity: 'error',
      from: { path: `^src/authority/${room}` },
      to: {
        path: '^src/authority/',
        pathNot: authorityRooms.slice(0, i + 1).map((one) => `^src/authority/${one}`),
      },
    })),
    {
      name: 'authority-has-these-rooms',
      severity: 'error',
      from: { path: '^src/authority/', pathNot: authorityRooms.map((one) => `^src/authority/${one}`) },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.json'] },
  },
}
