import { join } from 'node:path'
import { afterEach, beforeEach, expect, vi } from 'vitest'
import type { OpenOptions } from '../../src/index.ts'
import { Authority, restoreAuthority } from '../../src/authority/index.ts'
import { DAY } from '../../src/core/time.ts'
import { VirtualClock } from '../../mocks/virtual-clock.ts'
import {
  exchangeByFile,
  createSatelliteEnvironment,
  type SatelliteEnvironment,
} from '../support/satellite.ts'
import { copyStored, runStored, readStoredSetting } from '../support/stored.ts'
import { getErrorCode } from '../support/test-environment.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(4)

const PASSPHRASE = 'correct horse battery'
let world: SatelliteEnvironment
let manager: Authority
let satellite: Authority
beforeEach(async () => {
  world = await createSatelliteEnvironment()
  manager = world.manager
  satellite = await world.addSatellite('branch')
  await manager.orders.create({ tag: 'HOST', quantity: 10, virtualAccount: 'BRANCH' })
  await exchangeByFile(manager, satellite)
})
afterEach(() => world.close())

const inDirectory = (name: string) => join(world.directory, name)
/** Changes a database directly, without the authority. */
const changeDatabase = (directory: string, statement: string, ...values: unknown[]) =>
  runStored(inDirectory(directory), statement, ...values)
const readSetting = (directory: string, name: string) =>
  JSON.parse(readStoredSetting(inDirectory(directory), name)) as object

const registerDevice = async (
  at: () => Authority,
  name: string,
  count: number,
  more: Partial<OpenOptions> = {},
) => {
  const { token } = await at().tokens.create({ days: 300 })
  const agent = await world.openDevice(at, name, more)
  agent.setUsage('HOST', count)
  await agent.register(token)
  return agent
}
const sameAs = (serial: string): Partial<OpenOptions> => ({
  product: { pid: 'CWMS-K9', version: '4.0', serial },
})
const sums = async (authority: Authority) =>
  (await authority.licenses.list()).map(({ virtualAccount, quantity, inUse, reserved }) => [
    virtualAccount,
    quantity,
    inUse,
    reserved,
  ])
const restore = async (backup: Buffer, name: string) => {
  await satellite.close()
  await restoreAuthority({ dataDir: inDirectory(name), backup, passphrase: PASSPHRASE, clock: world.clock })
  satellite = await world.openSatellite(name)
}
const outcomes = async (times: number): Promise<string[]> => {
  const seen: string[] = []
  for (let i = 0; i < times; i++) seen.push((await exchangeByFile(manager, satellite)).imported.outcome)
  return seen
}

