import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { edgeRouter, tunnels } from '../../examples/edge-router/tunnels.ts'
import { Authority } from '../../src/authority/index.ts'
import { type AgentClient, type ConnectOptions, SmartAgent } from '../../src/index.ts'
import { eventually } from '../support/eventually.ts'
import { createTestEnvironment, getErrorCode, type TestEnvironment } from '../support/test-environment.ts'

const DAY = 86_400_000

let world: TestEnvironment
let dataDir: string
const clients: AgentClient[] = []
beforeEach(async () => {
  world = await createTestEnvironment()
  dataDir = join(world.directory, 'device')
})
afterEach(async () => {
  vi.useRealTimers()
  for (const client of clients.splice(0)) await client.close()
  await world.close()
})

/** Opens an agent that serves its control socket. */
async function openServed(): Promise<SmartAgent> {
  const agent = await world.open()
  await agent.serve({ control: true })
  return agent
}

async function connect(options: ConnectOptions = {}) {
  const client = await SmartAgent.connect(dataDir, { clock: world.clock, ...options })
  clients.push(client)
  return client
}

const countOf = (agent: { status(): { entitlements: { tag: string; count: number }[] } }, tag = 'HOST') =>
  agent.status().entitlements.find((entitlement) => entitlement.tag === tag)?.count ?? 0

/** Resolves when a client has the connection. */
const reaches = (client: AgentClient, expected: 'connected' | 'disconnected') =>
  new Promise<void>((resolve) => {
    const stop = client.on('connection', (connection) => {
      if (connection !== expected) return
      stop()
      resolve()
    })
  })

describe('a client of an agent in another process (R-EMB-4)', () => {
  it('has the status of the agent at the beginning and after each change', async () => {
    const agent = await openServed()
    const client = await connect()
    expect(client.status()).toEqual(agent.status())
    const states: string[] = []
    client.on('state', ({ state }) => states.push(state))
    await agent.register(await world.token())
    await eventually(() => {
      expect(client.status()).toEqual(agent.status())
    })
    expect(states.at(-1)).toBe('authorized')
    await agent.module.hosts.assign('ann')
    await eventually(() => {
      expect(client.status().hosts?.assigned).toBe(1)
    })
  })

  it('answers `allows` as its agent does, in each license state', async () => {
    const agent = await openServed()
    const client = await connect()
    const compare = async () => {
      for (const action of ['meeting-start', 'host-assign', 'usage', 'license-register', 'anything']) {
        expect([action, client.allows(action)]).toEqual([action, agent.allows(action)])
        expect(await client.askAllows(action)).toEqual(agent.allows(action))
      }
    }
    await compare()
    world.clock.advance(91 * DAY)
    agent.tick()
    expect(agent.allows('meeting-start').allowed).toBe(false)
    await eventually(() => {
      expect(client.status().state).toBe('unregistered')
    })
    await compare()
    await client.register(await world.token())
    expect(agent.status().state).toBe('authorized')
    await compare()
    await agent.module.hosts.assign('ann')
    await client.renewAuthorization()
    expect(client.status().state).toBe('out-of-compliance')
    await compare()
  })

  it('stores an absolute count for all processes, and refuses what the agent refuses', async () => {
    const agent = await openServed()
    const [first, second] = [await connect(), await connect()]
    await first.setUsage('HOST', 3)
    expect(countOf(agent)).toBe(3)
    expect(countOf(first)).toBe(3)
    await second.setUsage('HOST', 1)
    expect(countOf(agent)).toBe(1)
    expect(await getErrorCode(first.setUsage('NONE', 1))).toBe('UNKNOWN_TAG')
    expect(await getErrorCode(first.setUsage('HOST', -1))).toBe('INVALID_ARGUMENT')
    expect(await getErrorCode(first.setUsage('HOST', 1.5))).toBe('INVALID_ARGUMENT')
    expect(countOf(agent)).toBe(1)
    const counts = Array.from({ length: 50 }, (_, i) => first.setUsage('HOST', i))
    await Promise.all(counts)
    expect(countOf(agent)).toBe(49)
  })

  it('makes the requests of its agent, and reads its explanation and history', async () => {
    const agent = await openServed()
    const client = await connect()
    await world.authority.orders.create({ tag: 'HOST', quantity: 5 })
    expect(await client.register(await world.token())).toMatchObject({ state: 'authorized' })
    expect(await getErrorCode(client.register(await world.token()))).toBe('ALREADY_REGISTERED')
    expect(await client.reregister(await world.token(), { force: true })).toMatchObject({
      state: 'authorized',
    })
    await client.setUsage('HOST', 2)
    await client.flushUsage()
    expect((await world.authority.instances.list())[0]?.entitlements).toMatchObject([
      { tag: 'HOST', count: 2 },
    ])
    expect(await client.renewRegistration()).toMatchObject({ state: 'authorized' })
    expect(await client.renewAuthorization()).toMatchObject({ state: 'authorized' })
    expect(await client.explain()).toEqual(agent.explain())
    expect(await client.history(3)).toEqual(agent.history(3))
    expect(await client.deregister()).toMatchObject({ state: 'evaluation' })
  })

  it('receives notices and transitions, once each', async () => {
    const agent = await openServed()
    const client = await connect()
    const notices: string[] = []
    const rows: number[] = []
    client.on('notice', ({ notice }) => notices.push(notice))
    client.on('transition', ({ id }) => rows.push(id))
    const before = agent.history(1)[0]?.id ?? 0
    await agent.register(await world.token())
    await eventually(() => {
      expect(rows).toEqual(agent.history(100, before).map(({ id }) => id))
    })
    expect(notices.filter((notice) => notice === 'AGENT_REG_SUCCESS')).toHaveLength(1)
  })

  it('continues when a listener fails', async () => {
    const agent = await openServed()
    const logged: string[] = []
    const ignore = () => undefined
    const client = await connect({
      logger: { error: (message) => logged.push(message), warn: ignore, info: ignore, debug: ignore },
    })
    client.on('state', () => {
      throw new Error('not ready')
    })
    await client.setUsage('HOST', 1)
    await client.setUsage('HOST', 2)
    expect(countOf(agent)).toBe(2)
    expect(logged).toEqual(['a listener failed', 'a listener failed'])
  })
})

