import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { conferencingProfile } from '../../src/conferencing/index.ts'
import { defineProfile, type ProfileInput, SmartAgent } from '../../src/index.ts'
import { Authority } from '../../src/authority/index.ts'
import { getErrorCode, createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'

const DAY_SECONDS = 86_400
/** Profile of a product without any conferencing feature. */
const router: ProfileInput = {
  name: 'router',
  tags: [
    { tag: 'GBIT', name: 'Throughput', description: 'One gigabit per second' },
    { tag: 'TUNNEL', name: 'Tunnel', description: 'One encrypted tunnel' },
  ],
  policies: {
    deniedActions: { 'out-of-compliance': { actions: ['tunnel-open'], reason: 'Too many tunnels.' } },
  },
}
/** Profile of the next release of the same product, with one more tag. */
const nextRouter: ProfileInput = {
  ...router,
  tags: [...router.tags, { tag: 'PORT', name: 'Port', description: 'One port' }],
}

let world: TestEnvironment
beforeEach(async () => {
  world = await createTestEnvironment()
})
afterEach(() => world.close())

const notices = (agent: SmartAgent): string[] =>
  agent
    .history(1000)
    .flatMap((row) => (JSON.parse(row.notices) as { notice: string }[]).map(({ notice }) => notice))
const counts = (agent: SmartAgent): Record<string, number> =>
  Object.fromEntries(agent.status().entitlements.map(({ tag, count }) => [tag, count]))

describe('R-UI-3: the stored profile of an agent', () => {
  it('applies with its tags and policies when the agent is opened without a profile', async () => {
    const dataDir = join(world.directory, 'routers')
    const { clock } = world
    await Authority.init({ dataDir, account: 'net.example', acceptAgreement: true, clock, profile: router })
    const authority = await Authority.open({ dataDir, clock })
    try {
      await authority.orders.create({ tag: 'TUNNEL', quantity: 2 })
      const options = { createTransport: () => world.transport(authority), trust: authority.trustAnchor() }
      const product = await world.open('router', { ...options, profile: router })
      product.setUsage('TUNNEL', 5)
      await product.register((await authority.tokens.create({ days: 30 })).token)
      expect(product.status().state).toBe('out-of-compliance')
      await product.close()
      const inUse = async () => (await authority.instances.list())[0]?.entitlements
      const before = await inUse()
      const other = await world.open('router', options)
      await other.renewAuthorization()
      expect(other.status().state).toBe('out-of-compliance')
      expect(counts(other)).toEqual({ TUNNEL: 5 })
      expect(other.allows('tunnel-open')).toEqual({ allowed: false, reason: 'Too many tunnels.' })
      expect(await inUse()).toEqual(before)
    } finally {
      await authority.close()
    }
  })

  it('does not change when the agent is opened with another profile, which is refused', async () => {
    const agent = await world.open('device', { profile: router })
    agent.setUsage('TUNNEL', 5)
    const before = agent.history(1000)
    await agent.close()
    for (const profile of [conferencingProfile, nextRouter])
      expect(await getErrorCode(world.open('device', { profile }))).toBe('PROFILE_MISMATCH')
    const again = await world.open('device', { profile: router })
    expect(counts(again)).toEqual({ TUNNEL: 5 })
    expect(notices(again)).not.toContain('PROFILE_REPLACED')
    expect(again.history(1000).slice(0, before.length)).toEqual(before)
  })

  it('is compared with a profile of the same name, and the differing parts are named', async () => {
    await (await world.open('device', { profile: router })).close()
    await expect(world.open('device', { profile: nextRouter })).rejects.toThrow(
      'The data directory belongs to the product profile router, version 1, and was opened with another profile with that name, which differs in tags.',
    )
  })

  it('is replaced with `replaceProfile`, which is recorded in the history', async () => {
    const agent = await world.open('device', { profile: router })
    agent.setUsage('TUNNEL', 5)
    await agent.close()
    const replaced = await world.open('device', { profile: nextRouter, replaceProfile: true })
    replaced.setUsage('PORT', 3)
    expect(counts(replaced)).toEqual({ TUNNEL: 5, PORT: 3 })
    expect(notices(replaced).filter((notice) => notice === 'PROFILE_REPLACED')).toHaveLength(1)
    await replaced.close()
    const again = await world.open('device', { profile: nextRouter, replaceProfile: true })
    expect(notices(again).filter((notice) => notice === 'PROFILE_REPLACED')).toHaveLength(1)
    await again.close()
    expect(counts(await world.open('device'))).toEqual({ TUNNEL: 5, PORT: 3 })
  })

  it('keeps a tag in use: its replacement is refused until the usage is 0', async () => {
    const agent = await world.open('device', { profile: nextRouter })
    agent.setUsage('PORT', 3)
    await agent.close()
    const replacing = () => world.open('device', { profile: router, replaceProfile: true })
    expect(await getErrorCode(replacing())).toBe('PROFILE_TAG_IN_USE')
    const kept = await world.open('device')
    expect(counts(kept)).toEqual({ PORT: 3 })
    kept.setUsage('PORT', 0)
    await kept.close()
    expect(counts(await replacing())).toEqual({})
  })

  it('R-EVAL-1: cannot be replaced to extend an evaluation, with any sequence of periods', async () => {
    const evaluating = (days: number): ProfileInput => ({
      ...router,
      periods: { evaluationSeconds: days * DAY_SECONDS },
    })
    const left = async (profile: ProfileInput) => {
      const agent = await world.open('device', { profile, replaceProfile: true })
      const { remainingSeconds } = agent.status().evaluation
      await agent.close()
      return remainingSeconds / DAY_SECONDS
    }
    expect(await left(evaluating(30))).toBeCloseTo(30, 1)
    expect(await left(evaluating(90))).toBeCloseTo(30, 1)
    expect(await left(evaluating(10))).toBeLessThanOrEqual(10)
    const least = await left(evaluating(10))
    for (const days of [90, 10, 400, 20]) expect(await left(evaluating(days))).toBeLessThanOrEqual(least)
  })
})

describe('R-UI-3: the stored profile of an authority', () => {
  const make = async () => {
    const dataDir = join(world.directory, 'routers')
    const { clock } = world
    await Authority.init({ dataDir, account: 'net.example', acceptAgreement: true, clock, profile: router })
    return (more: Partial<Parameters<typeof Authority.open>[0]> = {}) =>
      Authority.open({ dataDir, clock, ...more })
  }

  it('applies when the authority is opened without a profile', async () => {
    const open = await make()
    const authority = await open()
    await authority.orders.create({ tag: 'TUNNEL', quantity: 2 })
    expect(await getErrorCode(authority.orders.create({ tag: 'HOST', quantity: 2 }))).toBe('UNKNOWN_TAG')
    await authority.close()
  })

  it('refuses another profile, and is replaced with `replaceProfile`, which is logged', async () => {
    const open = await make()
    expect(await getErrorCode(open({ profile: nextRouter }))).toBe('PROFILE_MISMATCH')
    const authority = await open({ profile: nextRouter, replaceProfile: true })
    await authority.orders.create({ tag: 'PORT', quantity: 1 })
    expect((await authority.operations.events.list({})).map(({ type }) => type)).toContain('PROFILE_REPLACED')
    await authority.close()
    expect(await getErrorCode(open({ profile: router, replaceProfile: true }))).toBe('PROFILE_TAG_IN_USE')
  })
})

describe('the type of a profile', () => {
  it('has the tags of `defineProfile`, so that an agent accepts no other tag (R-EMB-2)', async () => {
    const profile = defineProfile({ name: 'router', tags: [{ tag: 'GBIT' }, { tag: 'TUNNEL' }] })
    const agent = await SmartAgent.open({
      dataDir: join(world.directory, 'typed'),
      product: { pid: 'RT-9', serial: 'R1', version: '1.0' },
      clock: world.clock,
      heartbeat: false,
      profile,
    })
    try {
      agent.setUsage('TUNNEL', 1)
      // @ts-expect-error The profile has no such tag.
      const setUnknown = () => agent.setUsage('TUNNELS', 1)
      expect(setUnknown).toThrow('Its tags are GBIT, TUNNEL.')
      expect(counts(agent)).toEqual({ TUNNEL: 1 })
    } finally {
      await agent.close()
    }
  })

  it('has them too where `defineProfile` is called within the options of `open` (R-EMB-2)', async () => {
    const agent = await SmartAgent.open({
      dataDir: join(world.directory, 'inline'),
      product: { pid: 'RT-9', serial: 'R1', version: '1.0' },
      clock: world.clock,
      heartbeat: false,
      profile: defineProfile({ name: 'router', tags: [{ tag: 'TUNNEL' }] }),
    })
    // @ts-expect-error The profile has no such tag.
    expect(() => agent.setUsage('TUNNELS', 1)).toThrow('Its tags are TUNNEL.')
    await agent.close()
  })
})