describe('a misbehaving satellite (R-SAT-1)', () => {
  const createSatellite = async (name: string, id: string) => {
    await manager.satellites.add(name, { virtualAccount: name.toUpperCase() })
    await Authority.init({
      dataDir: inDirectory(name),
      account: world.account,
      acceptAgreement: true,
      clock: world.clock,
      satellite: { name },
    })
    const identity = readSetting(name, 'authority')
    await changeDatabase(
      name,
      `update settings set value = ? where name = 'authority'`,
      JSON.stringify({ ...identity, id }),
    )
    return world.openSatellite(name)
  }

  it('cannot take the id of its manager', async () => {
    const evil = await createSatellite('evil', manager.security.identity.id)
    const { file } = await evil.sync.export()
    expect(await getErrorCode(manager.satellites.respond(file))).toBe('SYNC_OTHER_SATELLITE')
    expect((await manager.satellites.list()).find(({ name }) => name === 'evil')?.status).toBe('waiting')
  })

  it('cannot take the id of another satellite', async () => {
    const evil = await createSatellite('evil', satellite.security.identity.id)
    const { file } = await evil.sync.export()
    expect(await getErrorCode(manager.satellites.respond(file))).toBe('SYNC_OTHER_SATELLITE')
  })

  it('cannot make the manager process a request that is too long or full of certificates', async () => {
    const block = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
    const signature = `-----BEGIN SIGNATURE-----\n${'A'.repeat(64)}\n${'A'.repeat(20)}==\n-----END SIGNATURE-----\n`
    const text = `SMART LICENSING SYNCHRONIZATION REQUEST, version 1\n${block.repeat(4000)}${signature}`
    expect(text.length).toBeLessThan(256 * 1024)
    expect(await getErrorCode(manager.satellites.respondOnline(text))).toBe('SIGNED_FILE_ALTERED')
    expect(await getErrorCode(manager.satellites.respondOnline(text + block.repeat(4000)))).toBe(
      'REQUEST_MALFORMED',
    )
  })

  it('cannot extend its delegation by a stopped clock', async () => {
    const stopped = new VirtualClock(world.clock.wall())
    await satellite.close()
    satellite = await Authority.open({ dataDir: inDirectory('branch'), clock: stopped })
    const device = await registerDevice(() => satellite, 'device', 4)
    for (let i = 0; i < 4; i++) {
      world.clock.advance(25 * DAY)
      device.tick()
      await device.idle()
    }
    expect(device.status()).toMatchObject({
      state: 'auth-expired',
      authorization: { lastAttempt: { reason: { code: 'MANDATE_EXPIRED' } } },
    })
    // The device keeps its own trusted time.
    expect(device.status().clock.trusted).toBe(true)
    await satellite.close()
  })
})

