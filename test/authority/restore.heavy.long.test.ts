import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect } from 'vitest'
import type { SmartAgent } from '../../src/index.ts'
import { Authority, restoreAuthority } from '../../src/authority/index.ts'
import { tablesForVersion } from '../../src/authority/backup/dump.ts'
import { DATA_VERSION } from '../../src/authority/store/migrations/index.ts'
import { DAY } from '../../src/core/time.ts'
import { createSatelliteEnvironment } from '../support/satellite.ts'
import { createDatabaseOptions } from '../support/database.ts'
import { runStored, listStoredTables } from '../support/stored.ts'
import { getErrorCode, createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(3)

const PASSPHRASE = 'correct horse battery'
const RENEWAL = 31 * DAY
const KINDS = ['register', 'report', 'renew', 'deregister', 'backup'] as const
let world: TestEnvironment
/** The current manager. The transport of every device leads to it. */
let manager: Authority
let restores = 0

const openDevice = (name: string) =>
  world.open(name, {
    createTransport: () => ({
      post: (path, body) => world.transport(manager).post(path, body),
      close: () => undefined,
    }),
  })
const register = async (name: string, count: number) => {
  const agent = await openDevice(name)
  agent.setUsage('HOST', count)
  await agent.register((await manager.tokens.create({ days: 365 })).token)
  return agent
}
const settle = async (agent: SmartAgent, time = RENEWAL) => {
  world.clock.advance(time)
  agent.tick()
  await agent.idle()
  const { state, authorization } = agent.status()
  return [state, authorization.lastAttempt?.outcome]
}
const GOOD = ['authorized', 'succeeded']
const poolCounts = async (authority = manager) =>
  (await authority.licenses.list()).map(({ quantity, inUse, reserved }) => [quantity, inUse, reserved])
const types = async (authority = manager) =>
  (await authority.operations.events.list()).map(({ type }) => type)

async function restore(backup: Buffer, where: { database?: string } | null = null): Promise<void> {
  if (manager !== world.authority) await manager.close()
  const dataDir = join(world.directory, `restored-${++restores}`)
  const database = where ?? (await createDatabaseOptions())
  await restoreAuthority({ dataDir, backup, passphrase: PASSPHRASE, clock: world.clock, ...database })
  manager = await Authority.open({ dataDir, clock: world.clock })
}

beforeEach(async () => {
  world = await createTestEnvironment()
  manager = world.authority
  await manager.orders.create({ tag: 'HOST', quantity: 40 })
  await manager.reservations.enable()
})
afterEach(async () => {
  if (manager !== world.authority) await manager.close()
  await world.close()
})

describe('backup and restore of a manager', () => {
  it('writes one encrypted file without the root key and rejects a damaged one', async () => {
    const { token } = await manager.tokens.create({ days: 30, description: 'a description to find' })
    const backup = await manager.operations.backups.create(PASSPHRASE)
    for (const secret of [token, 'a description to find', 'PRIVATE KEY', 'SQLite format'])
      expect(backup.toString('latin1')).not.toContain(secret)
    const attempt = (bytes: Buffer, passphrase = PASSPHRASE) =>
      getErrorCode(
        restoreAuthority({
          dataDir: join(world.directory, 'x'),
          backup: bytes,
          passphrase,
          clock: world.clock,
        }),
      )
    expect(await attempt(backup, 'another passphrase')).toBe('BACKUP_UNREADABLE')
    for (const at of [0, 40, 60, 80, backup.length >> 1, backup.length - 1]) {
      const damaged = Buffer.from(backup)
      damaged[at] = (damaged[at] ?? 0) ^ 1
      expect(await attempt(damaged)).toBe('BACKUP_UNREADABLE')
    }
    expect(await attempt(backup.subarray(0, backup.length - 100))).toBe('BACKUP_UNREADABLE')
    expect(existsSync(join(world.directory, 'x'))).toBe(false)
    expect(readdirSync(world.directory).filter((name) => name.startsWith('.'))).toEqual([])
    await restore(backup)
    const keys = readdirSync(join(world.directory, `restored-${restores}`, 'keys'))
    expect(keys).not.toContain('root.key')
    expect(await getErrorCode(manager.security.trust.rotateIssuingCa())).toBe('ROOT_KEY_ABSENT')
    expect(manager.trustAnchor()).toBe(world.authority.trustAnchor())
  })

  it('preserves every row of every table', async () => {
    await register('device', 3)
    const rowsOf = async (directory: string) => {
      const dataDir = join(world.directory, directory)
      const names = await listStoredTables(dataDir)
      expect(names).toEqual(
        tablesForVersion(DATA_VERSION)
          .map(({ name }) => name)
          .sort(),
      )
      const rows: Record<string, string[]> = {}
      for (const name of names)
        if (!['settings', 'tokens', 'events'].includes(name)) {
          const all = await runStored(dataDir, `select * from ${name}`)
          rows[name] = all.map((row) => JSON.stringify(row)).sort()
        }
      return rows
    }
    const before = await rowsOf('authority')
    await restore(await manager.operations.backups.create(PASSPHRASE))
    expect(await rowsOf(`restored-${restores}`)).toEqual(before)
    // A backup restores into the other kind of database too.
    await restore(await manager.operations.backups.create(PASSPHRASE), {})
    expect(await rowsOf(`restored-${restores}`)).toEqual(before)
  })

  it('keeps serving devices in the new epoch, including devices that registered or renewed since the backup', async () => {
    const known = await register('known', 2)
    const renewing = await register('renewing', 3)
    const again = await register('again', 4)
    const backup = await manager.operations.backups.create(PASSPHRASE)
    for (let month = 0; month < 7; month++) await settle(renewing)
    expect(renewing.snapshot.context.renewal.last?.outcome).toBe('succeeded')
    await again.reregister((await manager.tokens.create({ days: 365 })).token, { force: true })
    const since = await register('since', 5)
    expect(await poolCounts()).toEqual([[40, 14, 0]])
    await restore(backup)
    expect(await types()).toContain('AUTHORITY_RESTORED')
    expect(await poolCounts()).toEqual([[40, 9, 0]])
    for (const agent of [known, renewing, again, since]) expect(await settle(agent)).toEqual(GOOD)
    expect(await poolCounts()).toEqual([[40, 14, 0]])
    const shown = (await manager.instances.list()).map(({ udi, inReview }) => [udi.serial, inReview])
    expect(shown.sort()).toEqual([
      ['AGAIN', true],
      ['KNOWN', false],
      ['RENEWING', false],
      ['SINCE', true],
    ])
    expect(
      (await manager.operations.alerts.list()).filter(({ type }) => type === 'instance-in-review'),
    ).toHaveLength(2)
    // An administrator confirms one instance and removes the other.
    const of = async (serial: string) =>
      (await manager.instances.list()).find(({ udi }) => udi.serial === serial)?.id ?? ''
    await manager.instances.review(await of('SINCE'))
    expect(await getErrorCode(manager.instances.review(await of('SINCE')))).toBe('INSTANCE_NOT_IN_REVIEW')
    await manager.instances.remove(await of('AGAIN'))
    expect(await poolCounts()).toEqual([[40, 10, 0]])
    expect(await settle(since)).toEqual(GOOD)
    await settle(again)
    expect(again.status().registration.status).not.toBe('registered')
  })

  it('does not revive a removed instance by its certificate', async () => {
    const gone = await register('gone', 2)
    const [instance] = await manager.instances.list()
    await manager.instances.remove(instance?.id ?? '')
    await restore(await manager.operations.backups.create(PASSPHRASE))
    await settle(gone)
    expect(gone.status().registration.status).not.toBe('registered')
    expect(await poolCounts()).toEqual([[40, 0, 0]])
  })

  it('holds tokens in doubt until they are reviewed', async () => {
    const { token, id } = await manager.tokens.create({ days: 365, maxUses: 3 })
    await restore(await manager.operations.backups.create(PASSPHRASE))
    expect((await manager.tokens.list()).map(({ status }) => status)).toEqual(['in-doubt'])
    expect((await manager.operations.alerts.list()).map(({ type }) => type)).toContain('token-in-doubt')
    const agent = await openDevice('device')
    expect(await getErrorCode(agent.register(token))).toBe('TOKEN_IN_DOUBT')
    await manager.tokens.review(id, { uses: 2 })
    expect(await getErrorCode(manager.tokens.review(id))).toBe('TOKEN_NOT_IN_REVIEW')
    await agent.register(token)
    expect((await manager.tokens.list()).map(({ status, uses }) => [status, uses])).toEqual([
      ['exhausted', 3],
    ])
  })

  it('holds reservations in review until they are confirmed, and accepts codes of later updates', async () => {
    const sealed = await openDevice('sealed')
    const { instanceId, file } = await manager.reservations.reserve({
      request: await sealed.reservation.request(),
      licenses: { HOST: 6 },
    })
    await sealed.reservation.install(file)
    const backup = await manager.operations.backups.create(PASSPHRASE)
    const updated = await manager.reservations.update(instanceId, { HOST: 8 })
    const { reservation } = await sealed.reservation.update(updated.file)
    await manager.reservations.confirm(instanceId, reservation.confirmationCode ?? '')
    await restore(backup)
    expect(await poolCounts()).toEqual([[40, 0, 6]])
    expect((await manager.operations.alerts.list()).map(({ type }) => type)).toContain('reservation-in-doubt')
    expect(await manager.reservations.get(instanceId)).toMatchObject({ inReview: true })
    expect(await getErrorCode(manager.reservations.update(instanceId, { HOST: 7 }))).toBe(
      'RESERVATION_IN_DOUBT',
    )
    await manager.instances.review(instanceId)
    const next = await manager.reservations.update(instanceId, { HOST: 7 })
    const after = await sealed.reservation.update(next.file)
    await manager.reservations.confirm(instanceId, after.reservation.confirmationCode ?? '')
    expect(await poolCounts()).toEqual([[40, 0, 7]])
    await manager.reservations.acceptReturnCode(instanceId, await sealed.reservation.returnCode())
    expect(await poolCounts()).toEqual([[40, 0, 0]])
  })

  it('recovers all devices and counts their usage after any sequence of later actions', async () => {
    const step = fc.record({
      kind: fc.constantFrom(...KINDS),
      device: fc.nat({ max: 2 }),
      count: fc.integer({ min: 1, max: 6 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 12 }), async (steps) => {
        await world.close()
        world = await createTestEnvironment()
        manager = world.authority
        await manager.orders.create({ tag: 'HOST', quantity: 40 })
        const devices = [await openDevice('a'), await openDevice('b'), await openDevice('c')]
        const counts = [0, 0, 0]
        const isRegistered = (agent: SmartAgent) => agent.status().registration.status === 'registered'
        let backup = await manager.operations.backups.create(PASSPHRASE)
        let deregistered = new Set<number>()
        for (const { kind, device: index, count } of steps) {
          const agent = devices[index]
          if (!agent) continue
          if (kind === 'backup') {
            backup = await manager.operations.backups.create(PASSPHRASE)
            deregistered = new Set()
          } else if (kind === 'register') {
            const { token } = await manager.tokens.create({ days: 365 })
            await (isRegistered(agent) ? agent.reregister(token, { force: true }) : agent.register(token))
            deregistered.delete(index)
          } else if (kind === 'deregister' && isRegistered(agent)) {
            await agent.deregister()
            deregistered.add(index)
          } else if (kind === 'report' && isRegistered(agent)) {
            agent.setUsage('HOST', count)
            counts[index] = count
          } else if (kind === 'renew') for (const each of devices) await settle(each)
        }
        await restore(backup)
        for (const agent of devices) await settle(agent)
        for (const agent of devices) await settle(agent)
        for (const agent of devices.filter(isRegistered))
          expect(agent.status().authorization.lastAttempt?.outcome).toBe('succeeded')
        // A device that deregistered since the backup is listed until an administrator removes it.
        const instances = await manager.instances.list()
        const stale = instances.filter(({ udi }) => {
          const at = ['A', 'B', 'C'].indexOf(udi.serial)
          const agent = devices[at]
          return agent === undefined || !isRegistered(agent)
        })
        for (const { id, udi } of stale) {
          expect(deregistered.has(['A', 'B', 'C'].indexOf(udi.serial))).toBe(true)
          await manager.instances.remove(id)
        }
        const used = devices.reduce((sum, agent, i) => sum + (isRegistered(agent) ? (counts[i] ?? 0) : 0), 0)
        expect(await poolCounts()).toEqual([[40, used, 0]])
      }),
      { numRuns: Number(process.env.NUM_RUNS ?? 8) },
    )
  })
})

describe('satellites of a restored manager', () => {
  it('report everything again, so that nothing ended returns and nothing counts twice', async () => {
    const environment = await createSatelliteEnvironment()
    try {
      await environment.manager.orders.create({ tag: 'HOST', quantity: 20, virtualAccount: 'Default' })
      const satellite = await environment.addSatellite('branch', { online: true })
      await environment.manager.orders.create({ tag: 'HOST', quantity: 20, virtualAccount: 'BRANCH' })
      await satellite.sync.run()
      const registerDevice = async (name: string, count: number) => {
        const agent = await environment.openDevice(() => satellite, name)
        agent.setUsage('HOST', count)
        await agent.register((await satellite.tokens.create({ days: 365 })).token)
        return agent
      }
      const kept = await registerDevice('kept', 3)
      const gone = await registerDevice('gone', 4)
      await satellite.sync.run()
      const backup = await environment.manager.operations.backups.create(PASSPHRASE)
      await gone.deregister()
      await registerDevice('since', 5)
      await satellite.sync.run()
      const dataDir = join(environment.directory, 'restored')
      await restoreAuthority({ dataDir, backup, passphrase: PASSPHRASE, clock: environment.clock })
      const restored = await Authority.open({ dataDir, clock: environment.clock })
      try {
        const listUsage = async (authority: Authority) =>
          (await authority.licenses.list()).filter(({ inUse }) => inUse > 0).map(({ inUse }) => inUse)
        expect(await listUsage(restored)).toEqual([7])
        environment.useManager(restored)
        await satellite.sync.run()
        expect(await listUsage(restored)).toEqual([8])
        expect(await listUsage(satellite)).toEqual([8])
        expect((await satellite.instances.list()).map(({ udi }) => udi.serial).sort()).toEqual([
          'KEPT',
          'SINCE',
        ])
        await satellite.sync.run()
        expect(await listUsage(restored)).toEqual([8])
        environment.clock.advance(RENEWAL)
        kept.tick()
        await kept.idle()
        expect(kept.status().authorization.lastAttempt?.outcome).toBe('succeeded')
      } finally {
        await restored.close()
      }
    } finally {
      await environment.close()
    }
  })

  it('report a reservation that was reduced since the backup of the manager', async () => {
    const environment = await createSatelliteEnvironment()
    try {
      const satellite = await environment.addSatellite('branch', { online: true })
      await environment.manager.orders.create({ tag: 'HOST', quantity: 20, virtualAccount: 'BRANCH' })
      await satellite.sync.run()
      await satellite.reservations.enable()
      const sealed = await environment.openDevice(() => satellite, 'sealed')
      const issued = await satellite.reservations.reserve({
        request: await sealed.reservation.request(),
        licenses: { HOST: 6 },
      })
      await sealed.reservation.install(issued.file)
      await satellite.sync.run()
      const backup = await environment.manager.operations.backups.create(PASSPHRASE)
      const updated = await satellite.reservations.update(issued.instanceId, { HOST: 2 })
      const { reservation } = await sealed.reservation.update(updated.file)
      await satellite.reservations.confirm(issued.instanceId, reservation.confirmationCode ?? '')
      await satellite.sync.run()
      const dataDir = join(environment.directory, 'restored')
      await restoreAuthority({
        ...{ dataDir, backup, passphrase: PASSPHRASE, clock: environment.clock },
        ...(await createDatabaseOptions()),
      })
      const restored = await Authority.open({ dataDir, clock: environment.clock })
      try {
        expect((await restored.licenses.list()).map(({ reserved }) => reserved)).toEqual([6])
        environment.useManager(restored)
        for (let times = 0; times < 2; times++) {
          await satellite.sync.run()
          expect((await restored.licenses.list()).map(({ reserved }) => reserved)).toEqual([2])
          expect((await satellite.licenses.list()).map(({ reserved }) => reserved)).toEqual([2])
        }
      } finally {
        await restored.close()
      }
    } finally {
      await environment.close()
    }
  })
})
