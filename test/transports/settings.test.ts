import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SmartAgent, type TransportSettings } from '../../src/index.ts'
import { MINUTE } from '../../src/core/time.ts'
import { LicensingError } from '../../src/core/errors.ts'
import { parseAuthorityUrl, parseProxyUrl } from '../../src/transports/transport.ts'
import { eventually } from '../support/eventually.ts'
import {
  getErrorCode,
  createTestEnvironment,
  advance,
  type TestEnvironment,
} from '../support/test-environment.ts'

let world: TestEnvironment
beforeEach(async () => {
  world = await createTestEnvironment()
})
afterEach(async () => {
  await world.close()
})

const url = 'https://authority.test'
const via = 'http://proxy.test'
const codeThrown = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    return error instanceof LicensingError ? error.code : String(error)
  }
  return 'no error'
}

describe('R-NET-4: transport settings', () => {
  const bad: [string, TransportSettings, string][] = [
    ['no URL', { kind: 'direct', url: 'authority' }, 'TRANSPORT_URL_INVALID'],
    ['http', { kind: 'gateway', url: 'http://authority.test' }, 'TRANSPORT_URL_INVALID'],
    ['a password in the URL', { kind: 'direct', url: 'https://u:p@authority.test' }, 'TRANSPORT_URL_INVALID'],
    ['a query', { kind: 'direct', url: 'https://authority.test/?x' }, 'TRANSPORT_URL_INVALID'],
    ['a proxy by another scheme', { kind: 'proxy', url, via: 'socks5://proxy.test' }, 'PROXY_URL_INVALID'],
    [
      'a password in the proxy’s URL',
      { kind: 'proxy', url, via: 'http://u:p@proxy.test' },
      'PROXY_URL_INVALID',
    ],
    ['a path in the proxy’s URL', { kind: 'proxy', url, via: 'http://proxy.test/x' }, 'PROXY_URL_INVALID'],
    [
      'a colon in the user name',
      { kind: 'proxy', url, via, username: 'a:b', password: '' },
      'PROXY_CREDENTIALS_INVALID',
    ],
    ['no user name', { kind: 'proxy', url, via, password: 'x' }, 'PROXY_CREDENTIALS_INVALID'],
    [
      'a line break',
      { kind: 'proxy', url, via, username: 'a', password: 'x\ny' },
      'PROXY_CREDENTIALS_INVALID',
    ],
  ]
  it.each(bad)('with %s are refused before they are saved', async (_, settings, code) => {
    const agent = await world.open()
    const before = agent.status().transport
    expect(codeThrown(() => agent.transport.set(settings))).toBe(code)
    expect(agent.status().transport).toEqual(before)
    expect(await getErrorCode(agent.transport.test({ settings }))).toBe(code)
  })

  it.each([
    ['http://proxy.test', 'http://proxy.test:3128'],
    ['https://proxy.test/', 'https://proxy.test:3128'],
    ['http://proxy.test:80', 'http://proxy.test:80'],
    ['https://proxy.test:443', 'https://proxy.test:443'],
    [' http://10.0.0.1:8080 ', 'http://10.0.0.1:8080'],
    ['http://[fd00::1]', 'http://[fd00::1]:3128'],
  ])('R-NET-3: store the proxy %s as %s', (text, expected) => {
    expect(parseProxyUrl(text)).toBe(expected)
  })

  it('R-NET-4: store any URL in canonical form, or refuse it with a documented code', () => {
    const codes = ['no error', 'TRANSPORT_URL_INVALID', 'PROXY_URL_INVALID']
    fc.assert(
      fc.property(fc.oneof(fc.webUrl(), fc.string(), fc.webUrl({ withQueryParameters: true })), (text) => {
        for (const parse of [parseAuthorityUrl, parseProxyUrl]) {
          expect(codes).toContain(codeThrown(() => parse(text)))
          // Parsing the stored form must not change it.
          if (codeThrown(() => parse(text)) === 'no error') expect(parse(parse(text))).toBe(parse(text))
        }
      }),
    )
  })

  it('R-NET-3: store the password encrypted with a separate key and never show it', async () => {
    const password = 'canary-p:a@s%s ö'
    let given: TransportSettings | null = null
    const agent = await world.open('device', {
      createTransport: (settings) => {
        given = settings
        return world.transport()
      },
    })
    agent.transport.set({ kind: 'proxy', url, via, username: 'bob', password })
    expect(agent.status().transport).toMatchObject({ kind: 'proxy', via: `${via}:3128`, username: 'bob' })
    await agent.register(await world.token())
    expect(given).toEqual({ kind: 'proxy', url, via: `${via}:3128`, username: 'bob', password })
    const shown = JSON.stringify([agent.status(), agent.explain(), agent.history(1000)])
    expect(shown).not.toContain('canary')
    const device = join(world.directory, 'device')
    expect(statSync(join(device, 'secrets', 'transport.key')).mode & 0o777).toBe(0o600)
    await agent.close()
    for (const name of readdirSync(device, { recursive: true, encoding: 'utf8' })) {
      const path = join(device, name)
      if (statSync(path).isFile()) expect(readFileSync(path).includes('canary')).toBe(false)
    }
  })

  it('R-NET-4: keep an omitted password for the same user and proxy only', async () => {
    let given: TransportSettings | null = null
    const agent = await world.open('device', {
      createTransport: (settings) => {
        given = settings
        return world.transport()
      },
    })
    const used = async () => {
      await agent.renewAuthorization()
      return given
    }
    agent.transport.set({ kind: 'proxy', url, via, username: 'bob', password: 'secret' })
    await agent.register(await world.token())
    agent.transport.set({ kind: 'proxy', url, via, username: 'bob' })
    expect(await used()).toMatchObject({ username: 'bob', password: 'secret' })
    agent.transport.set({ kind: 'proxy', url, via: 'http://other.test', username: 'bob' })
    expect(await used()).not.toHaveProperty('password')
  })

  it('R-NET-4: take effect with the next exchange if changed during one', async () => {
    const urls: string[] = []
    let answer: () => void = () => undefined
    const agent = await world.open('device', {
      createTransport: ({ url: target }) => ({
        ...world.transport(),
        post: async (path, body) => {
          urls.push(target)
          if (target === url) await new Promise<void>((resolve) => (answer = resolve))
          return world.transport().post(path, body)
        },
      }),
    })
    const registered = agent.register(await world.token())
    while (urls.length === 0) await new Promise((resolve) => setImmediate(resolve))
    agent.transport.set({ kind: 'gateway', url: 'https://gateway.test' })
    answer()
    await registered
    expect(urls).toEqual([url, 'https://gateway.test'])
    expect(agent.status()).toMatchObject({ state: 'authorized', transport: { kind: 'gateway', link: 'up' } })
  })
})