describe('an expired or removed satellite (R-SAT-4, R-ACC-5)', () => {
  it('leaves its purchased licenses available when it is removed after expiry', async () => {
    await registerDevice(() => satellite, 'device', 4)
    await exchangeByFile(manager, satellite)
    world.clock.advance(91 * DAY)
    expect(await sums(manager)).toEqual([['BRANCH', 10, 0, 0]])
    await manager.satellites.remove('branch')
    expect(await manager.licenses.list()).toMatchObject([{ quantity: 10, inUse: 0, available: 10 }])
  })

  it('synchronizes again after its device moved to another satellite, without negative usage', async () => {
    const second = await world.addSatellite('second')
    await manager.orders.create({ tag: 'HOST', quantity: 10, virtualAccount: 'SECOND' })
    await exchangeByFile(manager, second)
    await registerDevice(() => satellite, 'device', 4)
    await exchangeByFile(manager, satellite)
    world.clock.advance(60 * DAY)
    await exchangeByFile(manager, second)
    world.clock.advance(31 * DAY)
    await registerDevice(() => second, 'twin', 4, sameAs('DEVICE'))
    await exchangeByFile(manager, second)
    expect(await sums(manager)).toEqual([
      ['BRANCH', 10, 0, 0],
      ['SECOND', 10, 4, 0],
    ])
    // The satellite returns unchanged, and the newer registration stays in force.
    expect(await outcomes(3)).toEqual(['accepted', 'accepted', 'accepted'])
    expect(await sums(manager)).toEqual([
      ['BRANCH', 10, 0, 0],
      ['SECOND', 10, 4, 0],
    ])
    expect(await satellite.instances.list()).toEqual([])
  })

  it('gives way to a newer registration of its device at the manager', async () => {
    await manager.orders.create({ tag: 'HOST', quantity: 10 })
    await registerDevice(() => satellite, 'device', 4)
    await exchangeByFile(manager, satellite)
    world.clock.advance(91 * DAY)
    await registerDevice(() => manager, 'twin', 4, sameAs('DEVICE'))
    const { responded } = await exchangeByFile(manager, satellite)
    expect(responded.notices.join()).toContain('CWMS-K9:DEVICE')
    await exchangeByFile(manager, satellite)
    expect((await manager.instances.list()).map((instance) => instance.satellite)).toEqual([null])
    expect(await satellite.instances.list()).toEqual([])
  })

  it('is asked to repair an inconsistent report, which is rolled back until it is consistent', async () => {
    await registerDevice(() => satellite, 'device', 4)
    await exchangeByFile(manager, satellite)
    world.clock.advance(91 * DAY)
    await manager.licenses.list()
    await changeDatabase('branch', 'update pools set in_use = in_use + 1')
    expect((await exchangeByFile(manager, satellite)).imported.outcome).toBe('repair')
    await changeDatabase('branch', 'update pools set in_use = in_use - 1')
    expect(await outcomes(3)).toEqual(['accepted', 'accepted', 'accepted'])
    expect(await sums(manager)).toEqual([['BRANCH', 10, 4, 0]])
  })

  it('corrects a wrong count at the manager by a full report', async () => {
    await registerDevice(() => satellite, 'device', 4)
    await exchangeByFile(manager, satellite)
    await changeDatabase('manager', 'update pools set in_use = in_use + 3')
    expect(await outcomes(3)).toEqual(['repair', 'accepted', 'accepted'])
    expect(await sums(manager)).toEqual([['BRANCH', 10, 4, 0]])
  })

  it('is refused online without any change on the manager', async () => {
    const online = await world.addSatellite('city', { online: true })
    await online.sync.run()
    await registerDevice(() => online, 'device', 4)
    const before = JSON.stringify([
      await manager.licenses.list(),
      await manager.instances.list(),
      await manager.satellites.list(),
    ])
    const { SatelliteKeys } = await import('../../src/authority/keys/satellite-keys.ts')
    const spy = vi.spyOn(SatelliteKeys.prototype, 'createIssuingCaRequest').mockResolvedValue('AAAA')
    expect(await getErrorCode(online.sync.run())).toBe('SIGNED_FILE_MALFORMED')
    spy.mockRestore()
    expect(
      JSON.stringify([
        await manager.licenses.list(),
        await manager.instances.list(),
        await manager.satellites.list(),
      ]),
    ).toBe(before)
    expect((await online.sync.run()).outcome).toBe('accepted')
  })

  it('counts its devices once when it is removed and added again', async () => {
    await registerDevice(() => satellite, 'device', 4)
    await exchangeByFile(manager, satellite)
    await manager.satellites.remove('branch')
    await manager.satellites.add('branch', { virtualAccount: 'SECOND' })
    expect(await outcomes(2)).toContain('accepted')
    await exchangeByFile(manager, satellite)
    expect(
      (await manager.licenses.list()).map(({ virtualAccount, inUse }) => [virtualAccount, inUse]),
    ).toEqual([
      ['BRANCH', 0],
      ['SECOND', 4],
    ])
  })

  it('cannot repeat a request whose answer has expired', async () => {
    const { file } = await satellite.sync.export()
    await manager.satellites.respond(file)
    world.clock.advance(95 * DAY)
    expect(await getErrorCode(manager.satellites.respond(file))).toBe('SYNC_SUPERSEDED')
    expect(await outcomes(1)).toEqual(['accepted'])
  })
})

