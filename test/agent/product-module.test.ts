import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { edgeRouter, tunnels } from '../../examples/edge-router/tunnels.ts'
import { findCommand } from '../../src/agent/control-commands.ts'
import { AgentStore } from '../../src/agent/store.ts'
import { Authority } from '../../src/authority/index.ts'
import { type OpenOptions, SmartAgent } from '../../src/index.ts'
import { getErrorCode, createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'

let world: TestEnvironment
let authority: Authority
beforeEach(async () => {
  world = await createTestEnvironment()
  const dataDir = join(world.directory, 'edge-authority')
  const { clock } = world
  await Authority.init({ dataDir, account: 'net.example', acceptAgreement: true, clock, profile: edgeRouter })
  authority = await Authority.open({ dataDir, clock })
})
afterEach(async () => {
  await authority.close()
  await world.close()
})

const options = () =>
  ({
    dataDir: join(world.directory, 'router'),
    trust: authority.trustAnchor(),
    transport: { kind: 'direct', url: 'https://authority.test' },
    clock: world.clock,
    heartbeat: false,
    createTransport: () => world.transport(authority),
  }) satisfies Partial<OpenOptions>
const openRouter = () =>
  SmartAgent.open({
    ...options(),
    product: { pid: 'EDGE-9', version: '1.0', serial: 'R1' },
    module: tunnels(),
  })
const countOf = (agent: { status(): { entitlements: { tag: string; count: number }[] } }) =>
  agent.status().entitlements.find(({ tag }) => tag === 'EDGE-TUNNEL')?.count ?? 0

describe('a product with its own module (R-EMB-8)', () => {
  it('counts in its own table and has its own part of the Status document', async () => {
    const agent = await openRouter()
    await agent.module.open('east')
    await agent.module.open('west')
    await agent.module.open('west')
    expect(agent.status()).toMatchObject({
      product: { pid: 'EDGE-9', version: '1.0', serial: 'R1' },
      tunnels: { open: 2, max: 1000 },
      entitlements: [{ tag: 'EDGE-TUNNEL', count: 2 }],
    })
    expect(Object.keys(agent.status().product)).toEqual(['pid', 'serial', 'version'])
    expect(agent.status()).not.toHaveProperty('hosts')
    expect(await agent.module.close('east')).toBe(true)
    expect(countOf(agent)).toBe(1)
    await agent.close()
    const again = await openRouter()
    expect(again.module.list()).toMatchObject([{ peer: 'west' }])
    expect(countOf(again)).toBe(1)
    await again.close()
  })

  it('reports the sum of declared and counted usage to the authority', async () => {
    const agent = await openRouter()
    await authority.orders.create({ tag: 'EDGE-TUNNEL', quantity: 5 })
    await agent.module.open('east')
    agent.setUsage('EDGE-TUNNEL', 3)
    await agent.register((await authority.tokens.create({ days: 30 })).token)
    expect(agent.status()).toMatchObject({ state: 'authorized' })
    expect(countOf(agent)).toBe(4)
    expect((await authority.instances.list())[0]?.entitlements).toMatchObject([
      { tag: 'EDGE-TUNNEL', count: 4 },
    ])
    await agent.close()
  })

  it('refuses actions that its policy or its module denies', async () => {
    const agent = await openRouter()
    await agent.module.open('east')
    await agent.register((await authority.tokens.create({ days: 30 })).token)
    expect(agent.status().state).toBe('out-of-compliance')
    expect(await getErrorCode(agent.module.open('west'))).toBe('POLICY_REFUSED')
    expect(agent.allows('tunnel-open').allowed).toBe(false)
    expect(agent.usage.denials()).toMatchObject([{ what: 'open a tunnel', code: 'POLICY_REFUSED' }])
    expect(agent.module.list()).toHaveLength(1)
    await agent.close()
  })

  it('rolls back row and count of an operation that could not be written', async () => {
    const agent = await openRouter()
    const write = vi.spyOn(AgentStore.prototype, 'write').mockImplementation(() => {
      throw Object.assign(new Error('full'), { code: 'SQLITE_FULL' })
    })
    expect(await getErrorCode(agent.module.open('east'))).toBe('STORE_FULL')
    write.mockRestore()
    expect(agent.module.list()).toEqual([])
    expect(countOf(agent)).toBe(0)
    await agent.module.open('east')
    expect(countOf(agent)).toBe(1)
    await agent.close()
  })

  it('runs the commands of its module with validated parameters', async () => {
    const agent = await openRouter()
    const call = (name: string, params: unknown = {}) =>
      Promise.resolve().then(() => findCommand(agent as never, name).call(params))
    expect(await call('tunnel-open', { peer: 'east' })).toMatchObject({ peer: 'east' })
    expect(await call('tunnel-list')).toMatchObject({ tunnels: [{ peer: 'east' }] })
    expect(await getErrorCode(call('tunnel-open', { peer: '' }))).toBe('INVALID_ARGUMENT')
    expect(await getErrorCode(call('host-list'))).toBe('USAGE')
    expect(await getErrorCode(call('nonsense'))).toBe('USAGE')
    await agent.close()
  })
})

describe('a program without the module of the product', () => {
  it('reports the counts that were stored last, and does not change them', async () => {
    const agent = await openRouter()
    await authority.orders.create({ tag: 'EDGE-TUNNEL', quantity: 1 })
    await agent.module.open('east')
    await agent.module.open('west')
    agent.setUsage('EDGE-GBIT', 1)
    await agent.close()
    const other = await SmartAgent.open(options())
    expect(countOf(other)).toBe(2)
    await other.register((await authority.tokens.create({ days: 30 })).token)
    expect(other.status().state).toBe('out-of-compliance')
    other.setUsage('EDGE-TUNNEL', 1)
    expect(countOf(other)).toBe(3)
    await other.close()
    const again = await openRouter()
    expect(countOf(again)).toBe(3)
    await again.module.close('east')
    expect(countOf(again)).toBe(2)
    await again.close()
  })

  it('refuses the commands of the module with MODULE_UNAVAILABLE', async () => {
    await (await openRouter()).close()
    const other = await SmartAgent.open(options())
    for (const name of ['tunnel-open', 'host-list', 'system-show'])
      expect(
        await getErrorCode(Promise.resolve().then(() => findCommand(other, name).call({ peer: 'x' }))),
      ).toBe('MODULE_UNAVAILABLE')
    expect(await getErrorCode(Promise.resolve().then(() => other.module))).toBe('MODULE_UNAVAILABLE')
    expect(other.status()).not.toHaveProperty('hosts')
    expect(other.status()).not.toHaveProperty('tunnels')
    await other.close()
  })
})

it('refuses to open a product with invalid module settings, and leaves no data behind', async () => {
  const wrong = { ...edgeRouter, module: { name: 'edge-tunnels', settings: { tag: 'NONE', maxTunnels: 1 } } }
  const open = (profile: typeof edgeRouter) =>
    SmartAgent.open({
      ...options(),
      product: { pid: 'EDGE-9', version: '1.0', serial: 'R1' },
      module: tunnels(),
      profile,
    })
  expect(await getErrorCode(open(wrong))).toBe('INVALID_ARGUMENT')
  const agent = await open(edgeRouter)
  expect(agent.module.list()).toEqual([])
  await agent.close()
})
