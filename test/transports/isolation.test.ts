import 'reflect-metadata'
import http, { createServer } from 'node:http'
import https from 'node:https'
import net, { type AddressInfo, connect, type Server, type Socket } from 'node:net'
import dns from 'node:dns'
import tls, { createServer as createTlsServer } from 'node:tls'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as x509 from '@peculiar/x509'
import axios, { AxiosHeaders } from 'axios'
import type { FastifyInstance } from 'fastify'
import { shutdown } from 'node-cron'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { createInterceptionCredential } from '../../mocks/network/interception-certificate.ts'
import { SmartAgent, type TransportSettings } from '../../src/index.ts'
import { TickScheduler } from '../../src/agent/tick-scheduler.ts'
import { Authority } from '../../src/authority/index.ts'
import { toTlsOptions } from '../../src/pki/certificate-generation.ts'

/** Host name with two addresses. The authority listens on the second. */
const TWO_ADDRESSES = 'two.test'
const asked = vi.hoisted(() => ({ orders: [] as unknown[] }))
vi.mock('node:dns', async (original) => {
  const real = await original<typeof dns>()
  const lookup = (host: string, options: { order?: string }, done: (...found: unknown[]) => void): void => {
    if (host !== TWO_ADDRESSES) {
      ;(real.lookup as (...given: unknown[]) => void)(host, options, done)
      return
    }
    asked.orders.push(options.order)
    done(null, [
      { address: '::1', family: 6 },
      { address: '127.0.0.1', family: 4 },
    ])
  }
  return { ...real, lookup }
})

/** Request as received by the authority, without the body, its length and the port. */
interface Arrived {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, unknown>>
}
const arrived: Arrived[] = []

let directory: string
let authority: Authority
let url: string
let proxy: Server
/** CONNECT requests received by the proxy. */
const tunnels: { target: string; headers: string[] }[] = []
let count = 0
const agents: SmartAgent[] = []
/** Functions that restore the state of the process after a test. */
const undo: (() => unknown)[] = []

const recorder = Object.assign(
  (server: FastifyInstance, _options: object, done: () => void) => {
    server.addHook('onRequest', (request, _reply, next) => {
      const { host: _host, 'content-length': _length, ...headers } = request.headers
      arrived.push({ method: request.method, url: request.url, headers })
      next()
    })
    done()
  },
  // The hook applies to the whole server, not to an encapsulated plugin.
  { [Symbol.for('skip-override')]: true },
)

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sla-isolation-'))
  const dataDir = join(directory, 'authority')
  await Authority.init({ dataDir, account: 'acme.example', acceptAgreement: true })
  authority = await Authority.open({ dataDir })
  await authority.orders.create({ tag: 'HOST', quantity: 1_000 })
  url = await authority.listen({
    host: '127.0.0.1',
    port: 0,
    names: ['localhost', TWO_ADDRESSES],
    routes: recorder as never,
  })
  const ends = new Set<Socket>()
  proxy = createServer()
  proxy.on('connect', ({ url: target = '', rawHeaders }, socket: Socket) => {
    tunnels.push({ target, headers: rawHeaders })
    const on = connect(Number(target.split(':').at(-1)), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      on.pipe(socket).pipe(on)
    })
    for (const end of [on, socket]) {
      ends.add(end)
      end.on('error', () => undefined).on('close', () => ends.delete(end))
    }
  })
  await new Promise<void>((resolve) => {
    proxy.listen(0, '127.0.0.1', resolve)
  })
  closeProxy = () => {
    for (const end of ends) end.destroy()
    proxy.close()
  }
})
let closeProxy = (): void => undefined
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
  for (const agent of agents.splice(0)) await agent.close()
})
afterAll(async () => {
  closeProxy()
  await authority.close()
  rmSync(directory, { recursive: true, force: true })
})

