import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { SmartAgent, type TransportSettings } from '../../src/index.ts'
import { Authority } from '../../src/authority/index.ts'
import { freePort, createProxies, type Proxies } from '../support/proxies.ts'
import { getErrorCode } from '../support/test-environment.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(2)

/** Squid and Apache as Debian ships them, between a real agent and a real authority. */
const USERS = { 'bob smith': 'p:a@s%s/w ö"rd', ann: 'other' }
const [user, password] = ['bob smith', USERS['bob smith']]

let proxies: Proxies
let authority: Authority
let url: string
let port: number
let directory: string
let boxes = 0
let agent: SmartAgent

beforeAll(async () => {
  proxies = createProxies()
  directory = mkdtempSync(join(tmpdir(), 'sla-'))
  const dataDir = join(directory, 'authority')
  await Authority.init({ dataDir, account: 'acme.example', acceptAgreement: true })
  authority = await Authority.open({ dataDir })
  port = await freePort()
  url = await authority.listen({ host: 'localhost', port })
  await authority.orders.create({ tag: 'HOST', quantity: 10 })
})
afterAll(async () => {
  await authority.close()
  await proxies.close()
  rmSync(directory, { recursive: true, force: true })
})
beforeEach(async () => {
  const name = `box-${++boxes}`
  agent = await SmartAgent.open({
    dataDir: join(directory, name),
    product: { pid: 'CWMS-K9', version: '4.0', serial: name },
    trust: authority.trustAnchor(),
    heartbeat: false,
  })
})
afterEach(async () => {
  await agent.close()
})

const token = async () => (await authority.tokens.create({ days: 30 })).token
const via = (proxy: string, more: { username?: string; password?: string } = {}): TransportSettings => ({
  kind: 'proxy',
  url,
  via: proxy,
  ...more,
})

/** Registration, authorization, renewal and deregistration, by the road that is set. */
async function liveThrough(): Promise<void> {
  expect(await agent.transport.test()).toMatchObject({ ok: true, failure: null })
  agent.setUsage('HOST', 3)
  await agent.register(await token())
  expect(agent.status()).toMatchObject({ state: 'authorized', transport: { link: 'up' } })
  await agent.renewAuthorization()
  await agent.renewRegistration()
  await agent.idle()
  await agent.deregister()
  expect(agent.status().state).toBe('evaluation')
  expect(await authority.instances.list()).toEqual([])
}

describe('Squid', () => {
  it('R-NET-3: open: everything goes through it, by a tunnel', async () => {
    const squid = await proxies.squid()
    agent.transport.set(via(squid.via))
    await liveThrough()
    const lines = squid.log().trim().split('\n')
    const tunnels = lines.filter((line) => !line.includes('transaction-end-before-headers'))
    for (const line of tunnels) expect(line).toMatch(/TCP_TUNNEL\/200 \d+ CONNECT localhost:\d+/)
    // Kept alive: all exchanges but the walk’s two connections shared one tunnel.
    expect(tunnels.length).toBeLessThanOrEqual(3)
    expect(tunnels.length).toBeGreaterThan(0)
  })

  it('R-NET-3: with a user name and a password of any characters; without, and with wrong ones, told apart', async () => {
    const squid = await proxies.squid({ users: USERS })
    agent.transport.set(via(squid.via))
    expect(await getErrorCode(agent.register(await token()))).toBe('PROXY_AUTHENTICATION_REQUIRED')
    await agent.deregister()
    agent.transport.set(via(squid.via, { username: user, password: 'wrong' }))
    expect(await getErrorCode(agent.register(await token()))).toBe('PROXY_AUTHENTICATION_REFUSED')
    await agent.deregister()
    agent.transport.set(via(squid.via, { username: user, password }))
    await liveThrough()
  })

  it('R-NET-3: that denies, and whose authority is down, is told from the authority’s answer', async () => {
    const denying = await proxies.squid({ deny: true })
    agent.transport.set(via(denying.via))
    expect(await getErrorCode(agent.register(await token()))).toBe('PROXY_FORBIDDEN')
    await agent.deregister()
    const squid = await proxies.squid()
    agent.transport.set({ kind: 'proxy', url: `https://localhost:${await freePort()}`, via: squid.via })
    expect(await getErrorCode(agent.register(await token()))).toBe('PROXY_BAD_GATEWAY')
    await agent.deregister()
    agent.transport.set({ kind: 'proxy', url: 'https://nobody.invalid', via: squid.via })
    expect(await getErrorCode(agent.register(await token()))).toBe('PROXY_BAD_GATEWAY')
  })
})