describe('a reservation of a satellite (R-SLR-9)', () => {
  const reserveTen = async () => {
    await satellite.reservations.enable()
    const sealed = await world.openDevice(() => satellite, 'sealed')
    const issued = await satellite.reservations.reserve({
      request: await sealed.reservation.request(),
      licenses: { HOST: 10 },
    })
    await sealed.reservation.install(issued.file)
    await exchangeByFile(manager, satellite)
    return { sealed, issued }
  }

  it('stays reserved when the satellite expires or is removed, until an administrator writes it off', async () => {
    const { sealed, issued } = await reserveTen()
    await manager.reservations.enable()
    world.clock.advance(91 * DAY)
    expect(await sums(manager)).toEqual([['BRANCH', 10, 0, 10]])
    await manager.satellites.remove('branch')
    world.clock.advance(91 * DAY)
    expect(await sums(manager)).toEqual([['BRANCH', 10, 0, 10]])
    expect(sealed.status().state).toBe('reserved')
    const other = await world.openDevice(() => manager, 'other')
    const wanted = {
      request: await other.reservation.request(),
      licenses: { HOST: 1 },
      virtualAccount: 'BRANCH',
    }
    expect(await getErrorCode(manager.reservations.reserve(wanted))).toBe('LICENSES_UNAVAILABLE')
    expect(await manager.instances.list()).toMatchObject([{ status: 'reserved', satellite: 'branch' }])
    expect(await getErrorCode(manager.accounts.removeVirtualAccount('BRANCH'))).toBe('VIRTUAL_ACCOUNT_IN_USE')
    await manager.reservations.writeOff(issued.instanceId, { reason: 'the satellite is gone', by: 'test' })
    expect(await sums(manager)).toEqual([['BRANCH', 10, 0, 0]])
    await manager.reservations.reserve(wanted)
  })

  it('cannot be written off at the manager while the satellite exists', async () => {
    const { issued } = await reserveTen()
    expect(
      await getErrorCode(
        manager.reservations.writeOff(issued.instanceId, { reason: 'not ours', by: 'test' }),
      ),
    ).toBe('NOT_FOUND')
  })

  it('accepts the codes of a device after a restore that lost its updates', async () => {
    const { sealed, issued } = await reserveTen()
    const backup = await satellite.operations.backups.create(PASSPHRASE)
    for (const count of [5, 4]) {
      const { file } = await satellite.reservations.update(issued.instanceId, { HOST: count })
      const { reservation } = await sealed.reservation.update(file)
      await satellite.reservations.confirm(issued.instanceId, reservation.confirmationCode ?? '')
    }
    await exchangeByFile(manager, satellite)
    for (const name of ['again', 'once-more']) {
      world.clock.advance(DAY)
      await restore(backup, name)
      await outcomes(3)
    }
    await satellite.reservations.acceptReturnCode(issued.instanceId, await sealed.reservation.returnCode())
    await exchangeByFile(manager, satellite)
    expect(await sums(manager)).toEqual([['BRANCH', 10, 0, 0]])
  })

  it('needs no review after a restore when only a term has ended', async () => {
    await manager.orders.create({ tag: 'HOST', quantity: 3, virtualAccount: 'BRANCH', termDays: 20 })
    await exchangeByFile(manager, satellite)
    await satellite.reservations.enable()
    const sealed = await world.openDevice(() => satellite, 'sealed')
    const issued = await satellite.reservations.reserve({
      request: await sealed.reservation.request(),
      licenses: { HOST: 13 },
    })
    await sealed.reservation.install(issued.file)
    await exchangeByFile(manager, satellite)
    world.clock.advance(25 * DAY)
    await restore(await satellite.operations.backups.create(PASSPHRASE), 'again')
    await exchangeByFile(manager, satellite)
    expect(await satellite.reservations.list()).toMatchObject([{ pending: false, authorization: 1 }])
  })

  it('is recognized after a restore by its redacted serial number', async () => {
    await satellite.sync.setRedactedFields(['serial-numbers'])
    const backup = await satellite.operations.backups.create(PASSPHRASE)
    await reserveTen()
    await restore(backup, 'again')
    await outcomes(2)
    const twin = await world.openDevice(() => satellite, 'twin', sameAs('SEALED'))
    const { token } = await satellite.tokens.create({ days: 3 })
    expect(await getErrorCode(twin.register(token))).toBe('INSTANCE_RESERVED')
    // Without redaction, each instance is reported again.
    await satellite.sync.setRedactedFields([])
    expect((await satellite.sync.export()).instances).toBe(1)
  })
})

