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

/** What went wrong once, or could: found by people who tried to break it. */

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
/** Something done to a database behind its authority's back. */
const change = (directory: string, statement: string, ...values: unknown[]) =>
  runStored(inDirectory(directory), statement, ...values)
const setting = (directory: string, name: string) =>
  JSON.parse(readStoredSetting(inDirectory(directory), name)) as object

const boxAt = async (at: () => Authority, name: string, count: number, more: Partial<OpenOptions> = {}) => {
  const { token } = await at().tokens.create({ days: 300 })
  const agent = await world.box(at, name, more)
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

describe('R-SAT-1: who a satellite is', () => {
  const made = async (name: string, id: string) => {
    await manager.satellites.add(name, { virtualAccount: name.toUpperCase() })
    await Authority.init({
      dataDir: inDirectory(name),
      account: world.account,
      acceptAgreement: true,
      clock: world.clock,
      satellite: { name },
    })
    const identity = setting(name, 'authority')
    await change(
      name,
      `update settings set value = ? where name = 'authority'`,
      JSON.stringify({ ...identity, id }),
    )
    return world.openSatellite(name)
  }

  it('it cannot take the id of its manager, and so become it', async () => {
    const evil = await made('evil', manager.security.identity.id)
    const { file } = await evil.sync.export()
    expect(await getErrorCode(manager.satellites.respond(file))).toBe('SYNC_OTHER_SATELLITE')
    expect((await manager.satellites.list()).find(({ name }) => name === 'evil')?.status).toBe('waiting')
  })

  it('nor that of another satellite', async () => {
    const evil = await made('evil', satellite.security.identity.id)
    const { file } = await evil.sync.export()
    expect(await getErrorCode(manager.satellites.respond(file))).toBe('SYNC_OTHER_SATELLITE')
  })

  it('a request of a stranger that is very long, or full of certificates, costs next to nothing', async () => {
    const block = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
    const signature = `-----BEGIN SIGNATURE-----\n${'A'.repeat(64)}\n${'A'.repeat(20)}==\n-----END SIGNATURE-----\n`
    const text = `SMART LICENSING SYNCHRONIZATION REQUEST, version 1\n${block.repeat(4000)}${signature}`
    expect(text.length).toBeLessThan(256 * 1024)
    expect(await getErrorCode(manager.satellites.respondOnline(text))).toBe('SIGNED_FILE_ALTERED')
    expect(await getErrorCode(manager.satellites.respondOnline(text + block.repeat(4000)))).toBe(
      'REQUEST_MALFORMED',
    )
  })

  it('one that has stopped its clock does not make its mandate last longer', async () => {
    const stopped = new VirtualClock(world.clock.wall())
    await satellite.close()
    satellite = await Authority.open({ dataDir: inDirectory('branch'), clock: stopped })
    const box = await boxAt(() => satellite, 'box', 4)
    for (let i = 0; i < 4; i++) {
      world.clock.advance(25 * DAY)
      box.tick()
      await box.idle()
    }
    expect(box.status()).toMatchObject({
      state: 'auth-expired',
      authorization: { lastAttempt: { reason: { code: 'MANDATE_EXPIRED' } } },
    })
    // Nor does it set back what the box knows of the time.
    expect(box.status().clock.trusted).toBe(true)
    await satellite.close()
  })
})

describe('R-SAT-4 R-ACC-5: what was taken out counts once when it comes back, and not at all before', () => {
  it('removed after it was taken out: its pool is what was bought', async () => {
    await boxAt(() => satellite, 'box', 4)
    await exchangeByFile(manager, satellite)
    world.clock.advance(91 * DAY)
    expect(await sums(manager)).toEqual([['BRANCH', 10, 0, 0]])
    await manager.satellites.remove('branch')
    expect(await manager.licenses.list()).toMatchObject([{ quantity: 10, inUse: 0, available: 10 }])
  })

  it('its boxes elsewhere meanwhile: no pool goes below nothing, and it synchronizes again', async () => {
    const second = await world.addSatellite('second')
    await manager.orders.create({ tag: 'HOST', quantity: 10, virtualAccount: 'SECOND' })
    await exchangeByFile(manager, second)
    await boxAt(() => satellite, 'box', 4)
    await exchangeByFile(manager, satellite)
    world.clock.advance(60 * DAY)
    await exchangeByFile(manager, second)
    world.clock.advance(31 * DAY)
    await boxAt(() => second, 'twin', 4, sameAs('BOX'))
    await exchangeByFile(manager, second)
    expect(await sums(manager)).toEqual([
      ['BRANCH', 10, 0, 0],
      ['SECOND', 10, 4, 0],
    ])
    // It comes back: the newer registration is in force, though nothing here has changed.
    expect(await outcomes(3)).toEqual(['accepted', 'accepted', 'accepted'])
    expect(await sums(manager)).toEqual([
      ['BRANCH', 10, 0, 0],
      ['SECOND', 10, 4, 0],
    ])
    expect(await satellite.instances.list()).toEqual([])
  })

  it('a box that registered at the manager meanwhile is one instance when it comes back', async () => {
    await manager.orders.create({ tag: 'HOST', quantity: 10 })
    await boxAt(() => satellite, 'box', 4)
    await exchangeByFile(manager, satellite)
    world.clock.advance(91 * DAY)
    await boxAt(() => manager, 'twin', 4, sameAs('BOX'))
    const { responded } = await exchangeByFile(manager, satellite)
    expect(responded.notices.join()).toContain('CWMS-K9:BOX')
    await exchangeByFile(manager, satellite)
    expect((await manager.instances.list()).map((one) => one.satellite)).toEqual([null])
    expect(await satellite.instances.list()).toEqual([])
  })

  it('a report that does not come to what it should is undone, and mended when it does', async () => {
    await boxAt(() => satellite, 'box', 4)
    await exchangeByFile(manager, satellite)
    world.clock.advance(91 * DAY)
    await manager.licenses.list()
    await change('branch', 'update pools set in_use = in_use + 1')
    expect((await exchangeByFile(manager, satellite)).imported.outcome).toBe('repair')
    await change('branch', 'update pools set in_use = in_use - 1')
    expect(await outcomes(3)).toEqual(['accepted', 'accepted', 'accepted'])
    expect(await sums(manager)).toEqual([['BRANCH', 10, 4, 0]])
  })

  it('what the manager has counted wrong is right after a full report', async () => {
    await boxAt(() => satellite, 'box', 4)
    await exchangeByFile(manager, satellite)
    await change('manager', 'update pools set in_use = in_use + 3')
    expect(await outcomes(3)).toEqual(['repair', 'accepted', 'accepted'])
    expect(await sums(manager)).toEqual([['BRANCH', 10, 4, 0]])
  })

  it('a refusal by wire changes nothing, however late it comes', async () => {
    const online = await world.addSatellite('city', { online: true })
    await online.sync.run()
    await boxAt(() => online, 'box', 4)
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

  it('removed and added again on the same machine: its boxes count once', async () => {
    await boxAt(() => satellite, 'box', 4)
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

  it('the same request once more, after its answer has run out, is no success', async () => {
    const { file } = await satellite.sync.export()
    await manager.satellites.respond(file)
    world.clock.advance(95 * DAY)
    expect(await getErrorCode(manager.satellites.respond(file))).toBe('SYNC_SUPERSEDED')
    expect(await outcomes(1)).toEqual(['accepted'])
  })
})

describe('R-SLR-9: what a satellite has reserved', () => {
  const reserveTen = async () => {
    await satellite.reservations.enable()
    const sealed = await world.box(() => satellite, 'sealed')
    const issued = await satellite.reservations.reserve({
      request: await sealed.reservation.request(),
      licenses: { HOST: 10 },
    })
    await sealed.reservation.install(issued.file)
    await exchangeByFile(manager, satellite)
    return { sealed, issued }
  }

  it('stays out of the pool when the satellite is taken out or removed, until a person answers for the box', async () => {
    const { sealed, issued } = await reserveTen()
    await manager.reservations.enable()
    world.clock.advance(91 * DAY)
    expect(await sums(manager)).toEqual([['BRANCH', 10, 0, 10]])
    await manager.satellites.remove('branch')
    world.clock.advance(91 * DAY)
    expect(await sums(manager)).toEqual([['BRANCH', 10, 0, 10]])
    expect(sealed.status().state).toBe('reserved')
    const other = await world.box(() => manager, 'other')
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

  it('cannot be ended at the manager while the satellite is there to do it', async () => {
    const { issued } = await reserveTen()
    expect(
      await getErrorCode(
        manager.reservations.writeOff(issued.instanceId, { reason: 'not ours', by: 'test' }),
      ),
    ).toBe('NOT_FOUND')
  })

  it('codes of a box are good after a restore, however far the box has gone on', async () => {
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

  it('is in no doubt after a restore where nothing differs but a term that has ended', async () => {
    await manager.orders.create({ tag: 'HOST', quantity: 3, virtualAccount: 'BRANCH', termDays: 20 })
    await exchangeByFile(manager, satellite)
    await satellite.reservations.enable()
    const sealed = await world.box(() => satellite, 'sealed')
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

  it('comes back with its serial number left out, and is the same box all the same', async () => {
    await satellite.sync.setRedactedFields(['serial-numbers'])
    const backup = await satellite.operations.backups.create(PASSPHRASE)
    await reserveTen()
    await restore(backup, 'again')
    await outcomes(2)
    const twin = await world.box(() => satellite, 'twin', sameAs('SEALED'))
    const { token } = await satellite.tokens.create({ days: 3 })
    expect(await getErrorCode(twin.register(token))).toBe('INSTANCE_RESERVED')
    // From here on they are told again, of each instance.
    await satellite.sync.setRedactedFields([])
    expect((await satellite.sync.export()).instances).toBe(1)
  })
})

describe('R-ACC-3: transfers that were lost', () => {
  it('a second recall, of another lot, is not forgotten', async () => {
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

  it('what was given to a satellite that never came is taken back at once', async () => {
    await manager.satellites.add('never', { virtualAccount: 'NEVER' })
    await manager.orders.create({ tag: 'HOST', quantity: 3, virtualAccount: 'NEVER' })
    const done = await manager.licenses.transfer({ tag: 'HOST', quantity: 3, from: 'NEVER', to: 'Default' })
    expect(done.status).toBe('done')
  })

  it('what a recall will do is shown, and one that leaves too little must be meant', async () => {
    await boxAt(() => satellite, 'box', 8)
    await exchangeByFile(manager, satellite)
    const wanted = { tag: 'HOST', quantity: 7, from: 'BRANCH', to: 'Default' }
    expect((await manager.licenses.transfer({ ...wanted, preview: true })).effects).toMatchObject([
      { before: { quantity: 10 }, after: { quantity: 3, status: 'out-of-compliance' } },
      { before: { quantity: 0 }, after: { quantity: 7 } },
    ])
    expect(await getErrorCode(manager.licenses.transfer(wanted))).toBe('TRANSFER_UNCONFIRMED')
    expect((await manager.satellites.list())[0]?.reclaims).toEqual([])
  })

  it('an account with a past, and one that licenses are on their way to', async () => {
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

  it('more than ten million of a tag is still a mandate', async () => {
    for (let i = 0; i < 2; i++)
      await manager.orders.create({ tag: 'HOST', quantity: 6_000_000, virtualAccount: 'BRANCH' })
    expect((await exchangeByFile(manager, satellite)).imported.outcome).toBe('accepted')
    expect(await sums(satellite)).toEqual([['Default', 12_000_010, 0, 0]])
  })
})

describe('R-SAT-1: names that meet', () => {
  it('a further account called Default does not take the place of the first', async () => {
    await manager.accounts.addVirtualAccount('Main')
    await manager.accounts.setDefaultVirtualAccount('Main')
    await manager.satellites.addVirtualAccount('branch', 'Default')
    await manager.orders.create({ tag: 'HOST', quantity: 2, virtualAccount: 'Default' })
    await exchangeByFile(manager, satellite)
    await boxAt(() => satellite, 'box', 8)
    for (let i = 0; i < 2; i++) await exchangeByFile(manager, satellite)
    expect(await sums(satellite)).toEqual([
      ['Default', 10, 8, 0],
      ['Default (manager)', 2, 0, 0],
    ])
    expect(await sums(manager)).toEqual([
      ['BRANCH', 10, 8, 0],
      ['Default', 2, 0, 0],
    ])
    // Nothing has changed: nothing is reported.
    expect((await satellite.sync.export()).instances).toBe(0)
  })

  it('a further account with the name of one that is in use here arrives under another', async () => {
    await satellite.accounts.addVirtualAccount('North')
    await satellite.licenses.transfer({ from: 'Default', to: 'North', tag: 'HOST', quantity: 6 })
    const { token } = await satellite.tokens.create({ days: 300, virtualAccount: 'North' })
    const box = await world.box(() => satellite, 'box')
    box.setUsage('HOST', 6)
    await box.register(token)
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

  it('a satellite whose clock is ahead makes its registrations no newer than they can be', async () => {
    await boxAt(() => satellite, 'box', 4, sameAs('VICTIM'))
    await change('branch', 'update instances set registered_at = registered_at + ?', 36_500 * DAY)
    world.clock.advance(DAY)
    await boxAt(() => manager, 'twin', 4, sameAs('VICTIM'))
    world.clock.advance(-1)
    await exchangeByFile(manager, satellite)
    expect((await manager.instances.list()).map((one) => one.satellite)).toEqual([null])
  })
})

describe('R-SAT-4: a clock that was wrong', () => {
  it('of a satellite, once: one exchange sets it right, and its boxes believe it', async () => {
    const box = await boxAt(() => satellite, 'box', 4)
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
    box.tick()
    await box.idle()
    expect(box.status()).toMatchObject({
      state: 'authorized',
      authorization: { lastAttempt: { outcome: 'succeeded' } },
    })
  })

  it('of a satellite, still: it is told, and nothing goes back and forth', async () => {
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

  it('an answer that lay about until it had run out is refused', async () => {
    const { file } = await satellite.sync.export()
    const { file: answer } = await manager.satellites.respond(file)
    world.clock.advance(91 * DAY)
    expect(await getErrorCode(satellite.sync.import(answer))).toBe('SYNC_ANSWER_LAPSED')
    expect(await outcomes(1)).toEqual(['accepted'])
  })
})

describe('R-SAT-2: by wire, when something stays wrong', () => {
  it('another road that another process has set is taken', async () => {
    const urls: string[] = []
    const online = await world.addSatellite('city', { online: true })
    await online.close()
    const served = await Authority.open({
      dataDir: inDirectory('city'),
      clock: world.clock,
      createTransport: ({ url }) => {
        urls.push(url)
        return world.managerTransport()
      },
    })
    await served.sync.run()
    const other = await world.openSatellite('city')
    await other.sync.setManager({ kind: 'direct', url: 'https://new.test' })
    await served.sync.run()
    await served.sync.run()
    await served.close()
    expect(urls).toEqual(['https://manager.test', 'https://new.test'])
  })

  it('a manager that asks for everything again and again is asked more and more rarely', async () => {
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

  it('what the satellite has counted wrong is right after everything was told', async () => {
    const online = await world.addSatellite('city', { online: true })
    await online.sync.run()
    await boxAt(() => online, 'box', 4)
    await change('city', 'update pools set in_use = in_use + 1')
    expect((await online.sync.run()).outcome).toBe('accepted')
    expect((await online.licenses.list()).filter(({ inUse }) => inUse > 0)).toMatchObject([{ inUse: 4 }])
  })
})

describe('R-SAT-1: restores', () => {
  it('removed and added again in a late epoch: boxes go on, since no epoch goes back', async () => {
    for (const name of ['second', 'third']) {
      await restore(await satellite.operations.backups.create(PASSPHRASE), name)
      await exchangeByFile(manager, satellite)
    }
    const box = await boxAt(() => satellite, 'box', 4)
    await exchangeByFile(manager, satellite)
    await manager.satellites.remove('branch')
    await manager.satellites.add('branch', { virtualAccount: 'SECOND' })
    expect((await outcomes(3)).at(-1)).toBe('accepted')
    expect((await satellite.sync.status()).epoch).toBeGreaterThan(3)
    world.clock.advance(31 * DAY)
    box.tick()
    await box.idle()
    expect(box.status().authorization.lastAttempt?.outcome).toBe('succeeded')
  })

  it('a first answer that is lost brings nothing back that had ended', async () => {
    const box = await boxAt(() => satellite, 'box', 4)
    await exchangeByFile(manager, satellite)
    const backup = await satellite.operations.backups.create(PASSPHRASE)
    await box.deregister()
    await exchangeByFile(manager, satellite)
    await restore(backup, 'again')
    await manager.satellites.respond((await satellite.sync.export()).file)
    await outcomes(2)
    expect(await sums(manager)).toEqual([['BRANCH', 10, 0, 0]])
    expect(await sums(satellite)).toEqual([['Default', 10, 0, 0]])
  })

  it('promises nothing new while it is in doubt, and holds what was promised since the backup', async () => {
    await satellite.reservations.enable()
    const sealed = await world.box(() => satellite, 'sealed')
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
    const other = await world.box(() => satellite, 'other')
    const wanted = { request: await other.reservation.request(), licenses: { HOST: 7 } }
    expect(await getErrorCode(satellite.reservations.reserve(wanted))).toBe('SATELLITE_IN_DOUBT')
    expect(await getErrorCode(satellite.tokens.create({ days: 3 }))).toBe('SATELLITE_IN_DOUBT')
    await exchangeByFile(manager, satellite)
    await exchangeByFile(manager, satellite)
    expect(await sums(satellite)).toEqual([['Default', 10, 0, 9]])
    expect(await sums(manager)).toEqual([['BRANCH', 10, 0, 9]])
    expect(await getErrorCode(satellite.reservations.reserve(wanted))).toBe('LICENSES_UNAVAILABLE')
    // The code of the update that was forgotten settles it.
    await satellite.reservations.confirm(issued.instanceId, code)
    expect(await satellite.reservations.list()).toMatchObject([{ pending: false, licenses: [{ count: 9 }] }])
    await satellite.reservations.acceptReturnCode(issued.instanceId, await sealed.reservation.returnCode())
    await exchangeByFile(manager, satellite)
    expect(await sums(manager)).toEqual([['BRANCH', 10, 0, 0]])
  })

  it('from a backup that is older than an earlier restore, as often as it has to be', async () => {
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

  it('a copy and a restore that meet in one epoch are told apart', async () => {
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

  it('an instance that gave way while the backup lay about is not told of for ever', async () => {
    const online = await world.addSatellite('city', { online: true })
    await online.sync.run()
    const backup = await online.operations.backups.create(PASSPHRASE)
    await boxAt(() => online, 'box', 4)
    await online.sync.run()
    const { token } = await manager.tokens.create({ days: 30 })
    const twin = await world.box(() => manager, 'twin', sameAs('BOX'))
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