describe('Apache httpd', () => {
  it('R-NET-3: as a proxy, open and with a password', async () => {
    const open = await proxies.apache({ tunnelTo: port })
    agent.transport.set(via(open.via))
    await liveThrough()
    const asking = await proxies.apache({ tunnelTo: port, users: USERS })
    agent.transport.set(via(asking.via))
    expect(await getErrorCode(agent.register(await token()))).toBe('PROXY_AUTHENTICATION_REQUIRED')
    await agent.deregister()
    agent.transport.set(via(asking.via, { username: user, password }))
    await liveThrough()
  })

  it('R-NET-3: a port it opens no tunnel to', async () => {
    const apache = await proxies.apache({ tunnelTo: 1 })
    agent.transport.set(via(apache.via))
    expect(await getErrorCode(agent.register(await token()))).toBe('PROXY_FORBIDDEN')
  })

  it('R-NET-3: with TLS to the proxy itself, by a CA of the customer’s own', async () => {
    const { ca, ...tls } = proxies.customerCa()
    const apache = await proxies.apache({ tunnelTo: port, users: USERS, tls })
    agent.transport.set(via(apache.via, { username: user, password }))
    expect(await getErrorCode(agent.register(await token()))).toBe('PROXY_TLS_FAILED')
    await agent.deregister()
    await agent.trust.installTlsCa(ca)
    await liveThrough()
  })

  it('R-NET-2: as a reverse proxy: a gateway that relays, with a certificate of its own', async () => {
    const { ca, ...tls } = proxies.customerCa()
    const root = join(proxies.directory, 'root.pem')
    writeFileSync(root, authority.trustAnchor())
    const gateway = await proxies.apache({ relayTo: url, root, tls })
    agent.transport.set({ kind: 'gateway', url: gateway.url })
    // Whoever opens TLS without being known is named: to a box, a gateway and a middlebox look alike.
    await expect(agent.register(await token())).rejects.toMatchObject({
      code: 'TLS_INSPECTED',
      message: expect.stringContaining('"Customer CA, Customer"') as string,
    })
    await agent.deregister()
    await agent.trust.installTlsCa(ca)
    await liveThrough()
  })

  it('R-NET-5: one box direct, one by proxy, one by gateway, in one account', async () => {
    const { ca, ...tls } = proxies.customerCa()
    const root = join(proxies.directory, 'root.pem')
    writeFileSync(root, authority.trustAnchor())
    const transports: TransportSettings[] = [
      { kind: 'direct', url },
      via((await proxies.apache({ tunnelTo: port })).via),
      { kind: 'gateway', url: (await proxies.apache({ relayTo: url, root, tls })).url },
    ]
    const made = await Promise.all(
      transports.map((transport) =>
        SmartAgent.open({
          dataDir: join(directory, `mixed-${transport.kind}`),
          product: { pid: 'CWMS-K9', version: '4.0', serial: transport.kind },
          trust: authority.trustAnchor(),
          tlsCa: ca,
          transport,
          heartbeat: false,
        }),
      ),
    )
    for (const one of made) {
      one.setUsage('HOST', 2)
      await one.register(await token())
    }
    expect(made.map((one) => one.status().state)).toEqual(['authorized', 'authorized', 'authorized'])
    expect(await authority.licenses.list()).toMatchObject([{ tag: 'HOST', inUse: 6 }])
    for (const one of made) {
      await one.deregister()
      await one.close()
    }
  })
})
