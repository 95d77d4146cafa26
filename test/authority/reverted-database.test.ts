import { join } from 'node:path'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Authority } from '../../src/authority/index.ts'
import type { SmartAgent } from '../../src/index.ts'
import { DAY, MINUTE } from '../../src/core/time.ts'
import { copyDirectory } from '../../tools/copy-directory.ts'
import { usesPostgres } from '../support/database.ts'
import { copyDatabase } from '../support/postgres.ts'
import {
  advance,
  createTestEnvironment,
  getErrorCode,
  type TestEnvironment,
} from '../support/test-environment.ts'

let world: TestEnvironment
let authority: Authority

beforeEach(async () => {
  world = await createTestEnvironment()
  authority = world.authority
  await authority.orders.create({ tag: 'HOST', quantity: 20 })
})
afterEach(async () => {
  await authority.close()
  await world.close()
})

const inDirectory = (name: string) => join(world.directory, name)
const openDevice = (name: string): Promise<SmartAgent> =>
  world.open(name, {
    createTransport: () => ({
      post: (...call) => world.transport(authority).post(...call),
      close: () => undefined,
    }),
  })
const registerDevice = async (name: string, count: number) => {
  const agent = await openDevice(name)
  agent.setUsage('HOST', count)
  await agent.register((await authority.tokens.create({ days: 365 })).token)
  return agent
}
const renewTwice = async (device: SmartAgent) => {
  for (let request = 1; request <= 2; request++) {
    world.clock.advance(MINUTE)
    await device.renewAuthorization()
  }
}
const listEventTypes = async () => (await authority.operations.events.list()).map(({ type }) => type)

/** Copies the database on PostgreSQL. On SQLite it is in the data directory. */
const copyPostgres = async (to: 'saved' | 'restored') => {
  if (!usesPostgres()) return
  const url = readFileSync(join(inDirectory('authority'), 'database.url'), 'utf8').trim()
  const [from, target] = to === 'saved' ? [url, `${url}_saved`] : [`${url}_saved`, url]
  await copyDatabase(from, target)
}

/** Closes the authority, and copies its data directory and its database. */
const takeSnapshot = async () => {
  await authority.close()
  copyDirectory(inDirectory('authority'), inDirectory('snapshot'))
  await copyPostgres('saved')
  authority = await Authority.open({ dataDir: inDirectory('authority'), clock: world.clock })
}
/** Sets the authority back to the snapshot, as a hypervisor does. */
const revert = async () => {
  await authority.close()
  renameSync(inDirectory('authority'), inDirectory(`gone-${Math.random()}`))
  copyDirectory(inDirectory('snapshot'), inDirectory('authority'))
  await copyPostgres('restored')
  authority = await Authority.open({ dataDir: inDirectory('authority'), clock: world.clock })
}

