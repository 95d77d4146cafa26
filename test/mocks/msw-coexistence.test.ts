import { mkdtempSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { http, HttpResponse, passthrough } from 'msw'
import { setupServer, type SetupServer } from 'msw/node'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  type ConnectionFaultName,
  createMockAuthority,
  faultCatalog,
  type FaultNetwork,
  type MockAuthority,
} from '../../mocks/index.ts'
import { VirtualClock } from '../../mocks/testing.ts'
import { DAY } from '../../src/core/time.ts'
import { SmartAgent, type TransportSettings } from '../../src/index.ts'
import { toTlsOptions } from '../../src/pki/certificate-generation.ts'
import { getMessagePath } from '../../src/protocol/messages.ts'
import { type ConnectionOptions, toConnectionOptions } from '../../src/transports/connection-options.ts'
import { createHttpsTransport } from '../../src/transports/https.ts'
import { getErrorCode } from '../support/test-environment.ts'

/** Real authority on a network of real sockets, in a process in which MSW intercepts every request. */
let mock: MockAuthority
let network: Pick<FaultNetwork, 'settings' | 'connections'>
let clock: VirtualClock
let directory: string
let server: SetupServer
const ends: (() => unknown)[] = []
let opened = 0
const rejections: unknown[] = []
const onRejection = (reason: unknown) => rejections.push(reason)

beforeAll(async () => {
  // TLS uses the machine's clock, so the virtual clock starts at the same time.
  clock = new VirtualClock(Date.now())
  mock = await createMockAuthority({ clock })
  network = await mock.listen()
  directory = mkdtempSync(join(tmpdir(), 'sla-msw-'))
})
afterAll(async () => {
  await mock.close()
  rmSync(directory, { recursive: true, force: true })
})
beforeEach(() => {
  server = setupServer()
  process.on('unhandledRejection', onRejection)
  // MSW reports requests without a handler on the console.
  vi.spyOn(console, 'warn').mockReturnValue()
  vi.spyOn(console, 'error').mockReturnValue()
})
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
  server.close()
  vi.restoreAllMocks()
  await mock.setConnectionFault(null)
  process.off('unhandledRejection', onRejection)
  expect(rejections.splice(0)).toEqual([])
})

async function openAgent(transport: TransportSettings): Promise<SmartAgent> {
  const serial = `S${++opened}`
  const agent = await SmartAgent.open({
    dataDir: join(directory, serial),
    product: { pid: 'CWMS-K9', version: '4.0', serial },
    trust: mock.trustAnchor,
    transport,
    clock,
    heartbeat: false,
  })
  ends.push(() => agent.close())
  return agent
}

const register = async (agent: SmartAgent): Promise<void> => {
  await agent.register((await mock.authority.tokens.create({ days: 30, maxUses: 1 })).token)
}

function openTransport(settings: TransportSettings, more: Partial<ConnectionOptions> = {}) {
  const transport = createHttpsTransport({ ...toConnectionOptions(settings, [mock.trustAnchor]), ...more })
  ends.push(() => {
    transport.close()
  })
  return transport
}

/** Lets requests to the real authority through. */
const passToNetwork = () => http.post(`${network.settings('direct').url}/*`, () => passthrough())

describe('R-LAB-2: an agent registers at a real authority while MSW listens', () => {
  const routes = ['direct', 'proxy'] as const

  describe.each(['bypass', 'warn'] as const)('with onUnhandledRequest: %s', (onUnhandledRequest) => {
    it.each(routes)('and no handler for its URL (%s)', async (kind) => {
      server.use(http.get('https://product.test/', () => HttpResponse.text('the product')))
      server.listen({ onUnhandledRequest })
      const { proxy } = network.connections
      const agent = await openAgent(network.settings(kind))
      await register(agent)
      expect(agent.status().state).toBe('authorized')
      expect(network.connections.proxy > proxy).toBe(kind === 'proxy')
      expect(await (await fetch('https://product.test/')).text()).toBe('the product')
    })
  })

  it.each(routes)(
    'with onUnhandledRequest: error and a handler that calls passthrough() (%s)',
    async (kind) => {
      server.use(passToNetwork())
      server.listen({ onUnhandledRequest: 'error' })
      const agent = await openAgent(network.settings(kind))
      await register(agent)
      expect(agent.status().state).toBe('authorized')
    },
  )

  it('next to an agent that registers at the mocked authority', async () => {
    server.use(...mock.handlers, passToNetwork())
    server.listen({ onUnhandledRequest: 'error' })
    const { authority } = network.connections
    const mocked = await openAgent({ kind: 'direct', url: mock.url })
    await register(mocked)
    expect(network.connections.authority).toBe(authority)
    const real = await openAgent(network.settings('direct'))
    await register(real)
    expect(network.connections.authority).toBeGreaterThan(authority)
    expect([mocked.status().state, real.status().state]).toEqual(['authorized', 'authorized'])
  })
})

describe('R-LAB-2: with onUnhandledRequest: error and no handler', () => {
  it('the failure names MSW, the URL and both remedies', async () => {
    server.use(...mock.handlers)
    server.listen({ onUnhandledRequest: 'error' })
    server.resetHandlers()
    const agent = await openAgent({ kind: 'direct', url: mock.url })
    const failure = await register(agent).catch((error: unknown) => error)
    expect(failure).toMatchObject({
      code: 'REQUEST_INTERCEPTED',
      message: `A mock in this process (MSW) intercepted the request to ${mock.url}${getMessagePath('register')} and has no handler for it.`,
      remedy: expect.stringMatching(/\.\.\.mock\.handlers.*passthrough\(\)/) as string,
    })
    expect(agent.status().transport).toMatchObject({ lastFailure: { code: 'REQUEST_INTERCEPTED' } })
  })
})

