import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SmartAgent } from '../../src/index.ts'
import { DAY, MINUTE } from '../../src/core/time.ts'
import {
  getErrorCode,
  createTestEnvironment,
  advance,
  type TestEnvironment,
} from '../support/test-environment.ts'
import { copyDirectory } from '../../tools/copy-directory.ts'

let world: TestEnvironment
beforeEach(async () => {
  world = await createTestEnvironment()
  await world.authority.orders.create({ tag: 'HOST', quantity: 5 })
})
afterEach(async () => {
  await world.close()
})

const product = { pid: 'CWMS-K9', version: '4.0', serial: 'DEVICE' }
const copy = (from: string, to: string) => {
  copyDirectory(join(world.directory, from), join(world.directory, to))
}

describe('a copied device', () => {
  /** Opens a registered device and its copy. The copy has been found out. */
  const openDivergedCopy = async () => {
    const first = await world.open('device', { product })
    await first.register(await world.token())
    await first.close()
    copy('device', 'clone')
    const device = await world.open('device', { product })
    const clone = await world.open('clone', { product })
    clone.setUsage('HOST', 1)
    await device.renewAuthorization()
    expect(await getErrorCode(clone.renewAuthorization())).toBe('INSTANCE_DIVERGED')
    return { device, clone }
  }

  it('is detected as soon as both copies continue, raises an alert, and registers again', async () => {
    const { device, clone } = await openDivergedCopy()
    expect(await world.authority.operations.events.list()).toContainEqual(
      expect.objectContaining({ type: 'INSTANCE_DIVERGED', severity: 'major' }),
    )
    expect(clone.status()).toMatchObject({
      state: 'registered',
      functionality: 'full',
      registration: { status: 'registered', failure: { code: 'INSTANCE_DIVERGED' } },
      authorization: { status: 'not-authorized', lastAttempt: { reason: { code: 'INSTANCE_DIVERGED' } } },
      evaluation: { running: true },
    })
    await device.renewAuthorization()
    await clone.register(await world.token(), { force: true })
    expect(clone.status().state).toBe('authorized')
    expect(await getErrorCode(device.renewAuthorization())).toBe('INSTANCE_REPLACED')
    expect(await world.authority.instances.list()).toHaveLength(1)
  })

  it.each(['answers', 'does not answer'])(
    'has only license management after its deadline and evaluation, whether the authority %s, until it registers again',
    async (authority) => {
      const { device, clone } = await openDivergedCopy()
      world.network.down = authority === 'does not answer'
      const seen: string[] = []
      for (let day = 1; day <= 95; day++) {
        await advance(world, clone, DAY)
        const { functionality, evaluation } = clone.status()
        if (evaluation.remainingSeconds > 0) expect(functionality).toBe('full')
        seen.push(functionality)
      }
      expect([seen[88], seen[93]]).toEqual(['full', 'license-management-only'])
      expect(clone.status()).toMatchObject({
        functionalityReason: expect.stringContaining('Another copy of this device') as string,
        entitlements: [{ tag: 'HOST', count: 1, status: 'not-authorized' }],
      })
      expect(clone.explain().problems.map(({ code }) => code)).toContain('INSTANCE_DIVERGED')
      world.network.down = false
      await device.renewAuthorization()
      await clone.register(await world.token(), { force: true })
      expect(clone.status()).toMatchObject({
        state: 'authorized',
        functionality: 'full',
        registration: { failure: null },
      })
    },
  )

  it('asks again twice a day, because the authority may have been wrong, and says so after a restart', async () => {
    const { clone } = await openDivergedCopy()
    const { nextAttemptAt } = clone.status().authorization
    expect(Date.parse(nextAttemptAt ?? '') - world.clock.wall()).toBe(DAY / 2)
    world.network.sent.length = 0
    for (let hour = 0; hour < 48; hour++) await advance(world, clone, DAY / 24)
    // Each attempt is sent again with the last answer as proof.
    expect(world.network.sent.map(({ type }) => type)).toEqual(Array(8).fill('authorize'))
    await clone.close()
    const reopened = await world.open('clone', { product })
    expect(reopened.status().registration.failure).toMatchObject({ code: 'INSTANCE_DIVERGED' })
  })

  it('is also detected when restored from a copy of the day before', async () => {
    const agent = await world.open('device', { product })
    await agent.register(await world.token())
    await agent.close()
    copy('device', 'yesterday')
    const today = await world.open('device', { product })
    for (const count of [1, 2, 3]) {
      today.setUsage('HOST', count)
      await advance(world, today, MINUTE)
    }
    await today.close()
    const restored = await world.open('yesterday', { product })
    restored.setUsage('HOST', 5)
    expect(await getErrorCode(restored.renewAuthorization())).toMatch(/INSTANCE_DIVERGED|SEQUENCE_SUPERSEDED/)
    expect(restored.status().authorization.status).toBe('not-authorized')
    expect(await world.authority.licenses.list()).toMatchObject([{ inUse: 3 }])
  })
})

describe('the data directory of an agent', () => {
  it('continues in its state after a restart, whatever was in progress', async () => {
    let agent = await world.open()
    world.network.down = true
    await getErrorCode(agent.register(await world.token()))
    const { nextAttemptAt } = agent.status().registration
    await agent.close()
    agent = await world.open()
    expect(agent.status().registration).toMatchObject({ status: 'retrying', nextAttemptAt })
    world.network.down = false
    await advance(world, agent, DAY)
    expect(agent.status().state).toBe('authorized')
  })

  it('belongs to one device', async () => {
    await (await world.open('device', { product })).close()
    expect(await getErrorCode(world.open('device', { product: { ...product, serial: 'OTHER' } }))).toBe(
      'INVALID_ARGUMENT',
    )
  })

  it('is used by one process at a time', async () => {
    await world.open('device', { product })
    expect(await getErrorCode(world.open('device', { product }))).toBe('DATA_DIR_LOCKED')
  })

  it('is accessible only to its owner, with every file in it', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    const mode = (path: string) => statSync(join(world.directory, 'device', path)).mode & 0o777
    expect(mode('.')).toBe(0o700)
    expect(mode('agent.db')).toBe(0o600)
    expect(mode('secrets')).toBe(0o700)
  })

  it('is reported as missing if it contains no agent', async () => {
    expect(await getErrorCode(SmartAgent.open({ dataDir: join(world.directory, 'nothing') }))).toBe(
      'DATA_DIR_MISSING',
    )
  })

  it('has no secret in its database', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    await agent.renewRegistration()
    await agent.close()
    const database = readFileSync(join(world.directory, 'device', 'agent.db')).toString('latin1')
    expect(database).not.toMatch(/PRIVATE KEY/)
    expect(database).not.toMatch(/SLT1\./)
  })
})
