import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setupServer } from 'msw/node'
import { expect, it } from 'vitest'
import { createMockAuthority } from '../../mocks/index.ts'
import { VirtualClock } from '../../mocks/virtual-clock.ts'
import { defineProfile, SmartAgent } from '../../src/index.ts'

it('a mock authority licenses the tags and SKUs of the product that is tested (R-EMB-2)', async () => {
  const profile = defineProfile({
    name: 'router',
    tags: [{ tag: 'GBIT' }, { tag: 'TUNNEL' }],
    skus: [{ sku: 'RT-GBIT', description: 'One gigabit', grants: { kind: 'licenses', tag: 'GBIT' } }],
  })
  const clock = new VirtualClock()
  const mock = await createMockAuthority({ clock, profile })
  const server = setupServer(...mock.handlers)
  server.listen({ onUnhandledRequest: 'error' })
  const dataDir = mkdtempSync(join(tmpdir(), 'sla-'))
  try {
    await mock.authority.orders.create({ sku: 'RT-GBIT', quantity: 2 })
    const agent = await SmartAgent.open({
      dataDir,
      product: { pid: 'RT-9', serial: 'R1', version: '1.0' },
      profile,
      clock,
      heartbeat: false,
      trust: mock.trustAnchor,
      transport: { kind: 'direct', url: mock.url },
    })
    agent.setUsage('GBIT', 2)
    await agent.register((await mock.authority.tokens.create({ days: 30 })).token)
    expect(agent.status()).toMatchObject({
      state: 'authorized',
      entitlements: [{ tag: 'GBIT', count: 2, status: 'in-compliance' }],
    })
    agent.setUsage('TUNNEL', 1)
    await agent.flushUsage()
    expect(agent.status().state).toBe('out-of-compliance')
    await agent.close()
  } finally {
    server.close()
    await mock.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
})