describe('R-NET-4: a change of the transport settings', () => {
  it('applies to a first exchange that is still being prepared', async () => {
    const agent = await SmartAgent.open({
      dataDir: join(world.directory, 'hasty'),
      product: { pid: 'CWMS-K9', version: '4.0', serial: 'hasty' },
      trust: world.authority.trustAnchor(),
      transport: { kind: 'direct', url: 'https://localhost:1' },
      heartbeat: false,
    })
    const registered = getErrorCode(agent.register(await world.token()))
    for (let i = 0; i < 20; i++) {
      await new Promise((resolve) => setImmediate(resolve))
      agent.transport.set({ kind: 'direct', url: `https://127.0.0.${i + 2}:1` })
    }
    expect(await registered).toBe('CONNECTION_REFUSED')
    await agent.idle()
    expect(agent.status().transport).toMatchObject({
      url: 'https://127.0.0.21:1',
      lastFailure: { message: expect.stringContaining('127.0.0.21:1') as string },
    })
    await agent.close()
  })

  it('discards the failure of an exchange with the old settings', async () => {
    let fail: (() => void) | undefined
    const agent = await world.open('device', {
      createTransport: ({ url: target }) => ({
        ...world.transport(),
        post: (path, body) =>
          target === url
            ? new Promise((_, reject) => {
                fail = () => {
                  reject(new LicensingError('CONNECTION_RESET', 'the old connection was closed'))
                }
              })
            : world.transport().post(path, body),
      }),
    })
    const registered = agent.register(await world.token())
    await eventually(() => {
      expect(fail).toBeDefined()
    })
    agent.transport.set({ kind: 'gateway', url: 'https://gateway.test' })
    fail?.()
    expect((await registered).state).toBe('authorized')
    const history = JSON.stringify(agent.history(100))
    expect(history).not.toContain('COMM_FAILED')
  })
})

