// Imports run downward: each layer of src imports only those named here.
const layers = {
  core: [],
  protocol: ['core'],
  storage: ['core'],
  pki: ['core', 'protocol'],
  transports: ['core'],
  http: ['core', 'storage', 'pki', 'transports'],
  faults: ['core', 'protocol', 'pki', 'transports', 'http'],
  conferencing: ['core', 'agent'],
  diagrams: ['core'],
  inspection: ['core'],
  telemetry: ['core', 'transports', 'http'],
  agent: ['core', 'protocol', 'storage', 'pki', 'transports', 'inspection'],
  authority: ['core', 'protocol', 'storage', 'pki', 'transports', 'http', 'faults', 'conferencing'],
  console: [
    'core',
    'protocol',
    'storage',
    'pki',
    'transports',
    'http',
    'diagrams',
    'inspection',
    'agent',
    'conferencing',
    'authority',
  ],
  serving: ['core', 'http', 'telemetry', 'agent', 'console'],
  rest: ['core', 'protocol', 'pki', 'transports', 'http', 'authority'],
  cli: [
    'core',
    'protocol',
    'storage',
    'pki',
    'transports',
    'faults',
    'http',
    'conferencing',
    'diagrams',
    'inspection',
    'telemetry',
    'agent',
    'authority',
    'console',
    'rest',
  ],
}
// Order of the folders within the authority: each imports only from itself and from those before it.
const authorityFolders = [
  'policy.ts',
  'observer.ts',
  'store/',
  'outbox/',
  'events/',
  'keys/',
  'context/account-context.ts',
  'inventory/',
  'context/',
  'satellites/',
  'satellite-sync/',
  'exchange/',
  'audit/',
  'identity/',
  'alerts/',
  'notifications/',
  'reports/',
  'reservations/',
  'backup/',
  'maintenance/',
  'serving/',
  'services/',
  'setup/',
  'authority.ts',
  'index.ts',
]
// Layers that import the package's entry point, which is the agent with the shipped product.
const usesShippedProduct = ['cli']
// Modules of the machines that every layer may import: units of time and names of states.
const leaves = ['^machines/(time|state-names)\\.ts$']
// Layers from which a layer may import types only.
const typesOf = { telemetry: ['agent', 'authority'] }
const usesMachines = ['diagrams', 'inspection', 'agent', 'authority', 'console', 'cli']

module.exports = {
  forbidden: [
    { name: 'no-circular-imports', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'machines-import-only-machines',
      severity: 'error',
      from: { path: '^machines/' },
      to: { pathNot: ['^machines/', 'node_modules/(xstate|zod)/'] },
    },
    {
      name: 'src-imports-only-src-and-machines',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(mocks|test|tools|examples)/' },
    },
    {
      // The test bed opens the agent as a product does. Its timeline and matchers read what the agent tells of itself.
      name: 'mocks-import-authority-and-agent',
      severity: 'error',
      from: { path: '^mocks/', pathNot: '^mocks/lab/' },
      to: {
        path: '^(src|machines|test)/',
        pathNot:
          '^src/(authority|core|faults|pki|protocol|transports)/|^src/index.ts$|^src/agent/(status|inspection-documents|product-module).ts$|^machines/',
      },
    },
    {
      // Browser bundles must hold no server code. Allowed are types, the machines, and the modules that draw and explain them.
      name: 'pages-import-types-only',
      severity: 'error',
      from: { path: '^src/web/' },
      to: {
        path: '^(src|machines)/',
        pathNot: ['^src/web/', '^src/diagrams/', '^src/inspection/', '^machines/'],
        dependencyTypesNot: ['type-only'],
      },
    },
    ...Object.entries(layers).map(([layer, below]) => ({
      name: `${layer}-imports-downward`,
      severity: 'error',
      from: { path: `^src/${layer}/` },
      to: {
        path: '^(src|machines)/',
        pathNot: [layer, ...below, ...(typesOf[layer] ?? [])]
          .map((name) => `^src/${name}/`)
          .concat(usesMachines.includes(layer) ? ['^machines/'] : leaves)
          .concat(usesShippedProduct.includes(layer) ? ['^src/index.ts$'] : []),
      },
    })),
    ...Object.entries(typesOf).map(([layer, names]) => ({
      name: `${layer}-imports-types-only`,
      severity: 'error',
      from: { path: `^src/${layer}/` },
      to: {
        path: names.map((name) => `^src/${name}/`),
        dependencyTypesNot: ['type-only'],
      },
    })),
    {
      // A product module depends only on the module interface of the agent.
      name: 'conferencing-imports-the-module-interface',
      severity: 'error',
      from: { path: '^src/conferencing/' },
      to: {
        path: '^(src|machines)/',
        pathNot: ['^src/(conferencing|core)/', '^src/agent/product-module.ts$'],
      },
    },
    {
      name: 'conferencing-imports-agent-types-only',
      severity: 'error',
      from: { path: '^src/conferencing/' },
      to: { path: '^src/agent/', dependencyTypesNot: ['type-only'] },
    },
    {
      // The authority licenses any product. The shipped profile is only its default.
      name: 'authority-imports-the-shipped-profile-only',
      severity: 'error',
      from: { path: '^src/authority/' },
      to: { path: '^src/conferencing/', pathNot: '^src/conferencing/profile.ts$' },
    },
    ...authorityFolders.map((folder, i) => ({
      name: `authority-${folder.replace(/[/.].*/, '')}-imports-downward`,
      severity: 'error',
      from: { path: `^src/authority/${folder}` },
      to: {
        path: '^src/authority/',
        pathNot: authorityFolders.slice(0, i + 1).map((name) => `^src/authority/${name}`),
      },
    })),
    {
      name: 'authority-has-these-folders',
      severity: 'error',
      from: { path: '^src/authority/', pathNot: authorityFolders.map((name) => `^src/authority/${name}`) },
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