const direct = (to = url): TransportSettings => ({ kind: 'direct', url: to })
const byProxy = (scheme = 'http'): TransportSettings => ({
  kind: 'proxy',
  url,
  via: `${scheme}://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
})
const token = async () => (await authority.tokens.create({ days: 30 })).token

async function openAgent(transport = direct(), from: typeof SmartAgent = SmartAgent) {
  const agent = await from.open({
    dataDir: join(directory, `device-${++count}`),
    product: { pid: 'CWMS-K9', version: '4.0', serial: `ISOLATED-${count}` },
    trust: authority.trustAnchor(),
    transport,
    heartbeat: false,
  })
  agents.push(agent)
  return agent
}

/** Sets a property of a shared object until the end of the test. */
function set<T extends object, K extends keyof T>(owner: T, key: K, value: T[K]): void {
  const before = Object.getOwnPropertyDescriptor(owner, key)
  undo.push(() => {
    if (before) Object.defineProperty(owner, key, before)
    else Reflect.deleteProperty(owner, key)
  })
  Object.defineProperty(owner, key, { value, writable: true, configurable: true, enumerable: true })
}
function setVariable(name: string, value: string): void {
  const before = process.env[name]
  process.env[name] = value
  undo.push(() => {
    if (before === undefined) Reflect.deleteProperty(process.env, name)
    else process.env[name] = before
  })
}

/** Registers, reports usage and authorizes. Returns the received requests and the final status. */
async function course(agent: SmartAgent) {
  arrived.length = 0
  agent.setUsage('HOST', 2)
  await agent.register(await token())
  await agent.renewAuthorization()
  const { state, entitlements } = agent.status()
  return { state, entitlements, arrived: [...arrived] }
}
/** Result of an agent in a process without any configuration. */
let undisturbed: Awaited<ReturnType<typeof course>>
beforeAll(async () => {
  undisturbed = await course(await openAgent())
})

const refuse = () => {
  throw new Error('a process-wide setting was used')
}

describe('an axios configuration of the embedding product', () => {
  const bearer = { Authorization: 'Bearer of-the-product' }
  const settings: Record<string, unknown> = {
    auth: { username: 'product', password: 'secret' },
    params: { api_key: 'secret' },
    paramsSerializer: { serialize: () => 'api_key=secret' },
    timeout: 1,
    proxy: { host: '127.0.0.1', port: 9, protocol: 'http' },
    adapter: refuse,
    baseURL: 'https://127.0.0.1:9/product',
    allowAbsoluteUrls: true,
    responseType: 'text',
    responseEncoding: 'latin1',
    decompress: true,
    maxContentLength: 1,
    maxBodyLength: 1,
    maxRate: 1,
    maxRedirects: 5,
    validateStatus: () => false,
    transformRequest: [() => 'replaced'],
    transformResponse: [() => 'replaced'],
    beforeRedirect: refuse,
    transport: { request: refuse },
    httpAgent: new http.Agent(),
    httpsAgent: new https.Agent({ rejectUnauthorized: false }),
    httpVersion: 2,
    socketPath: '/nonexistent.sock',
    lookup: refuse,
    family: 6,
    insecureHTTPParser: true,
    signal: AbortSignal.abort(),
    cancelToken: { throwIfRequested: refuse, subscribe: refuse, unsubscribe: refuse, promise: null },
    withXSRFToken: true,
    onUploadProgress: refuse,
    onDownloadProgress: refuse,
    parseReviver: refuse,
  }
  const defaults = axios.defaults as unknown as Record<string, unknown>

  function configure(chosen: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(chosen)) set(defaults, name, value)
  }
  function configureAll(): void {
    configure(settings)
    const headers = axios.defaults.headers as unknown as Record<string, unknown>
    for (const kind of ['common', 'post']) set(headers, kind, { ...bearer, Cookie: 'session=1' })
    set(headers, 'X-Api-Key', 'secret')
    // The default object of the adapter, changed in place.
    const transitional = axios.defaults.transitional as Record<string, unknown>
    set(transitional, 'advertiseZstdAcceptEncoding', true)
    const request = axios.interceptors.request.use(refuse)
    const response = axios.interceptors.response.use(refuse, refuse)
    undo.push(() => {
      axios.interceptors.request.eject(request)
      axios.interceptors.response.eject(response)
    })
    const shared = axios as unknown as Record<string, unknown>
    for (const name of ['create', 'getAdapter', 'request', 'post', 'mergeConfig', 'isAxiosError'])
      set(shared, name, refuse)
    const prototype = axios.Axios.prototype as unknown as Record<string, unknown>
    for (const name of ['request', '_request', 'post']) set(prototype, name, refuse)
    set(shared, 'Axios', refuse)
  }

  it('does not change registration and authorization if it is set after the agent is opened', async () => {
    const agent = await openAgent()
    configureAll()
    expect(await course(agent)).toEqual(undisturbed)
    expect(undisturbed.state).toBe('authorized')
    expect(undisturbed.arrived.length).toBeGreaterThanOrEqual(3)
  })

  it('does not change registration and authorization if it is set before the agent is loaded', async () => {
    configureAll()
    vi.resetModules()
    const { SmartAgent: loadedLater } = await import('../../src/index.ts')
    expect(loadedLater).not.toBe(SmartAgent)
    expect(await course(await openAgent(direct(), loadedLater))).toEqual(undisturbed)
  })

  it('does not change requests through a proxy or CONNECT requests', async () => {
    configureAll()
    tunnels.length = 0
    expect(await course(await openAgent(byProxy()))).toEqual(undisturbed)
    expect(tunnels.length).toBeGreaterThan(0)
    for (const { target, headers } of tunnels) {
      expect(target).toBe(new URL(url).host)
      expect(headers.join(' ')).not.toMatch(/product|secret|authorization/i)
    }
  })

  describe('of a single setting', () => {
    let agent: SmartAgent
    let usual: Arrived[]
    beforeAll(async () => {
      agent = await openAgent()
      agents.length = 0
      await course(agent)
      usual = await authorizeAgain()
    })
    /** Sends one authorization with a new client. */
    const authorizeAgain = async () => {
      arrived.length = 0
      agent.transport.set(direct())
      await agent.renewAuthorization()
      return [...arrived]
    }
    afterAll(async () => {
      await agent.close()
    })

    it.each(Object.keys(settings))('does not change requests: axios.defaults.%s', async (name) => {
      configure({ [name]: settings[name] })
      expect(await authorizeAgain()).toEqual(usual)
    })

    it('does not change requests: a bearer token in the default headers', async () => {
      set(axios.defaults.headers as unknown as Record<string, unknown>, 'common', new AxiosHeaders(bearer))
      expect(await authorizeAgain()).toEqual(usual)
    })
  })
})

describe('other process-wide settings', () => {
  it('do not apply: http.globalAgent and https.globalAgent, direct or through a proxy', async () => {
    const [plainAgent, secureAgent] = [http.globalAgent, https.globalAgent]
    undo.push(() => {
      http.globalAgent = plainAgent
      https.globalAgent = secureAgent
    })
    http.globalAgent = Object.assign(new http.Agent(), { createConnection: refuse, addRequest: refuse })
    https.globalAgent = Object.assign(new https.Agent(), { createConnection: refuse, addRequest: refuse })
    expect(await course(await openAgent())).toEqual(undisturbed)
    expect(await course(await openAgent(byProxy()))).toEqual(undisturbed)
  })

  it('do not apply: proxy variables of the environment', async () => {
    for (const name of ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'ALL_PROXY', 'NODE_USE_ENV_PROXY'])
      setVariable(name, 'http://product:secret@127.0.0.1:9')
    expect(await course(await openAgent())).toEqual(undisturbed)
  })

  it('do not apply: defaults of dns and net, so that all addresses are tried in system order', async () => {
    const [order, select] = [dns.getDefaultResultOrder(), net.getDefaultAutoSelectFamily()]
    undo.push(() => {
      dns.setDefaultResultOrder(order)
      net.setDefaultAutoSelectFamily(select)
    })
    dns.setDefaultResultOrder('ipv6first')
    net.setDefaultAutoSelectFamily(false)
    asked.orders.length = 0
    const agent = await openAgent(direct(`https://${TWO_ADDRESSES}:${new URL(url).port}`))
    expect(await course(agent)).toEqual(undisturbed)
    expect(new Set(asked.orders)).toEqual(new Set(['verbatim']))
  })

  it('do not apply: defaults of tls for versions, ciphers and curves', async () => {
    set(tls, 'DEFAULT_MAX_VERSION', 'TLSv1.2')
    set(tls, 'DEFAULT_MIN_VERSION', 'TLSv1.2')
    set(tls, 'DEFAULT_CIPHERS', 'PSK-AES128-CBC-SHA')
    set(tls, 'DEFAULT_ECDH_CURVE', 'brainpoolP512r1')
    const agent = await openAgent()
    expect(await course(agent)).toEqual(undisturbed)
    const { steps } = await agent.transport.test()
    expect(steps.find(({ step }) => step === 'tls')?.found).toMatch(/^TLSv1\.3,/)
  })

  it('do not apply: NODE_TLS_REJECT_UNAUTHORIZED=0 and a replaced tls.checkServerIdentity', async () => {
    process.removeAllListeners('warning')
    setVariable('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    const identity = tls as { checkServerIdentity: typeof tls.checkServerIdentity }
    set(identity, 'checkServerIdentity', () => undefined)
    const untrustedServer = createTlsServer(toTlsOptions(await createInterceptionCredential(Date.now())))
    let heard = ''
    untrustedServer.on('secureConnection', (socket) =>
      socket.on('data', (data: Buffer) => (heard += data.toString())).on('error', () => undefined),
    )
    await new Promise<void>((resolve) => {
      untrustedServer.listen(0, '127.0.0.1', resolve)
    })
    undo.push(() => untrustedServer.close())
    const { port } = untrustedServer.address() as AddressInfo
    const here = await openAgent(direct(`https://127.0.0.1:${port}`))
    expect((await here.transport.test()).failure?.code).toMatch(/^TLS_/)
    const via = `https://127.0.0.1:${port}`
    const there = await openAgent({ kind: 'proxy', url, via, username: 'bob', password: 'secret' })
    expect((await there.transport.test()).failure?.code).toMatch(/^PROXY_/)
    expect(heard).toBe('')
  })

  it('do not apply: z.config, which changes no message and receives no input', async () => {
    const mistake = () =>
      openAgent().then(
        (agent) => agent,
        (error: unknown) => error,
      )
    const bad = () =>
      SmartAgent.open({
        dataDir: join(directory, 'never'),
        product: { pid: 'CWMS-K9', version: '4.0', serial: 7 as never },
      }).catch((error: unknown) => String(error))
    const before = await bad()
    expect(before).toContain('expected string, received number')
    const { customError, localeError, jitless } = z.config()
    undo.push(() => z.config({ customError, localeError, jitless }))
    const shown = vi.fn(() => 'something of the product')
    z.config({ jitless: true, customError: shown, localeError: shown })
    expect(await bad()).toBe(before)
    const agent = await mistake()
    expect(agent).not.toBeInstanceOf(Error)
    expect(await course(agent as SmartAgent)).toEqual(undisturbed)
    expect(shown).not.toHaveBeenCalled()
  })

  it('do not apply: cryptoProvider of @peculiar/x509', async () => {
    const before = x509.cryptoProvider.get()
    undo.push(() => {
      x509.cryptoProvider.set(before)
    })
    x509.cryptoProvider.set(new Proxy({}, { get: refuse }) as never)
    expect(await course(await openAgent())).toEqual(undisturbed)
  })

  it('do not apply: stopping all tasks of node-cron, after which ticks continue', async () => {
    vi.useFakeTimers()
    undo.push(() => vi.useRealTimers())
    let beats = 0
    const heartbeat = new TickScheduler(() => beats++)
    undo.push(() => {
      heartbeat.stop()
    })
    await shutdown()
    await vi.advanceTimersByTimeAsync(20_000)
    expect(beats).toBe(1)
    await vi.advanceTimersByTimeAsync(5 * 60_000)
    expect(beats).toBeGreaterThanOrEqual(5)
  })
})
