import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SmartAgent } from '../../src/index.ts'
import { Authority } from '../../src/authority/index.ts'
import { DAY } from '../../src/core/time.ts'
import { VirtualClock } from '../../mocks/virtual-clock.ts'
import { createGoldenAuthority, writeGolden } from '../support/golden.ts'
import { isHeartbeatOn } from '../support/heartbeat.ts'
import { createTestEnvironment } from '../support/test-environment.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sla-'))
})
afterAll(() => {
  rmSync(directory, { recursive: true, force: true })
})

// Run once for each new data version, before its release: WRITE_GOLDEN=1 npx vitest run --project quick test/authority/golden.test.ts
if (process.env.WRITE_GOLDEN === '1')
  it('writes the golden files of this data version', async () => {
    const world = await createTestEnvironment()
    const { authority } = world
    await authority.orders.create({ tag: 'HOST', quantity: 10 })
    const { token } = await authority.tokens.create({ days: 365, description: 'golden' })
    const agent = await world.open('golden')
    agent.setUsage('HOST', 3)
    await agent.register(token)
    await authority.security.audit.record({
      who: 'ann',
      address: 'local',
      action: 'token create',
      subject: 'Default: golden',
      outcome: 'done',
    })
    await authority.security.audit.checkpoint()
    await agent.close()
    await authority.close()
    writeGolden(join(world.directory, 'authority'))
  })

describe('an authority of data version 1', () => {
  it('opens with its data and registers another device', async () => {
    const dataDir = createGoldenAuthority(directory)
    const clock = new VirtualClock()
    clock.advance(DAY)
    const authority = await Authority.open({ dataDir, clock })
    expect(await authority.licenses.list()).toMatchObject([{ tag: 'HOST', inUse: 3 }])
    expect(await authority.instances.list()).toMatchObject([{ udi: { serial: 'GOLDEN' } }])
    expect(await authority.security.audit.verify()).toMatchObject({
      from: 1,
      to: 1,
      checkpoints: { checked: 1 },
    })
    const [token] = await authority.tokens.list()
    expect(token).toMatchObject({ description: 'golden', uses: 1 })
    const agent = await SmartAgent.open({
      dataDir: join(directory, 'device'),
      product: { pid: 'CWMS-K9', version: '4.0', serial: 'OTHER' },
      trust: authority.trustAnchor(),
      transport: { kind: 'direct', url: 'https://authority.test' },
      clock,
      heartbeat: isHeartbeatOn(),
      createTransport: () => ({
        post: async (path, body) =>
          JSON.stringify(
            await authority.operations.endpoint.handle(
              path.split('/').at(-1) as 'register',
              JSON.parse(body),
            ),
          ),
        close: () => undefined,
      }),
    })
    await agent.register((await authority.tokens.create({ days: 30 })).token)
    expect(agent.status().state).toBe('authorized')
    await agent.close()
    await authority.close()
  })
})
