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

/** Squid and Apache of Debian between a real agent and a real authority. */
const USERS = { 'bob smith': 'p:a@s%s/w ö"rd', ann: 'other' }
const [user, password] = ['bob smith', USERS['bob smith']]

let proxies: Proxies
let authority: Authority
let url: string
let port: number
let directory: string
let devices = 0
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
  const name = `device-${++devices}`
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

/** Registers, authorizes, renews and deregisters with the current transport. */
async function runLifecycle(): Promise<void> {
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
  it('R-NET-3: tunnels all requests without authentication', async () => {
    const squid = await proxies.squid()
    agent.transport.set(via(squid.via))
    await runLifecycle()
    const lines = squid.log().trim().split('\n')
    const tunnels = lines.filter((line) => !line.includes('transaction-end-before-headers'))
    for (const line of tunnels) expect(line).toMatch(/TCP_TUNNEL\/200 \d+ CONNECT localhost:\d+/)
    // All exchanges except the two connection tests share one kept-alive tunnel.
    expect(tunnels.length).toBeLessThanOrEqual(3)
    expect(tunnels.length).toBeGreaterThan(0)
  })

  it('R-NET-3: accepts a user name and password of any characters, and distinguishes missing and wrong ones', async () => {
    const squid = await proxies.squid({ users: USERS })
    agent.transport.set(via(squid.via))
    expect(await getErrorCode(agent.register(await token()))).toBe('PROXY_AUTHENTICATION_REQUIRED')
    await agent.deregister()
    agent.transport.set(via(squid.via, { username: user, password: 'wrong' }))
    expect(await getErrorCode(agent.register(await token()))).toBe('PROXY_AUTHENTICATION_REFUSED')
    await agent.deregister()
    agent.transport.set(via(squid.via, { username: user, password }))
    await runLifecycle()
  })

  it('R-NET-3: reports a denied tunnel and an unreachable authority with separate codes', async () => {
    const denying = await proxies.squid({ deny: true })
    agent.transport.set(via(denying.via))
    expect(await getErrorCode(agent.register(await token()))).toBe('PROXY_FORBIDDEN')
    await agent.deregister()
    const squid = await proxies.squid()
    agent.transport.set({ kind: 'proxy', url: `https://localhost:${await freePort()}`, via: squid.via })
    expect(await getErrorCode(agent.register(await token()))).toBe('PROXY_BAD_GATEWAY')
    await agent.deregister()
    agent.transport.set({ kind: 'proxy', url: 'https://unknown.invalid', via: squid.via })
    expect(await getErrorCode(agent.register(await token()))).toBe('PROXY_BAD_GATEWAY')
  })
})

describe('Apache httpd', () => {
  it('R-NET-3: works as a proxy, with and without a password', async () => {
    const open = await proxies.apache({ tunnelTo: port })
    agent.transport.set(via(open.via))
    await runLifecycle()
    const asking = await proxies.apache({ tunnelTo: port, users: USERS })
    agent.transport.set(via(asking.via))
    expect(await getErrorCode(agent.register(await token()))).toBe('PROXY_AUTHENTICATION_REQUIRED')
    await agent.deregister()
    agent.transport.set(via(asking.via, { username: user, password }))
    await runLifecycle()
  })

  it('R-NET-3: refuses a tunnel to a forbidden port', async () => {
    const apache = await proxies.apache({ tunnelTo: 1 })
    agent.transport.set(via(apache.via))
    expect(await getErrorCode(agent.register(await token()))).toBe('PROXY_FORBIDDEN')
  })

  it('R-NET-3: works as a proxy with TLS by the customer’s CA', async () => {
    const { ca, ...tls } = proxies.customerCa()
    const apache = await proxies.apache({ tunnelTo: port, users: USERS, tls })
    agent.transport.set(via(apache.via, { username: user, password }))
    expect(await getErrorCode(agent.register(await token()))).toBe('PROXY_TLS_FAILED')
    await agent.deregister()
    await agent.trust.installTlsCa(ca)
    await runLifecycle()
  })

  it('R-NET-2: works as a reverse proxy with its own certificate', async () => {
    const { ca, ...tls } = proxies.customerCa()
    const root = join(proxies.directory, 'root.pem')
    writeFileSync(root, authority.trustAnchor())
    const gateway = await proxies.apache({ relayTo: url, root, tls })
    agent.transport.set({ kind: 'gateway', url: gateway.url })
    // A device cannot distinguish an unknown gateway from a middlebox, so the error names the issuer.
    await expect(agent.register(await token())).rejects.toMatchObject({
      code: 'TLS_INSPECTED',
      message: expect.stringContaining('"Customer CA, Customer"') as string,
    })
    await agent.deregister()
    await agent.trust.installTlsCa(ca)
    await runLifecycle()
  })

  it('R-NET-5: serves devices by a proxy and a gateway beside a direct one, in one account', async () => {
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
    for (const device of made) {
      device.setUsage('HOST', 2)
      await device.register(await token())
    }
    expect(made.map((one) => one.status().state)).toEqual(['authorized', 'authorized', 'authorized'])
    expect(await authority.licenses.list()).toMatchObject([{ tag: 'HOST', inUse: 6 }])
    for (const device of made) {
      await device.deregister()
      await device.close()
    }
  })
})