describe('R-AUTH-4: an unanswered request', () => {
  it('is retried by the next process after a restart', async () => {
    const first = await world.open()
    await first.register(await world.token())
    world.network.onAnswer = () => new Promise(() => undefined)
    void first.renewAuthorization({ wait: false })
    await first.close()
    world.network.onAnswer = (_, body) => body
    world.network.down = true
    const agent = await world.open()
    expect(await getErrorCode(agent.renewAuthorization())).toBe('CONNECTION_REFUSED')
    expect(agent.status()).toMatchObject({ state: 'authorized', transport: { link: 'down' } })
  })

  it('fails with AGENT_CLOSED for waiting callers when the agent is closed', async () => {
    const agent = await world.open()
    world.network.onAnswer = () => new Promise(() => undefined)
    const waiting = getErrorCode(agent.register(await world.token()))
    await eventually(() => {
      expect(world.network.sent).toHaveLength(1)
    })
    await agent.close()
    expect(await waiting).toBe('AGENT_CLOSED')
    // A call just before, while the key is being generated, also fails.
    const other = await world.open('other')
    const pending = getErrorCode(other.register(await world.token()))
    await other.close()
    expect(await pending).toBe('AGENT_CLOSED')
    expect(await getErrorCode(other.register(await world.token()))).toBe('AGENT_CLOSED')
  })

  it('keeps its retry schedule after a restart', async () => {
    const first = await world.open()
    world.network.down = true
    expect(await getErrorCode(first.register(await world.token()))).toBe('CONNECTION_REFUSED')
    for (let i = 0; i < 4; i++) {
      const next = Date.parse(first.status().registration.nextAttemptAt ?? '')
      await advance(world, first, next - world.clock.wall())
    }
    const { nextAttemptAt } = first.status().registration
    await first.close()
    world.clock.reboot(1000)
    const again = await world.open()
    await again.idle()
    expect(again.status().registration).toMatchObject({ status: 'retrying', nextAttemptAt })
    expect(world.network.sent.filter(({ type }) => type === 'register')).toHaveLength(5)
  })

  it('is superseded by a newer request, and only one of a type is in progress', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    const before = world.network.sent.length
    await Promise.all([
      agent.renewAuthorization(),
      agent.renewAuthorization().catch(() => undefined),
      agent.renewAuthorization().catch(() => undefined),
    ])
    expect(world.network.sent.length - before).toBe(1)
    world.network.down = true
    expect(await getErrorCode(agent.renewAuthorization())).toBe('CONNECTION_REFUSED')
    agent.setUsage('HOST', 1)
    world.network.down = false
    await advance(world, agent, MINUTE)
    expect(agent.status().entitlements).toMatchObject([
      { tag: 'HOST', count: 1, status: 'out-of-compliance' },
    ])
  })

  it('is not retried automatically after a refusal', async () => {
    const agent = await world.open()
    const token = await world.token()
    await world.authority.tokens.revoke(token)
    expect(await getErrorCode(agent.register(token))).toBe('TOKEN_REVOKED')
    const sent = world.network.sent.length
    for (let day = 0; day < 30; day++) await advance(world, agent, 24 * 60 * MINUTE)
    expect(world.network.sent).toHaveLength(sent)
  })
})

it('R-NET-4: the connection test fails without a transport or a trust anchor before any connection', async () => {
  const agent = await SmartAgent.open({
    dataDir: join(world.directory, 'bare'),
    product: { pid: 'CWMS-K9', version: '4.0', serial: 'bare' },
    clock: world.clock,
    heartbeat: false,
  })
  expect(await getErrorCode(agent.transport.test())).toBe('TRANSPORT_NOT_CONFIGURED')
  agent.transport.set({ kind: 'direct', url })
  expect(await getErrorCode(agent.transport.test())).toBe('TRUST_ANCHOR_MISSING')
  await agent.close()
})

it('a hundred exchanges leave no event listeners behind', async () => {
  const warned: string[] = []
  const listen = ({ message }: Error) => warned.push(message)
  process.on('warning', listen)
  const agent = await world.open()
  await agent.register(await world.token())
  for (let i = 0; i < 100; i++) await agent.renewAuthorization()
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', listen)
  expect(warned).toEqual([])
})
