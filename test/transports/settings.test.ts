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

describe('R-NET-4: settings of the transport', () => {
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
  ])('R-NET-3: %s is the proxy %s', (text, expected) => {
    expect(parseProxyUrl(text)).toBe(expected)
  })

  it('R-NET-4: whatever is typed is taken in one form, or refused by its code', () => {
    const codes = ['no error', 'TRANSPORT_URL_INVALID', 'PROXY_URL_INVALID']
    fc.assert(
      fc.property(fc.oneof(fc.webUrl(), fc.string(), fc.webUrl({ withQueryParameters: true })), (text) => {
        for (const parse of [parseAuthorityUrl, parseProxyUrl]) {
          expect(codes).toContain(codeThrown(() => parse(text)))
          // What was taken once is taken again, and stays as it is.
          if (codeThrown(() => parse(text)) === 'no error') expect(parse(parse(text))).toBe(parse(text))
        }
      }),
    )
  })

  it('R-NET-3: the password is stored sealed, under a key of its own, and never shown', async () => {
    const password = 'canary-p:a@s%s ö'
    let given: TransportSettings | null = null
    const agent = await world.open('box', {
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
    const box = join(world.directory, 'box')
    expect(statSync(join(box, 'secrets', 'transport.key')).mode & 0o777).toBe(0o600)
    await agent.close()
    for (const name of readdirSync(box, { recursive: true, encoding: 'utf8' })) {
      const path = join(box, name)
      if (statSync(path).isFile()) expect(readFileSync(path).includes('canary')).toBe(false)
    }
  })

  it('R-NET-4: left out, the password stays for the same user and proxy, and for no other', async () => {
    let given: TransportSettings | null = null
    const agent = await world.open('box', {
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

  it('R-NET-4: changed while an exchange is under way: that one ends on its old road, the next takes the new', async () => {
    const urls: string[] = []
    let answer: () => void = () => undefined
    const agent = await world.open('box', {
      createTransport: ({ url: road }) => ({
        ...world.transport(),
        post: async (path, body) => {
          urls.push(road)
          if (road === url) await new Promise<void>((resolve) => (answer = resolve))
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

describe('R-NET-4: changed at any moment', () => {
  it('while the first exchange is being prepared: nothing of the old road is left', async () => {
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

  it('while an exchange fails on the old road: its failure is not told of the new one', async () => {
    let fail: (() => void) | undefined
    const agent = await world.open('box', {
      createTransport: ({ url: road }) => ({
        ...world.transport(),
        post: (path, body) =>
          road === url
            ? new Promise((_, reject) => {
                fail = () => {
                  reject(new LicensingError('CONNECTION_RESET', 'the old road broke'))
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
    const said = JSON.stringify(agent.history(100))
    expect(said).not.toContain('COMM_FAILED')
  })
})

describe('R-AUTH-4: retry discipline', () => {
  it('what was left over when a process ended is what the next one waits for', async () => {
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

  it('whoever waits is told when the agent is closed', async () => {
    const agent = await world.open()
    world.network.onAnswer = () => new Promise(() => undefined)
    const waiting = getErrorCode(agent.register(await world.token()))
    await eventually(() => {
      expect(world.network.sent).toHaveLength(1)
    })
    await agent.close()
    expect(await waiting).toBe('AGENT_CLOSED')
    // So is one who asked just before, while the key is being made.
    const other = await world.open('other')
    const asked = getErrorCode(other.register(await world.token()))
    await other.close()
    expect(await asked).toBe('AGENT_CLOSED')
    expect(await getErrorCode(other.register(await world.token()))).toBe('AGENT_CLOSED')
  })

  it('a restart continues the schedule where it stood', async () => {
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

  it('a newer request supersedes an older one, and one kind is under way once', async () => {
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

  it('a refusal is never tried again by itself', async () => {
    const agent = await world.open()
    const token = await world.token()
    await world.authority.tokens.revoke(token)
    expect(await getErrorCode(agent.register(token))).toBe('TOKEN_REVOKED')
    const sent = world.network.sent.length
    for (let day = 0; day < 30; day++) await advance(world, agent, 24 * 60 * MINUTE)
    expect(world.network.sent).toHaveLength(sent)
  })
})

it('R-NET-4: a box without a road, or without a root, is told so before anybody is asked', async () => {
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

it('whoever has waited a hundred times has left nothing behind', async () => {
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