describe('a client whose agent ends and starts again (R-EMB-4)', () => {
  it('connects again and receives what it missed', async () => {
    const agent = await openServed()
    const client = await connect()
    const notices: string[] = []
    const states: string[] = []
    client.on('notice', ({ notice }) => notices.push(notice))
    const lost = reaches(client, 'disconnected')
    await agent.close()
    await lost
    client.on('state', ({ state }) => states.push(state))
    const again = await world.open()
    await again.register(await world.token())
    const found = reaches(client, 'connected')
    await again.serve({ control: true })
    await found
    expect(client.status()).toEqual(again.status())
    expect(states).toEqual(['authorized'])
    expect(notices.filter((notice) => notice === 'AGENT_REG_SUCCESS')).toHaveLength(1)
  })

  it('keeps the newest count of each tag, and refuses other requests with DAEMON_UNREACHABLE', async () => {
    const agent = await openServed()
    const client = await connect()
    const lost = reaches(client, 'disconnected')
    await agent.close()
    await lost
    const stored = [client.setUsage('HOST', 5), client.setUsage('HOST', 2), client.setUsage('SYS-XL', 1)]
    for (const request of [
      () => client.explain(),
      () => client.flushUsage(),
      () => client.register('token'),
      () => client.askAllows('meeting-start'),
    ])
      expect(await getErrorCode(request())).toBe('DAEMON_UNREACHABLE')
    const again = await world.open()
    const counts: unknown[] = []
    again.on('transition', ({ event }) => {
      if (event.type === 'usage.changed') counts.push([event.tag, event.count])
    })
    await again.serve({ control: true })
    await Promise.all(stored)
    expect(counts).toEqual([
      ['HOST', 2],
      ['SYS-XL', 1],
    ])
  })

  it('repeats a count that was in flight when the agent ended', async () => {
    const agent = await openServed()
    const client = await connect()
    for (let round = 1; round <= 3; round++) {
      const stored = client.setUsage('HOST', round)
      await agent.close()
      const again = await openServed()
      await stored
      expect(countOf(again)).toBe(round)
      await again.close()
    }
    await openServed()
  })

  it('rejects a request in progress with DAEMON_UNREACHABLE or AGENT_CLOSED, and never repeats it', async () => {
    const agent = await openServed()
    const client = await connect()
    world.network.onAnswer = () => new Promise(() => undefined)
    const request = getErrorCode(client.register(await world.token()))
    await eventually(() => {
      expect(world.network.sent).toHaveLength(1)
    })
    await agent.close()
    expect(['DAEMON_UNREACHABLE', 'AGENT_CLOSED']).toContain(await request)
    world.network.onAnswer = (_, body) => body
    const again = await openServed()
    const found = reaches(client, 'connected')
    await found
    await again.idle()
    expect(again.history(100).filter(({ event }) => event === 'registration.start')).toHaveLength(1)
  })

  it('keeps the last policy until its deadline, and then allows license management only', async () => {
    const agent = await openServed()
    await agent.register(await world.token())
    const client = await connect()
    const deadline = Date.parse(agent.status().authorization.deadlineAt ?? '') - agent.now
    expect(deadline / DAY).toBeCloseTo(90, 0)
    world.clock.advance(deadline)
    // A client with an agent follows the agent, whatever the time.
    expect(client.allows('meeting-start').allowed).toBe(true)
    world.clock.advance(-deadline)
    await client.setUsage('HOST', 0)
    const lost = reaches(client, 'disconnected')
    await agent.close()
    await lost
    expect(client.allows('meeting-start')).toEqual({ allowed: true, reason: null })
    world.clock.advance(deadline - 60_000)
    expect(client.allows('meeting-start').allowed).toBe(true)
    expect(client.status().functionality).toBe('full')
    world.clock.advance(60_000)
    expect(client.allows('meeting-start')).toMatchObject({
      allowed: false,
      reason: 'The licensing agent of this product does not run, and its last policy has expired.',
    })
    expect(client.allows('license-register')).toEqual({ allowed: true, reason: null })
    expect(client.status()).toMatchObject({
      state: 'authorized',
      functionality: 'license-management-only',
      functionalityReason:
        'The licensing agent of this product does not run, and its last policy has expired.',
    })
  })

  it('keeps the policy of a reservation without terms for 90 days, and knows for how long', async () => {
    const agent = await openServed()
    await world.authority.orders.create({ tag: 'HOST', quantity: 1 })
    await world.authority.reservations.enable()
    const request = await agent.reservation.request()
    const { file } = await world.authority.reservations.reserve({ request, licenses: { HOST: 1 } })
    await agent.reservation.install(file)
    const client = await connect({ reconnect: false })
    expect(client.status().state).toBe('reserved')
    expect(client.getPolicyLifetimeMs()).toBe(90 * DAY)
    const lost = reaches(client, 'disconnected')
    await agent.close()
    await lost
    world.clock.advance(90 * DAY - 1)
    expect([client.getPolicyLifetimeMs(), client.allows('meeting-start').allowed]).toEqual([1, true])
    world.clock.advance(1)
    expect([client.getPolicyLifetimeMs(), client.allows('meeting-start').allowed]).toEqual([0, false])
    expect(client.allows('license-register').allowed).toBe(true)
  })

  it('stays disconnected with `reconnect: false`', async () => {
    const agent = await openServed()
    const client = await connect({ reconnect: false })
    const lost = reaches(client, 'disconnected')
    await agent.close()
    await lost
    await openServed()
    expect(await getErrorCode(client.explain())).toBe('DAEMON_UNREACHABLE')
  })
})