describe('license transfers of a satellite (R-ACC-3)', () => {
  it('apply a second reclaim from another lot', async () => {
    await manager.orders.create({ tag: 'HOST', quantity: 3, virtualAccount: 'BRANCH', termDays: 100 })
    await exchangeByFile(manager, satellite)
    const wanted = { tag: 'HOST', from: 'BRANCH', to: 'Default' }
    await manager.licenses.transfer({ ...wanted, quantity: 3 })
    await manager.licenses.transfer({ ...wanted, quantity: 5 })
    await exchangeByFile(manager, satellite)
    await exchangeByFile(manager, satellite)
    expect(await sums(manager)).toEqual([
      ['BRANCH', 5, 0, 0],
      ['Default', 8, 0, 0],
    ])
  })

  it('take licenses back at once from a satellite that never synchronized', async () => {
    await manager.satellites.add('never', { virtualAccount: 'NEVER' })
    await manager.orders.create({ tag: 'HOST', quantity: 3, virtualAccount: 'NEVER' })
    const done = await manager.licenses.transfer({ tag: 'HOST', quantity: 3, from: 'NEVER', to: 'Default' })
    expect(done.status).toBe('done')
  })

  it('preview a reclaim and require confirmation when it leaves too few licenses', async () => {
    await registerDevice(() => satellite, 'device', 8)
    await exchangeByFile(manager, satellite)
    const wanted = { tag: 'HOST', quantity: 7, from: 'BRANCH', to: 'Default' }
    expect((await manager.licenses.transfer({ ...wanted, preview: true })).effects).toMatchObject([
      { before: { quantity: 10 }, after: { quantity: 3, status: 'out-of-compliance' } },
      { before: { quantity: 0 }, after: { quantity: 7 } },
    ])
    expect(await getErrorCode(manager.licenses.transfer(wanted))).toBe('TRANSFER_UNCONFIRMED')
    expect((await manager.satellites.list())[0]?.reclaims).toEqual([])
  })

  it('block the removal of a virtual account while licenses are in transit to it', async () => {
    await manager.accounts.addVirtualAccount('East')
    await manager.orders.create({ tag: 'HOST', quantity: 3, virtualAccount: 'East' })
    await manager.licenses.transfer({ tag: 'HOST', quantity: 3, from: 'East', to: 'Default' })
    await manager.licenses.transfer({ tag: 'HOST', quantity: 3, from: 'BRANCH', to: 'East' })
    expect(await getErrorCode(manager.accounts.removeVirtualAccount('East'))).toBe('VIRTUAL_ACCOUNT_IN_USE')
    await exchangeByFile(manager, satellite)
    await exchangeByFile(manager, satellite)
    await manager.licenses.transfer({ tag: 'HOST', quantity: 3, from: 'East', to: 'Default' })
    await manager.accounts.removeVirtualAccount('East')
    expect(await manager.orders.list()).toHaveLength(2)
  })

  it('allow more than ten million licenses of a tag in a delegation', async () => {
    for (let i = 0; i < 2; i++)
      await manager.orders.create({ tag: 'HOST', quantity: 6_000_000, virtualAccount: 'BRANCH' })
    expect((await exchangeByFile(manager, satellite)).imported.outcome).toBe('accepted')
    expect(await sums(satellite)).toEqual([['Default', 12_000_010, 0, 0]])
  })
})

