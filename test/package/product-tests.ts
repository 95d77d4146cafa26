/** Title of the test that fails on purpose. */
export const FAILING_TEST = 'fails on purpose'

/** Test files of a product that installed the package, by their paths: for vitest, Jest and `node --test`. */
export const productTests: Readonly<Record<string, string>> = {
  'scenarios.js': `import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rmSync, mkdtempSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { http, passthrough } from 'msw'
import { setupServer } from 'msw/node'
import { defineProfile, SmartAgent } from 'smart-licensing-agent'
import { createMockAuthority, faultCatalog } from 'smart-licensing-agent/mocks'
import { assertLicensing, createTestBed, VirtualClock } from 'smart-licensing-agent/testing'

export const profile = defineProfile({ name: 'router', tags: [{ tag: 'GBIT' }, { tag: 'TUNNEL' }] })

/** Runs a test on a test bed of the product. */
export async function withBed(options, run) {
  const bed = await createTestBed({ profile, licenses: { TUNNEL: 2 }, ...options })
  try {
    await run(bed)
  } finally {
    await bed.close()
  }
}

async function withMsw(handlers, onUnhandledRequest, run) {
  const server = setupServer(...handlers)
  server.listen({ onUnhandledRequest })
  try {
    await run()
  } finally {
    server.close()
  }
}

/** Opens an agent of the product at a mocked authority. */
async function withMock(transport, run) {
  const dataDir = mkdtempSync(join(tmpdir(), 'product-'))
  const mock = await createMockAuthority({ profile, url: 'https://license.test' })
  const agent = await SmartAgent.open({
    dataDir,
    product: { pid: 'ROUTER', serial: '1', version: '1.0' },
    profile,
    trust: mock.trustAnchor,
    transport: { kind: 'direct', url: mock.url, ...transport },
    heartbeat: false,
  })
  const register = async () => agent.register((await mock.authority.tokens.create({ days: 1 })).token)
  try {
    await run({ mock, agent, register })
  } finally {
    await agent.close()
    await mock.close()
    rmSync(dataDir, { recursive: true })
  }
}

async function findFreePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

const lastsNoTime = (fault, transport) => [
  \`R-LAB-3: \${fault} lasts no real time\`,
  () =>
    withBed({ transport }, async (bed) => {
      await bed.register()
      await bed.setFaults(fault)
      const { code } = faultCatalog[fault]
      await assert.rejects(bed.agent.renewAuthorization(), { code })
      assertLicensing(bed).toFailWith(code)
      await bed.setFaults()
      await assertLicensing(bed).toRecoverWithin('12h')
    }),
]

/** Titles and functions of tests, for each runner. */
export const scenarios = [
  [
    'R-LAB-1: a product has tags of its own',
    () =>
      withBed({}, async (bed) => {
        bed.agent.setUsage('TUNNEL', 2)
        await bed.register()
        assertLicensing(bed).toHaveReported('TUNNEL', 2)
        bed.agent.setUsage('TUNNEL', 3)
        await bed.settle()
        assertLicensing(bed).toBeIn('out-of-compliance')
      }),
  ],
  [
    'R-LAB-1: a proxy on a given port checks its password',
    async () => {
      const port = await findFreePort()
      await withBed({ proxy: { port, username: 'device', password: 'right' } }, async (bed) => {
        await bed.register()
        bed.agent.transport.set({ ...bed.network.settings('proxy'), password: 'wrong' })
        await assert.rejects(bed.agent.renewAuthorization(), { code: 'PROXY_AUTHENTICATION_REFUSED' })
        assert.equal(bed.agent.status().transport.via, \`http://127.0.0.1:\${port}\`)
        assert.deepEqual(
          bed.network.tunnels.map(({ username, status }) => [username, status]),
          [
            ['device', 200],
            ['device', 407],
          ],
        )
      })
    },
  ],
  [
    'R-LAB-1: an unknown fault is refused with the names of all',
    async () => {
      const names = /"nope".*faults are .*error503.*tls-expired/
      await assert.rejects(createTestBed({ faults: ['nope'] }), names)
      await withBed({}, (bed) => assert.rejects(bed.setFaults('nope'), names))
      await withMock({}, async ({ mock }) => {
        assert.throws(() => mock.setFaults('nope'), names)
        assert.throws(() => mock.setFaults('tls-expired'), /listen\\(\\) and then setConnectionFault/)
        await mock.listen()
        await assert.rejects(mock.setConnectionFault('nope'), /"nope" is not a fault of names.*tls-expired/)
        await assert.rejects(mock.setConnectionFault('error503'), /setFaults/)
      })
    },
  ],
  [
    'R-LAB-1: the clock starts in 2030',
    () =>
      withBed({ start: '2030-01-01T00:00:00Z' }, async (bed) => {
        await bed.register()
        await bed.advance('31d')
        assertLicensing(bed).toBeIn('authorized')
        assert.equal(new Date(bed.clock.wall()).getUTCFullYear(), 2030)
        const mock = await createMockAuthority({ clock: new VirtualClock(Date.parse('2040-01-01')) })
        try {
          assert.throws(() => mock.listen(), /new VirtualClock\\(Date\\.now\\(\\)\\), or use createTestBed/)
        } finally {
          await mock.close()
        }
      }),
  ],
  [
    'R-LAB-2: real connections are made while MSW warns',
    () =>
      withMsw([], 'warn', () =>
        withBed({}, async (bed) => {
          await bed.register()
          assertLicensing(bed).toBeIn('authorized')
          assert.notEqual(bed.network.connections.authority, 0)
        }),
      ),
  ],
  [
    'R-LAB-2: a handler lets real connections through while MSW refuses the rest',
    () =>
      withBed({}, async (bed) => {
        const handler = http.post(\`\${bed.network.settings('direct').url}/*\`, () => passthrough())
        await withMsw([handler], 'error', () => bed.register())
        assertLicensing(bed).toBeIn('authorized')
      }),
  ],
  [
    'R-LAB-2: MSW answers by the mocked authority',
    () =>
      withMock({}, ({ mock, agent, register }) =>
        withMsw(mock.handlers, 'error', async () => {
          await register()
          assert.equal(agent.status().state, 'authorized')
        }),
      ),
  ],
  [
    'R-LAB-2: forgotten handlers are named',
    () =>
      withMock({}, ({ register }) =>
        withMsw([], 'error', () =>
          assert.rejects(register(), { code: 'REQUEST_INTERCEPTED', remedy: /\\.\\.\\.mock\\.handlers/ }),
        ),
      ),
  ],
  [
    'R-LAB-2: MSW is refused in the place of a proxy',
    () =>
      withMock({ kind: 'proxy', via: 'http://127.0.0.1:3128' }, ({ mock, register }) =>
        withMsw(mock.handlers, 'error', () =>
          assert.rejects(register(), {
            code: 'REQUEST_INTERCEPTED',
            message: /the proxy 127\\.0\\.0\\.1:3128 was not used/,
          }),
        ),
      ),
  ],
]

/** Tests of faults that would last 10 to 30 seconds on a real clock. */
export const silences = [
  lastsNoTime('silence', 'direct'),
  lastsNoTime('dripping', 'direct'),
  lastsNoTime('tls-silence', 'direct'),
  lastsNoTime('proxy-silence', 'proxy'),
]
`,
  'lab.test.ts': `import { expect, it, vi } from 'vitest'
import { createTestBed, licensingMatchers } from 'smart-licensing-agent/testing'
import { profile, scenarios, silences } from './scenarios.js'

expect.extend(licensingMatchers)

it.each(scenarios)('%s', (_title, run) => run())
it.each(silences)('%s', (_title, run) => run(), 5000)

it('R-LAB-1: a complete test has five lines', async () => {
  await using bed = await createTestBed({ profile, licenses: { TUNNEL: 2 } })
  bed.agent.setUsage('TUNNEL', 2)
  await bed.register()
  expect(bed).toHaveReported('TUNNEL', 2)
  expect(bed).toBeIn('authorized')
})

it('R-LAB-1: fake timers are refused with what to do', async () => {
  await using bed = await createTestBed({ profile })
  vi.useFakeTimers()
  try {
    await expect(createTestBed()).rejects.toThrow("vi.useFakeTimers({ toFake: ['Date'] })")
    await expect(bed.register()).rejects.toThrow("vi.useFakeTimers({ toFake: ['Date'] })")
  } finally {
    vi.useRealTimers()
  }
})

it('R-LAB-1: a fake date starts the clock', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: new Date('2035-01-01') })
  try {
    await using bed = await createTestBed({ profile })
    await bed.register()
    expect(bed).toBeIn('authorized')
    expect(bed.clock.wall()).toBe(Date.parse('2035-01-01'))
  } finally {
    vi.useRealTimers()
  }
})

it('fails on purpose', async () => {
  await using bed = await createTestBed({ profile })
  await bed.register()
  expect(bed).toBeIn('auth-expired')
})
`,
  'lab.jest.js': `import { expect, jest, test } from '@jest/globals'
import { createTestBed, licensingMatchers } from 'smart-licensing-agent/testing'
import { profile, scenarios, silences, withBed } from './scenarios.js'

expect.extend(licensingMatchers)

test.each(scenarios)('%s', (_title, run) => run())
test.each(silences)('%s', (_title, run) => run(), 5000)

test('R-LAB-1: the matchers of a test bed work', () =>
  withBed({}, async (bed) => {
    await bed.register()
    expect(bed).toBeIn('authorized')
    await bed.setFaults('refused')
    await bed.advance('31d')
    expect(bed).toFailWith('CONNECTION_REFUSED')
    await bed.setFaults()
    await expect(bed).toRecoverWithin('12h')
  }))

test('R-LAB-1: fake timers are refused with what to do', () =>
  withBed({}, async (bed) => {
    jest.useFakeTimers()
    try {
      await expect(createTestBed()).rejects.toThrow('jest.useFakeTimers({ doNotFake: [')
      await expect(bed.register()).rejects.toThrow('jest.useFakeTimers({ doNotFake: [')
    } finally {
      jest.useRealTimers()
    }
  }))

test('R-LAB-1: a fake date starts the clock', async () => {
  const doNotFake = ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'nextTick']
  jest.useFakeTimers({ doNotFake, now: new Date('2035-01-01') })
  try {
    await withBed({}, async (bed) => {
      await bed.register()
      expect(bed).toBeIn('authorized')
      expect(new Date(bed.clock.wall()).getUTCFullYear()).toBe(2035)
    })
  } finally {
    jest.useRealTimers()
  }
})

test('fails on purpose', () =>
  withBed({}, async (bed) => {
    await bed.register()
    expect(bed).toBeIn('auth-expired')
  }))
`,
  'lab.node.js': `import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { assertLicensing, createTestBed } from 'smart-licensing-agent/testing'
import { scenarios, silences, withBed } from './scenarios.js'

for (const [title, run] of scenarios) test(title, () => run())
for (const [title, run] of silences) test(title, { timeout: 5000 }, () => run())

test('R-LAB-1: fake timers are refused with what to do', () =>
  withBed({}, async (bed) => {
    mock.timers.enable()
    try {
      await assert.rejects(createTestBed(), /mock\\.timers\\.enable\\(\\{ apis: \\['Date'\\] \\}\\)/)
      await assert.rejects(bed.register(), /mock\\.timers\\.enable\\(\\{ apis: \\['Date'\\] \\}\\)/)
    } finally {
      mock.timers.reset()
    }
  }))

test('R-LAB-1: a fake date starts the clock', async () => {
  mock.timers.enable({ apis: ['Date'] })
  try {
    await withBed({}, async (bed) => {
      await bed.register()
      assertLicensing(bed).toBeIn('authorized')
      assert.equal(new Date(bed.clock.wall()).getUTCFullYear(), 1970)
    })
  } finally {
    mock.timers.reset()
  }
})

test('fails on purpose', () =>
  withBed({}, async (bed) => {
    await bed.register()
    assertLicensing(bed).toBeIn('auth-expired')
  }))
`,
  'common.cjs': `const { test } = require('node:test')
const { assertLicensing, createTestBed } = require('smart-licensing-agent/testing')

test('R-LAB-1: a CommonJS test requires the test bed', async () => {
  const bed = await createTestBed()
  try {
    await bed.register()
    assertLicensing(bed).toBeIn('authorized')
  } finally {
    await bed.close()
  }
})
`,
  'reporter.js': `export default async function* report(events) {
  for await (const { type, data } of events)
    if (type === 'test:pass' || type === 'test:fail')
      yield \`\${JSON.stringify({ title: data.name, status: type === 'test:pass' ? 'passed' : 'failed', failureMessages: [String(data.details.error?.cause ?? '')] })}\\n\`
}
`,
  'typed.ts': `import { expect as jestExpect } from '@jest/globals'
import { expect } from 'vitest'
import { defineProfile } from 'smart-licensing-agent'
import { createMockAuthority } from 'smart-licensing-agent/mocks'
import { createTestBed, licensingMatchers, type LicensingMatchers } from 'smart-licensing-agent/testing'

declare module 'vitest' {
  interface Matchers<T> extends LicensingMatchers<T> {}
}
declare module 'expect' {
  interface Matchers<R> extends LicensingMatchers<R> {}
}
expect.extend(licensingMatchers)
jestExpect.extend(licensingMatchers)

const profile = defineProfile({ name: 'router', tags: [{ tag: 'TUNNEL' }] })
await using bed = await createTestBed({ profile, licenses: { TUNNEL: 2 }, faults: ['silence', 'tls-expired'] })
bed.agent.setUsage('TUNNEL', 2)
expect(bed).toHaveReported('TUNNEL', 2)
expect(bed).not.toBeIn('auth-expired')
await expect(bed).toRecoverWithin('12h')
jestExpect(bed).toFailWith('TIMED_OUT')
await jestExpect(bed).toRecoverWithin('12h')

// @ts-expect-error -- the profile has no such tag
bed.agent.setUsage('TUNNELS', 2)
// @ts-expect-error -- there is no such state
expect(bed).toBeIn('unlicensed')
// @ts-expect-error -- there is no such code
jestExpect(bed).toFailWith('NOPE')
// @ts-expect-error -- there is no such duration
await expect(bed).toRecoverWithin('a week')
// @ts-expect-error -- there is no such fault
await createTestBed({ faults: ['nope'] })
// @ts-expect-error -- there is no such fault
await bed.setFaults('nope')
const mock = await createMockAuthority({ faults: ['error503'] })
// @ts-expect-error -- a fault of connections
mock.setFaults('tls-expired')
// @ts-expect-error -- a fault of answers
await mock.setConnectionFault('error503')
`,
}
