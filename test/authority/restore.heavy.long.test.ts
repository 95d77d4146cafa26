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
const KINDS = ['register', 'report', 'renew', 'leave', 'backup'] as const
let world: TestEnvironment
/** The manager that runs now: boxes reach whichever that is. */
let manager: Authority
let restores = 0

const box = (name: string) =>
  world.open(name, {
    createTransport: () => ({
      post: (path, body) => world.transport(manager).post(path, body),
      close: () => undefined,
    }),
  })
const register = async (name: string, count: number) => {
  const agent = await box(name)
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
const sums = async (authority = manager) =>
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

describe('trust §9: backup and restore of a manager', () => {
  it('is one sealed file without the root’s key; damaged, it is nothing', async () => {
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

  it('holds every row of every table', async () => {
    await register('box', 3)
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
    // And what is kept in a database of its own is read into the other kind.
    await restore(await manager.operations.backups.create(PASSPHRASE), {})
    expect(await rowsOf(`restored-${restores}`)).toEqual(before)
  })

  it('boxes go on in its new epoch: those that are known, and those that registered, renewed or registered again since', async () => {
    const known = await register('known', 2)
    const renewing = await register('renewing', 3)
    const again = await register('again', 4)
    const backup = await manager.operations.backups.create(PASSPHRASE)
    for (let month = 0; month < 7; month++) await settle(renewing)
    expect(renewing.snapshot.context.renewal.last?.outcome).toBe('succeeded')
    await again.reregister((await manager.tokens.create({ days: 365 })).token, { force: true })
    const since = await register('since', 5)
    expect(await sums()).toEqual([[40, 14, 0]])
    await restore(backup)
    expect(await types()).toContain('AUTHORITY_RESTORED')
    expect(await sums()).toEqual([[40, 9, 0]])
    for (const agent of [known, renewing, again, since]) expect(await settle(agent)).toEqual(GOOD)
    expect(await sums()).toEqual([[40, 14, 0]])
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
    // A person looks: one is confirmed, the other is removed.
    const of = async (serial: string) =>
      (await manager.instances.list()).find(({ udi }) => udi.serial === serial)?.id ?? ''
    await manager.instances.review(await of('SINCE'))
    expect(await getErrorCode(manager.instances.review(await of('SINCE')))).toBe('INSTANCE_NOT_IN_REVIEW')
    await manager.instances.remove(await of('AGAIN'))
    expect(await sums()).toEqual([[40, 10, 0]])
    expect(await settle(since)).toEqual(GOOD)
    await settle(again)
    expect(again.status().registration.status).not.toBe('registered')
  })

  it('what had ended before the backup does not come back with its certificate', async () => {
    const gone = await register('gone', 2)
    const [instance] = await manager.instances.list()
    await manager.instances.remove(instance?.id ?? '')
    await restore(await manager.operations.backups.create(PASSPHRASE))
    await settle(gone)
    expect(gone.status().registration.status).not.toBe('registered')
    expect(await sums()).toEqual([[40, 0, 0]])
  })

  it('tokens are held until they are confirmed', async () => {
    const { token, id } = await manager.tokens.create({ days: 365, maxUses: 3 })
    await restore(await manager.operations.backups.create(PASSPHRASE))
    expect((await manager.tokens.list()).map(({ status }) => status)).toEqual(['in-doubt'])
    expect((await manager.operations.alerts.list()).map(({ type }) => type)).toContain('token-in-doubt')
    const agent = await box('box')
    expect(await getErrorCode(agent.register(token))).toBe('TOKEN_IN_DOUBT')
    await manager.tokens.review(id, { uses: 2 })
    expect(await getErrorCode(manager.tokens.review(id))).toBe('TOKEN_NOT_IN_REVIEW')
    await agent.register(token)
    expect((await manager.tokens.list()).map(({ status, uses }) => [status, uses])).toEqual([
      ['exhausted', 3],
    ])
  })

  it('reservations are held until they are confirmed; codes of what was changed since are good', async () => {
    const sealed = await box('sealed')
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
    expect(await sums()).toEqual([[40, 0, 6]])
    expect((await manager.operations.alerts.list()).map(({ type }) => type)).toContain('reservation-in-doubt')
    expect(await manager.reservations.get(instanceId)).toMatchObject({ inReview: true })
    expect(await getErrorCode(manager.reservations.update(instanceId, { HOST: 7 }))).toBe(
      'RESERVATION_IN_DOUBT',
    )
    await manager.instances.review(instanceId)
    const next = await manager.reservations.update(instanceId, { HOST: 7 })
    const after = await sealed.reservation.update(next.file)
    await manager.reservations.confirm(instanceId, after.reservation.confirmationCode ?? '')
    expect(await sums()).toEqual([[40, 0, 7]])
    await manager.reservations.acceptReturnCode(instanceId, await sealed.reservation.returnCode())
    expect(await sums()).toEqual([[40, 0, 0]])
  })

  it('whatever came after the backup, all boxes come right again, and what they use is counted', async () => {
    const step = fc.record({
      kind: fc.constantFrom(...KINDS),
      box: fc.nat({ max: 2 }),
      count: fc.integer({ min: 1, max: 6 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 12 }), async (steps) => {
        await world.close()
        world = await createTestEnvironment()
        manager = world.authority
        await manager.orders.create({ tag: 'HOST', quantity: 40 })
        const boxes = [await box('a'), await box('b'), await box('c')]
        const counts = [0, 0, 0]
        const isRegistered = (agent: SmartAgent) => agent.status().registration.status === 'registered'
        let backup = await manager.operations.backups.create(PASSPHRASE)
        let left = new Set<number>()
        for (const { kind, box: which, count } of steps) {
          const agent = boxes[which]
          if (!agent) continue
          if (kind === 'backup') {
            backup = await manager.operations.backups.create(PASSPHRASE)
            left = new Set()
          } else if (kind === 'register') {
            const { token } = await manager.tokens.create({ days: 365 })
            await (isRegistered(agent) ? agent.reregister(token, { force: true }) : agent.register(token))
            left.delete(which)
          } else if (kind === 'leave' && isRegistered(agent)) {
            await agent.deregister()
            left.add(which)
          } else if (kind === 'report' && isRegistered(agent)) {
            agent.setUsage('HOST', count)
            counts[which] = count
          } else if (kind === 'renew') for (const one of boxes) await settle(one)
        }
        await restore(backup)
        for (const agent of boxes) await settle(agent)
        for (const agent of boxes) await settle(agent)
        for (const agent of boxes.filter(isRegistered))
          expect(agent.status().authorization.lastAttempt?.outcome).toBe('succeeded')
        // Who left since the backup is as it was there, until a person has looked.
        const instances = await manager.instances.list()
        const wrong = instances.filter(({ udi }) => {
          const at = ['A', 'B', 'C'].indexOf(udi.serial)
          const agent = boxes[at]
          return agent === undefined || !isRegistered(agent)
        })
        for (const { id, udi } of wrong) {
          expect(left.has(['A', 'B', 'C'].indexOf(udi.serial))).toBe(true)
          await manager.instances.remove(id)
        }
        const used = boxes.reduce((sum, agent, i) => sum + (isRegistered(agent) ? (counts[i] ?? 0) : 0), 0)
        expect(await sums()).toEqual([[40, used, 0]])
      }),
      { numRuns: Number(process.env.NUM_RUNS ?? 8) },
    )
  })
})

describe('trust §9: satellites of a manager that was restored', () => {
  it('tell it everything anew: what ended since has ended, and nothing comes back or counts twice', async () => {
    const below = await createSatelliteEnvironment()
    try {
      await below.manager.orders.create({ tag: 'HOST', quantity: 20, virtualAccount: 'Default' })
      const satellite = await below.addSatellite('branch', { online: true })
      await below.manager.orders.create({ tag: 'HOST', quantity: 20, virtualAccount: 'BRANCH' })
      await satellite.sync.run()
      const open = async (name: string, count: number) => {
        const agent = await below.box(() => satellite, name)
        agent.setUsage('HOST', count)
        await agent.register((await satellite.tokens.create({ days: 365 })).token)
        return agent
      }
      const kept = await open('kept', 3)
      const gone = await open('gone', 4)
      await satellite.sync.run()
      const backup = await below.manager.operations.backups.create(PASSPHRASE)
      await gone.deregister()
      await open('since', 5)
      await satellite.sync.run()
      const dataDir = join(below.directory, 'restored')
      await restoreAuthority({ dataDir, backup, passphrase: PASSPHRASE, clock: below.clock })
      const restored = await Authority.open({ dataDir, clock: below.clock })
      try {
        const branch = async (authority: Authority) =>
          (await authority.licenses.list()).filter(({ inUse }) => inUse > 0).map(({ inUse }) => inUse)
        expect(await branch(restored)).toEqual([7])
        below.useManager(restored)
        await satellite.sync.run()
        expect(await branch(restored)).toEqual([8])
        expect(await branch(satellite)).toEqual([8])
        expect((await satellite.instances.list()).map(({ udi }) => udi.serial).sort()).toEqual([
          'KEPT',
          'SINCE',
        ])
        await satellite.sync.run()
        expect(await branch(restored)).toEqual([8])
        below.clock.advance(RENEWAL)
        kept.tick()
        await kept.idle()
        expect(kept.status().authorization.lastAttempt?.outcome).toBe('succeeded')
      } finally {
        await restored.close()
      }
    } finally {
      await below.close()
    }
  })

  it('believe it of a reservation that has become smaller since its backup', async () => {
    const below = await createSatelliteEnvironment()
    try {
      const satellite = await below.addSatellite('branch', { online: true })
      await below.manager.orders.create({ tag: 'HOST', quantity: 20, virtualAccount: 'BRANCH' })
      await satellite.sync.run()
      await satellite.reservations.enable()
      const sealed = await below.box(() => satellite, 'sealed')
      const issued = await satellite.reservations.reserve({
        request: await sealed.reservation.request(),
        licenses: { HOST: 6 },
      })
      await sealed.reservation.install(issued.file)
      await satellite.sync.run()
      const backup = await below.manager.operations.backups.create(PASSPHRASE)
      const updated = await satellite.reservations.update(issued.instanceId, { HOST: 2 })
      const { reservation } = await sealed.reservation.update(updated.file)
      await satellite.reservations.confirm(issued.instanceId, reservation.confirmationCode ?? '')
      await satellite.sync.run()
      const dataDir = join(below.directory, 'restored')
      await restoreAuthority({
        ...{ dataDir, backup, passphrase: PASSPHRASE, clock: below.clock },
        ...(await createDatabaseOptions()),
      })
      const restored = await Authority.open({ dataDir, clock: below.clock })
      try {
        expect((await restored.licenses.list()).map(({ reserved }) => reserved)).toEqual([6])
        below.useManager(restored)
        for (let times = 0; times < 2; times++) {
          await satellite.sync.run()
          expect((await restored.licenses.list()).map(({ reserved }) => reserved)).toEqual([2])
          expect((await satellite.licenses.list()).map(({ reserved }) => reserved)).toEqual([2])
        }
      } finally {
        await restored.close()
      }
    } finally {
      await below.close()
    }
  })
})