describe('names used on both sides (R-SAT-1)', () => {
  it('an additional virtual account named Default does not replace the first one', async () => {
    await manager.accounts.addVirtualAccount('Main')
    await manager.accounts.setDefaultVirtualAccount('Main')
    await manager.satellites.addVirtualAccount('branch', 'Default')
    await manager.orders.create({ tag: 'HOST', quantity: 2, virtualAccount: 'Default' })
    await exchangeByFile(manager, satellite)
    await registerDevice(() => satellite, 'device', 8)
    for (let i = 0; i < 2; i++) await exchangeByFile(manager, satellite)
    expect(await sums(satellite)).toEqual([
      ['Default', 10, 8, 0],
      ['Default (manager)', 2, 0, 0],
    ])
    expect(await sums(manager)).toEqual([
      ['BRANCH', 10, 8, 0],
      ['Default', 2, 0, 0],
    ])
    // Nothing has changed, so no instance is reported.
    expect((await satellite.sync.export()).instances).toBe(0)
  })

  it('an additional virtual account is renamed when its name is in use at the satellite', async () => {
    await satellite.accounts.addVirtualAccount('North')
    await satellite.licenses.transfer({ from: 'Default', to: 'North', tag: 'HOST', quantity: 6 })
    const { token } = await satellite.tokens.create({ days: 300, virtualAccount: 'North' })
    const device = await world.openDevice(() => satellite, 'device')
    device.setUsage('HOST', 6)
    await device.register(token)
    await manager.satellites.addVirtualAccount('branch', 'North')
    await manager.orders.create({ tag: 'HOST', quantity: 1, virtualAccount: 'North' })
    for (let i = 0; i < 2; i++) await exchangeByFile(manager, satellite)
    expect(await sums(manager)).toEqual([
      ['BRANCH', 10, 6, 0],
      ['North', 1, 0, 0],
    ])
    expect(await sums(satellite)).toEqual([
      ['Default', 4, 0, 0],
      ['North', 6, 6, 0],
      ['North (manager)', 1, 0, 0],
    ])
  })

  it('a registration from a fast clock is not treated as newer than its report', async () => {
    await registerDevice(() => satellite, 'device', 4, sameAs('VICTIM'))
    await changeDatabase('branch', 'update instances set registered_at = registered_at + ?', 36_500 * DAY)
    world.clock.advance(DAY)
    await registerDevice(() => manager, 'twin', 4, sameAs('VICTIM'))
    world.clock.advance(-1)
    await exchangeByFile(manager, satellite)
    expect((await manager.instances.list()).map((instance) => instance.satellite)).toEqual([null])
  })
})

describe('the clock of a satellite (R-SAT-4)', () => {
  it('is corrected by one exchange after a temporary error, and devices stay authorized', async () => {
    const device = await registerDevice(() => satellite, 'device', 4)
    await satellite.close()
    const ahead = new VirtualClock(world.clock.wall() + 200 * DAY)
    const wrong = await Authority.open({ dataDir: inDirectory('branch'), clock: ahead })
    await wrong.sync.export()
    await wrong.close()
    satellite = await world.openSatellite('branch')
    expect((await satellite.sync.status()).status).toBe('restricted')
    const { imported } = await exchangeByFile(manager, satellite)
    expect(imported.notices.join()).toMatch(/clock of this machine was 200 days ahead/)
    await exchangeByFile(manager, satellite)
    expect(await satellite.sync.status()).toMatchObject({ status: 'current', inDoubt: false })
    expect(Date.parse((await satellite.sync.status()).lastSyncAt ?? '')).toBe(world.clock.wall())
    await satellite.tokens.create({ days: 3 })
    world.clock.advance(31 * DAY)
    device.tick()
    await device.idle()
    expect(device.status()).toMatchObject({
      state: 'authorized',
      authorization: { lastAttempt: { outcome: 'succeeded' } },
    })
  })

  it('is reported while it is wrong, without a new epoch', async () => {
    await satellite.close()
    const ahead = new VirtualClock(world.clock.wall() + 60 * DAY)
    satellite = await Authority.open({ dataDir: inDirectory('branch'), clock: ahead })
    const { imported } = await exchangeByFile(manager, satellite)
    expect(imported).toMatchObject({ outcome: 'accepted', again: false })
    expect(imported.notices.join()).toMatch(/60 days ahead/)
    expect((await satellite.sync.status()).epoch).toBe(1)
    ahead.advance(100 * DAY)
    const { file } = await satellite.sync.export()
    const { file: answer } = await manager.satellites.respond(file)
    expect(await getErrorCode(satellite.sync.import(answer))).toBe('SYNC_ANSWER_LAPSED')
    await satellite.close()
  })

  it('makes the import of an expired answer fail with SYNC_ANSWER_LAPSED', async () => {
    const { file } = await satellite.sync.export()
    const { file: answer } = await manager.satellites.respond(file)
    world.clock.advance(91 * DAY)
    expect(await getErrorCode(satellite.sync.import(answer))).toBe('SYNC_ANSWER_LAPSED')
    expect(await outcomes(1)).toEqual(['accepted'])
  })
})