describe('connecting to an agent (R-EMB-4)', () => {
  it('fails with DAEMON_UNREACHABLE if none serves the directory in time', async () => {
    expect(await getErrorCode(connect({ timeoutMs: 0 }))).toBe('DAEMON_UNREACHABLE')
    await world.open()
    expect(await getErrorCode(connect({ timeoutMs: 200 }))).toBe('DAEMON_UNREACHABLE')
  })

  it('waits for an agent that starts later', async () => {
    const connected = connect({ timeoutMs: 60_000 })
    await openServed()
    expect((await connected).status().state).toBe('evaluation')
  })

  it('ends a connection to an agent that does not answer', async () => {
    const agent = await openServed()
    const update = await new Promise<string>((resolve) => {
      void import('../../src/agent/control.ts').then(async ({ connectToDaemon, onLines }) => {
        const socket = await connectToDaemon(dataDir)
        if (!socket) return
        onLines(socket, (line) => {
          resolve(line)
          socket.destroy()
        })
        socket.write('{"id":1,"verb":"subscribe","params":{"after":null}}\n')
      })
    })
    await agent.close()
    const sockets: Socket[] = []
    // Answers subscriptions, and nothing else.
    const server = createServer((socket) => {
      sockets.push(socket)
      socket.once('data', () => socket.write(`${update}\n`))
      socket.on('error', () => undefined)
    })
    server.listen(join(dataDir, 'agent.sock'))
    await once(server, 'listening')
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const client = await connect({ reconnect: false })
    const lost = reaches(client, 'disconnected')
    const request = getErrorCode(client.explain())
    for (let pings = 0; pings < 4; pings++) {
      world.clock.advance(10_000)
      vi.advanceTimersByTime(10_000)
    }
    await lost
    expect(await request).toBe('DAEMON_UNREACHABLE')
    for (const socket of sockets) socket.destroy()
    server.close()
  })

  it('ends with `close`: each later call is refused with AGENT_CLOSED, and the agent continues (R-EMB-6)', async () => {
    const agent = await openServed()
    const client = await connect()
    const stored = [client.setUsage('HOST', 1), client.setUsage('HOST', 2)]
    await client.close()
    await client.close()
    await Promise.all(stored)
    expect(countOf(agent)).toBe(2)
    const calls: (() => unknown)[] = [
      () => client.status(),
      () => client.allows('meeting-start'),
      () => client.askAllows('meeting-start'),
      () => client.setUsage('HOST', 3),
      () => client.explain(),
      () => client.on('state', () => undefined),
    ]
    for (const call of calls) expect(await getErrorCode(Promise.resolve().then(call))).toBe('AGENT_CLOSED')
    expect(countOf(agent)).toBe(2)
  })

  it('rejects counts that wait for an agent when the client closes', async () => {
    const agent = await openServed()
    const client = await connect()
    const lost = reaches(client, 'disconnected')
    await agent.close()
    await lost
    const stored = getErrorCode(client.setUsage('HOST', 1))
    await client.close()
    expect(await stored).toBe('AGENT_CLOSED')
  })
})

