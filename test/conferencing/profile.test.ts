import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defineProfile, LicensingError, type ProfileInput } from '../../src/index.ts'
import { Authority } from '../../src/authority/index.ts'
import {
  getErrorCode,
  createTestEnvironment,
  advance,
  type TestEnvironment,
} from '../support/test-environment.ts'

/** Profile of a router, licensed by throughput and tunnels, without any conferencing feature. */
const router: ProfileInput = {
  name: 'router',
  tags: [
    { tag: 'GBIT', name: 'Throughput', description: 'One gigabit per second' },
    { tag: 'TUNNEL', name: 'Tunnel', description: 'One encrypted tunnel' },
  ],
  periods: { evaluationSeconds: 30 * 86_400, authorizationRenewal: 7 * 86_400_000 },
  policies: {
    deniedActions: {
      'out-of-compliance': {
        actions: ['tunnel-open'],
        reason: 'No tunnels are opened while more is used than was bought.',
      },
    },
  },
  skus: [{ sku: 'RT-GBIT-10', description: 'Ten gigabits', grants: { kind: 'licenses', tag: 'GBIT' } }],
}

let world: TestEnvironment
beforeEach(async () => {
  world = await createTestEnvironment()
})
afterEach(() => world.close())

describe('a product profile', () => {
  it('R-UI-3: of another product has its own tags, periods, policies and SKUs, and no hosts or sizes', async () => {
    const dataDir = join(world.directory, 'routers')
    await Authority.init({
      dataDir,
      account: 'net.example',
      acceptAgreement: true,
      clock: world.clock,
      profile: router,
    })
    const authority = await Authority.open({ dataDir, clock: world.clock })
    try {
      const agent = await world.open('router', {
        profile: router,
        product: { pid: 'RT-9', version: '1.0', serial: 'R1' },
        trust: authority.trustAnchor(),
        createTransport: () => world.transport(authority),
      })
      expect(agent.status().evaluation.remainingSeconds).toBeLessThanOrEqual(30 * 86_400)
      expect(await getErrorCode(Promise.resolve().then(() => agent.setUsage('HOST', 1)))).toBe('UNKNOWN_TAG')
      expect(() => agent.module.system.show()).toThrow(LicensingError)
      expect(await getErrorCode(authority.orders.create({ tag: 'HOST', quantity: 1 }))).toBe('UNKNOWN_TAG')
      await authority.orders.create({ sku: 'RT-GBIT-10', quantity: 10 })
      await agent.register((await authority.tokens.create({ days: 30 })).token)
      agent.setUsage('GBIT', 12)
      await advance(world, agent, 60_000)
      expect(agent.status()).toMatchObject({
        state: 'out-of-compliance',
        entitlements: [{ tag: 'GBIT', name: 'Throughput', count: 12, status: 'out-of-compliance' }],
      })
      expect(agent.allows('tunnel-open')).toEqual({
        allowed: false,
        reason: 'No tunnels are opened while more is used than was bought.',
      })
      expect(agent.allows('packet-forward').allowed).toBe(true)
      agent.setUsage('GBIT', 10)
      await agent.flushUsage()
      expect(agent.allows('tunnel-open').allowed).toBe(true)
      expect(agent.status().authorization.nextAttemptAt).toBe(
        new Date(world.clock.wall() + 7 * 86_400_000).toISOString(),
      )
    } finally {
      await authority.close()
    }
  })

  it.each([
    ['no tags', { ...router, tags: [] }],
    ['a tag twice', { ...router, tags: [...router.tags, ...router.tags] }],
    ['an invalid tag', { ...router, tags: [{ tag: 'g bit', name: 'x', description: '' }] }],
    [
      'a SKU for an unknown tag',
      {
        ...router,
        skus: [{ sku: 'X', description: 'x', grants: { kind: 'licenses' as const, tag: 'NONE' } }],
      },
    ],
    ['a usage report delay of more than a minute', { ...router, periods: { usageReportDelay: 120_000 } }],
    ['an unknown member', { ...router, color: 'green' }],
  ])('with %s is refused with the reason', (_, profile) => {
    expect(() => defineProfile(profile)).toThrow(LicensingError)
    expect(() => defineProfile(profile)).toThrow(/product profile cannot be used/)
  })
})