describe('online synchronization with persistent faults (R-SAT-2)', () => {
  it('uses the manager URL that another process has set', async () => {
    const urls: string[] = []
    const online = await world.addSatellite('city', { online: true })
    await online.close()
    const running = await Authority.open({
      dataDir: inDirectory('city'),
      clock: world.clock,
      createTransport: ({ url }) => {
        urls.push(url)
        return world.managerTransport()
      },
    })
    await running.sync.run()
    const other = await world.openSatellite('city')
    await other.sync.setManager({ kind: 'direct', url: 'https://new.test' })
    await running.sync.run()
    await running.sync.run()
    await running.close()
    expect(urls).toEqual(['https://manager.test', 'https://new.test'])
  })

  it('backs off when the manager keeps requesting full reports', async () => {
    const online = await world.addSatellite('city', { online: true })
    await online.sync.run()
    const reportedInstances = await import('../../src/authority/satellites/reported-instances.ts')
    const spy = vi
      .spyOn(reportedInstances, 'readTotals')
      .mockResolvedValue({ registered: 7, reserved: 0, use: [] })
    expect(await getErrorCode(online.sync.run())).toBe('SYNC_REPAIR_NEEDED')
    world.wire.exchanges = 0
    for (let i = 0; i < 60; i++) {
      world.clock.advance(60_000)
      await online.sync.runDue()
    }
    expect(world.wire.exchanges).toBeLessThan(60)
    spy.mockRestore()
    world.clock.advance(4 * 3_600_000)
    await online.sync.runDue()
    expect(await online.sync.status()).toMatchObject({ exchange: 'idle', inDoubt: false })
  })

  it('corrects a wrong count at the satellite by a full report', async () => {
    const online = await world.addSatellite('city', { online: true })
    await online.sync.run()
    await registerDevice(() => online, 'device', 4)
    await changeDatabase('city', 'update pools set in_use = in_use + 1')
    expect((await online.sync.run()).outcome).toBe('accepted')
    expect((await online.licenses.list()).filter(({ inUse }) => inUse > 0)).toMatchObject([{ inUse: 4 }])
  })
})