describe('the policy of a product with its own profile and module (R-EMB-4, R-EMB-8)', () => {
  it('reaches clients with the refusals of both', async () => {
    const { clock } = world
    const authorityDir = join(world.directory, 'edge-authority')
    const profile = {
      ...edgeRouter,
      module: { name: 'edge-tunnels', settings: { tag: 'EDGE-TUNNEL', maxTunnels: 2 } },
    }
    await Authority.init({
      dataDir: authorityDir,
      account: 'net.example',
      acceptAgreement: true,
      clock,
      profile,
    })
    const authority = await Authority.open({ dataDir: authorityDir, clock })
    dataDir = join(world.directory, 'router')
    const agent = await SmartAgent.open({
      dataDir,
      product: { pid: 'EDGE-9', version: '1.0', serial: 'R1' },
      profile,
      module: tunnels(),
      trust: authority.trustAnchor(),
      transport: { kind: 'direct', url: 'https://authority.test' },
      clock,
      heartbeat: false,
      createTransport: () => world.transport(authority),
    })
    await agent.serve({ control: true })
    const client = await connect()
    expect(client.allows('tunnel-open').allowed).toBe(true)
    await agent.module.open('east')
    await agent.module.open('west')
    const full = { allowed: false, reason: 'The router has 2 tunnels.' }
    expect(agent.allows('tunnel-open')).toEqual(full)
    await eventually(() => {
      expect(client.allows('tunnel-open')).toEqual(full)
    })
    await agent.module.close('west')
    await client.register((await authority.tokens.create({ days: 30 })).token)
    expect(client.status().state).toBe('out-of-compliance')
    expect(client.allows('tunnel-open')).toEqual(agent.allows('tunnel-open'))
    expect(client.allows('tunnel-open').reason).toMatch(/more tunnels are open than licensed/)
    await agent.close()
    await authority.close()
  })
})