describe('R-LAB-2: a real connection that MSW lets through', () => {
  const faults: [ConnectionFaultName, TransportSettings['kind']][] = [
    ['refused', 'direct'],
    ['reset', 'direct'],
    ['tls-plain-text', 'direct'],
    ['tls-expired', 'direct'],
    ['tls-name-mismatch', 'direct'],
    ['tls-inspected', 'proxy'],
    ['proxy-unreachable', 'proxy'],
    ['proxy-auth-refused', 'proxy'],
    ['proxy-closed', 'proxy'],
  ]
  it.each(faults)('fails with the code of the fault %s (%s)', async (fault, kind) => {
    server.listen({ onUnhandledRequest: 'bypass' })
    await mock.setConnectionFault(fault)
    const { code } = faultCatalog[fault]
    expect(await getErrorCode(openTransport(network.settings(kind)).post('/x', '{}'))).toBe(code)
  })

  it('reports its steps to the observer', async () => {
    server.listen({ onUnhandledRequest: 'bypass' })
    const steps: string[] = []
    const observer = {
      opening: () => steps.push('opening'),
      step: (step: string) => steps.push(step),
    }
    // The authority has no such path.
    const answer = openTransport(network.settings('proxy'), { observer }).post('/x', '{}')
    expect(await getErrorCode(answer)).toBe('AUTHORITY_REJECTED')
    expect(steps).toEqual(['opening', 'name', 'connect', 'proxy', 'tls'])
  })

  it('is closed if its certificate names another authority', async () => {
    server.listen({ onUnhandledRequest: 'bypass' })
    const transport = openTransport(network.settings('direct'), { readAuthority: () => 'theirs' })
    expect(await getErrorCode(transport.post('/x', '{}', null, {}, 'ours'))).toBe('TLS_WRONG_AUTHORITY')
  })

  it('ends with the exchange, during the TLS handshake as well', async () => {
    server.listen({ onUnhandledRequest: 'bypass' })
    await mock.setConnectionFault('tls-silence')
    const transport = openTransport(network.settings('direct'), {
      observer: {
        opening: () => undefined,
        step: (step) => {
          if (step === 'connect') transport.close({ now: true })
        },
      },
    })
    expect(await getErrorCode(transport.post('/x', '{}'))).toBe('TIMED_OUT')
  })
})

describe('R-LAB-2: a request that MSW lets through to a server', () => {
  const longAnswer = JSON.stringify('x'.repeat(900_000))
  let connections = 0
  let url: string
  let respond: (request: IncomingMessage, response: ServerResponse) => void

  beforeEach(async () => {
    const now = Date.now()
    const dates = { notBefore: now - DAY, notAfter: now + DAY }
    const tls = await mock.authority.operations.server.createTestTls({ ...dates, hosts: ['localhost'] })
    const authority = createServer(toTlsOptions(tls), (request, response) => {
      respond(request, response)
    })
    authority.on('secureConnection', () => connections++)
    await new Promise<void>((resolve) => {
      authority.listen(0, 'localhost', resolve)
    })
    ends.push(() => {
      authority.closeAllConnections()
      authority.close()
    })
    url = `https://localhost:${(authority.address() as AddressInfo).port}`
    connections = 0
    respond = (_request, response) => response.end(longAnswer)
  })

  it('gets a long answer completely, without warnings of Node', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error) => warnings.push(warning)
    process.on('warning', onWarning)
    ends.push(() => process.off('warning', onWarning))
    server.listen({ onUnhandledRequest: 'bypass' })
    expect(await openTransport({ kind: 'direct', url }).post('/x', '{}')).toBe(longAnswer)
    expect(warnings).toEqual([])
  })

  it('is followed by requests on one kept connection after MSW is closed', async () => {
    server.listen({ onUnhandledRequest: 'bypass' })
    const transport = openTransport({ kind: 'direct', url })
    await transport.post('/x', '{}')
    server.close()
    await transport.post('/x', '{}')
    await transport.post('/x', '{}')
    // MSW gives each request an agent of its own, which keeps no connection.
    expect(connections).toBe(2)
  })
  it('closes its connection if the exchange is aborted before the answer', async () => {
    server.listen({ onUnhandledRequest: 'bypass' })
    const transport = openTransport({ kind: 'direct', url })
    const closed = new Promise((resolve) => {
      respond = ({ socket }) => {
        socket.once('close', resolve)
        transport.close({ now: true })
      }
    })
    expect(await getErrorCode(transport.post('/x', '{}'))).toBe('TIMED_OUT')
    await closed
  })
})

describe('R-LAB-2: what MSW cannot mock is refused by name', () => {
  it('refuses a proxy that was not used, and a connection test', async () => {
    server.listen({ onUnhandledRequest: 'error' })
    server.use(...mock.handlers)
    const via = 'http://127.0.0.1:3128'
    const proxied = await openAgent({ kind: 'proxy', url: mock.url, via })
    const error = await register(proxied).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'REQUEST_INTERCEPTED' })
    expect(String(error)).toContain('the proxy 127.0.0.1:3128 was not used')

    const direct = await openAgent({ kind: 'direct', url: mock.url })
    await register(direct)
    expect(await getErrorCode(direct.transport.test())).toBe('REQUEST_INTERCEPTED')
  })
})