describe('a restored satellite (R-SAT-1)', () => {
  it('keeps its epoch when it is removed and added again, so devices continue', async () => {
    for (const name of ['second', 'third']) {
      await restore(await satellite.operations.backups.create(PASSPHRASE), name)
      await exchangeByFile(manager, satellite)
    }
    const device = await registerDevice(() => satellite, 'device', 4)
    await exchangeByFile(manager, satellite)
    await manager.satellites.remove('branch')
    await manager.satellites.add('branch', { virtualAccount: 'SECOND' })
    expect((await outcomes(3)).at(-1)).toBe('accepted')
    expect((await satellite.sync.status()).epoch).toBeGreaterThan(3)
    world.clock.advance(31 * DAY)
    device.tick()
    await device.idle()
    expect(device.status().authorization.lastAttempt?.outcome).toBe('succeeded')
  })

  it('does not revive ended instances when its first answer is lost', async () => {
    const device = await registerDevice(() => satellite, 'device', 4)
    await exchangeByFile(manager, satellite)
    const backup = await satellite.operations.backups.create(PASSPHRASE)
    await device.deregister()
    await exchangeByFile(manager, satellite)
    await restore(backup, 'again')
    await manager.satellites.respond((await satellite.sync.export()).file)
    await outcomes(2)
    expect(await sums(manager)).toEqual([['BRANCH', 10, 0, 0]])
    expect(await sums(satellite)).toEqual([['Default', 10, 0, 0]])
  })

  it('grants nothing new while in doubt and keeps reservations made since the backup', async () => {
    await satellite.reservations.enable()
    const sealed = await world.openDevice(() => satellite, 'sealed')
    const issued = await satellite.reservations.reserve({
      request: await sealed.reservation.request(),
      licenses: { HOST: 3 },
    })
    await sealed.reservation.install(issued.file)
    await exchangeByFile(manager, satellite)
    const backup = await satellite.operations.backups.create(PASSPHRASE)
    const updated = await satellite.reservations.update(issued.instanceId, { HOST: 9 })
    const { reservation } = await sealed.reservation.update(updated.file)
    const code = reservation.confirmationCode ?? ''
    await satellite.reservations.confirm(issued.instanceId, code)
    await exchangeByFile(manager, satellite)
    await restore(backup, 'again')
    const other = await world.openDevice(() => satellite, 'other')
    const wanted = { request: await other.reservation.request(), licenses: { HOST: 7 } }
    expect(await getErrorCode(satellite.reservations.reserve(wanted))).toBe('SATELLITE_IN_DOUBT')
    expect(await getErrorCode(satellite.tokens.create({ days: 3 }))).toBe('SATELLITE_IN_DOUBT')
    await exchangeByFile(manager, satellite)
    await exchangeByFile(manager, satellite)
    expect(await sums(satellite)).toEqual([['Default', 10, 0, 9]])
    expect(await sums(manager)).toEqual([['BRANCH', 10, 0, 9]])
    expect(await getErrorCode(satellite.reservations.reserve(wanted))).toBe('LICENSES_UNAVAILABLE')
    // The confirmation code of the lost update resolves it.
    await satellite.reservations.confirm(issued.instanceId, code)
    expect(await satellite.reservations.list()).toMatchObject([{ pending: false, licenses: [{ count: 9 }] }])
    await satellite.reservations.acceptReturnCode(issued.instanceId, await sealed.reservation.returnCode())
    await exchangeByFile(manager, satellite)
    expect(await sums(manager)).toEqual([['BRANCH', 10, 0, 0]])
  })

  it('synchronizes after repeated restores of a backup older than an earlier restore', async () => {
    const backup = await satellite.operations.backups.create(PASSPHRASE)
    await restore(backup, 'first')
    await exchangeByFile(manager, satellite)
    await restore(await satellite.operations.backups.create(PASSPHRASE), 'second')
    await exchangeByFile(manager, satellite)
    for (const name of ['third', 'fourth']) {
      world.clock.advance(DAY)
      await restore(backup, name)
      expect((await outcomes(3)).at(-1)).toBe('accepted')
    }
  })

  it('is distinguished from a copy with the same epoch', async () => {
    const backup = await satellite.operations.backups.create(PASSPHRASE)
    await satellite.close()
    await copyStored(inDirectory('branch'), inDirectory('copy'))
    satellite = await world.openSatellite('branch')
    await exchangeByFile(manager, satellite)
    await satellite.close()
    world.clock.advance(DAY)
    satellite = await world.openSatellite('copy')
    expect(await outcomes(2)).toEqual(['repair', 'accepted'])
    world.clock.advance(DAY)
    await restore(backup, 'again')
    expect((await outcomes(3)).at(-1)).toBe('accepted')
  })

  it('reports an instance that was replaced since the backup only once', async () => {
    const online = await world.addSatellite('city', { online: true })
    await online.sync.run()
    const backup = await online.operations.backups.create(PASSPHRASE)
    await registerDevice(() => online, 'device', 4)
    await online.sync.run()
    const { token } = await manager.tokens.create({ days: 30 })
    const twin = await world.openDevice(() => manager, 'twin', sameAs('DEVICE'))
    await twin.register(token, { force: true })
    await online.close()
    await restoreAuthority({
      dataDir: inDirectory('again'),
      backup,
      passphrase: PASSPHRASE,
      clock: world.clock,
    })
    const back = await world.openSatellite('again')
    await back.sync.run()
    world.wire.exchanges = 0
    expect(await back.sync.run()).toMatchObject({ outcome: 'accepted', again: false })
    expect(world.wire.exchanges).toBe(1)
  })
})