describe('an authority whose data directory was set back to a snapshot (R-OPS-2)', () => {
  it('notices it by the first device, starts an epoch, and calls none of its devices a copy', async () => {
    const devices = [
      await registerDevice('one', 1),
      await registerDevice('two', 2),
      await registerDevice('three', 3),
    ]
    await takeSnapshot()
    for (const device of devices) {
      await renewTwice(device)
    }
    await revert()
    world.clock.advance(DAY)
    for (const device of devices) {
      device.setUsage('HOST', 4)
      await device.renewAuthorization()
      expect(device.status()).toMatchObject({ state: 'authorized', registration: { failure: null } })
    }
    const types = await listEventTypes()
    expect(types.filter((type) => type === 'AUTHORITY_REVERTED')).toHaveLength(1)
    const alerts = (await authority.operations.alerts.list()).map(({ type }) => type)
    expect(alerts.filter((type) => type === 'authority-reverted')).toHaveLength(1)
    expect(alerts).not.toContain('instance-diverged')
    expect(await authority.licenses.list()).toMatchObject([{ quantity: 20, inUse: 12 }])
    for (const device of devices) await device.renewAuthorization()
  })

  it('takes back a device that registered since the snapshot, and one that renewed its certificate', async () => {
    const renewing = await registerDevice('renewing', 2)
    await takeSnapshot()
    world.clock.advance(DAY)
    await renewing.renewRegistration()
    const late = await registerDevice('late', 3)
    await revert()
    await late.renewAuthorization()
    expect(late.status().state).toBe('authorized')
    await renewing.renewAuthorization()
    expect(renewing.status().state).toBe('authorized')
    expect((await listEventTypes()).filter((type) => type === 'AUTHORITY_REVERTED')).toHaveLength(1)
    expect((await authority.instances.list()).map(({ udi, inReview }) => [udi.serial, inReview])).toEqual(
      expect.arrayContaining([
        ['LATE', true],
        ['RENEWING', false],
      ]),
    )
  })

  it('notices it by a device that renewed its certificate since, when no other device asks', async () => {
    const renewing = await registerDevice('renewing', 2)
    await takeSnapshot()
    world.clock.advance(DAY)
    await renewing.renewRegistration()
    await revert()
    await renewing.renewAuthorization()
    expect(renewing.status().state).toBe('authorized')
    expect(await listEventTypes()).toContain('AUTHORITY_REVERTED')
  })

  it('puts tokens in review, and ends the sessions of the snapshot', async () => {
    const device = await registerDevice('one', 1)
    const { token } = await authority.tokens.create({ days: 30 })
    await takeSnapshot()
    await renewTwice(device)
    await revert()
    await device.renewAuthorization()
    const other = await openDevice('other')
    expect(await getErrorCode(other.register(token))).toBe('TOKEN_IN_DOUBT')
  })

  it('goes back twice, also to before the epoch that it had started', async () => {
    const device = await registerDevice('one', 1)
    await takeSnapshot()
    for (let round = 0; round < 2; round++) {
      await renewTwice(device)
      await revert()
      world.clock.advance(MINUTE)
      await device.renewAuthorization()
      expect(device.status().state).toBe('authorized')
      expect(await listEventTypes()).toContain('AUTHORITY_REVERTED')
    }
  })

  it('notices it by its file when only the database went back, before any device asks', async () => {
    const device = await registerDevice('one', 1)
    const serve = () => authority.listen({ host: '127.0.0.1', port: 0 })
    const mark = join(inDirectory('authority'), 'issued-mark.json')
    await takeSnapshot()
    world.clock.advance(MINUTE)
    await device.renewAuthorization()
    await serve()
    const kept = readFileSync(mark)
    await revert()
    writeFileSync(mark, kept, { mode: 0o600 })
    await serve()
    expect(await listEventTypes()).toContain('AUTHORITY_REVERTED')
    // The file is up to date, so a restart starts no further epoch.
    await authority.close()
    authority = await Authority.open({ dataDir: inDirectory('authority'), clock: world.clock })
    await serve()
    expect((await listEventTypes()).filter((type) => type === 'AUTHORITY_REVERTED')).toHaveLength(1)
  })

  it('still tells a copy of a device from the device, before and after', async () => {
    const first = await registerDevice('device', 1)
    await first.renewAuthorization()
    await first.close()
    copyDirectory(inDirectory('device'), inDirectory('copy'))
    const device = await openDevice('device')
    const copy = await world.open('copy', {
      product: { pid: 'CWMS-K9', version: '4.0', serial: 'DEVICE' },
      createTransport: () => ({
        post: (...call) => world.transport(authority).post(...call),
        close: () => undefined,
      }),
    })
    await device.renewAuthorization()
    expect(await getErrorCode(copy.renewAuthorization())).toMatch(/INSTANCE_DIVERGED|SEQUENCE_SUPERSEDED/)
    expect(await listEventTypes()).not.toContain('AUTHORITY_REVERTED')
    await takeSnapshot()
    await renewTwice(device)
    await revert()
    await device.renewAuthorization()
    expect(await listEventTypes()).toContain('AUTHORITY_REVERTED')
    await advance(world, copy, DAY)
    expect(copy.status().authorization.status).toBe('not-authorized')
    expect(device.status().state).toBe('authorized')
  })
})
