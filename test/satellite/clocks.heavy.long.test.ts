import { afterEach, beforeEach, expect } from 'vitest'
import type { SmartAgent } from '../../src/index.ts'
import type { Authority } from '../../src/authority/index.ts'
import { DAY, HOUR } from '../../src/core/time.ts'
import {
  exchangeByFile,
  createSatelliteEnvironment,
  type SatelliteEnvironment,
} from '../support/satellite.ts'
import { getErrorCode } from '../support/test-environment.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(3)

let world: SatelliteEnvironment
let satellite: Authority
let device: SmartAgent
beforeEach(async () => {
  world = await createSatelliteEnvironment()
  satellite = await world.addSatellite('branch', { online: true })
  await world.manager.orders.create({ tag: 'HOST', quantity: 10, virtualAccount: 'BRANCH' })
  await satellite.sync.run()
  device = await world.openDevice(() => satellite, 'device')
  device.setUsage('HOST', 4)
  await device.register((await satellite.tokens.create({ days: 365 })).token)
  await satellite.sync.run()
})
afterEach(() => world.close())

const passDays = async (days: number) => {
  for (let i = 0; i < days; i++) {
    world.clock.advance(DAY)
    device.tick()
    await device.idle()
    // Run the time-driven work of both authorities.
    await world.manager.satellites.list()
    await satellite.sync.runDue()
  }
}
const types = async (authority: Authority) =>
  (await authority.operations.events.list()).map(({ type }) => type)
const getSatelliteDocument = async () => (await world.manager.satellites.list())[0]

describe('an overdue synchronization, on both sides (R-SAT-4)', () => {
  it('has its warning and restriction dates reported beforehand', async () => {
    const at = world.clock.wall()
    const dates = {
      overdueAt: new Date(at + 30 * DAY).toISOString(),
      restrictedAt: new Date(at + 90 * DAY).toISOString(),
      automaticUntil: new Date(at + 180 * DAY).toISOString(),
    }
    expect(await satellite.sync.status()).toMatchObject({ status: 'current', ...dates })
    expect(await getSatelliteDocument()).toMatchObject({ status: 'current', ...dates })
  })

  it('causes a warning after 30 days without an effect on devices', async () => {
    await passDays(31)
    expect((await satellite.sync.status()).status).toBe('overdue')
    expect((await getSatelliteDocument())?.status).toBe('overdue')
    expect(await types(satellite)).toContain('SYNC_OVERDUE')
    expect(await types(world.manager)).toContain('SYNCHRONIZATION_OVERDUE')
    expect(device.status().state).toBe('authorized')
    // The warning is recorded once.
    await passDays(5)
    expect((await types(world.manager)).filter((type) => type === 'SYNCHRONIZATION_OVERDUE')).toHaveLength(1)
    expect((await types(satellite)).filter((type) => type === 'SYNC_OVERDUE')).toHaveLength(1)
    await satellite.sync.run()
    expect((await satellite.sync.status()).status).toBe('current')
    expect((await getSatelliteDocument())?.status).toBe('current')
  })

  it('causes a restriction after 90 days: no new grants, and no usage counted at the manager', async () => {
    await passDays(89)
    expect((await getSatelliteDocument())?.status).toBe('overdue')
    await passDays(1)
    expect((await satellite.sync.status()).status).toBe('restricted')
    expect(await getErrorCode(satellite.tokens.create({ days: 3 }))).toBe('SATELLITE_OUT_OF_TOUCH')
    expect(await types(satellite)).toContain('SYNC_RESTRICTED')
    expect(await getSatelliteDocument()).toMatchObject({ status: 'expired' })
    expect(await types(world.manager)).toContain('SATELLITE_EXPIRED')
    expect(await world.manager.licenses.list()).toMatchObject([{ quantity: 10, inUse: 0 }])
    expect(await world.manager.instances.list()).toEqual([])
  })

  it('causes the restriction exactly at the announced second', async () => {
    const { restrictedAt } = await satellite.sync.status()
    world.clock.advance(Date.parse(restrictedAt ?? '') - world.clock.wall() - 1000)
    expect((await satellite.sync.status()).status).toBe('overdue')
    await satellite.tokens.create({ days: 3 })
    world.clock.advance(1000)
    expect((await satellite.sync.status()).status).toBe('restricted')
    expect(await getErrorCode(satellite.tokens.create({ days: 3 }))).toBe('SATELLITE_OUT_OF_TOUCH')
  })

  it('follows the periods set by the manager from the next exchange on', async () => {
    const { satellites } = world.manager
    await satellites.configure('branch', { warnDays: 7, restrictDays: 14, credentialDays: 60 })
    expect(
      await getErrorCode(Promise.resolve().then(() => satellites.configure('branch', { warnDays: 15 }))),
    ).toBe('INVALID_ARGUMENT')
    await satellite.sync.run()
    const at = world.clock.wall()
    expect(await satellite.sync.status()).toMatchObject({
      overdueAt: new Date(at + 7 * DAY).toISOString(),
      restrictedAt: new Date(at + 14 * DAY).toISOString(),
      automaticUntil: new Date(at + 60 * DAY).toISOString(),
    })
    await passDays(14)
    expect((await satellite.sync.status()).status).toBe('restricted')
    expect((await getSatelliteDocument())?.status).toBe('expired')
  })
})

describe('a device of a satellite that has lost its manager (R-AUTH-5)', () => {
  it('has no authorization beyond the delegation until an offline exchange renews it', async () => {
    const { restrictedAt } = await satellite.sync.status()
    await passDays(88)
    expect(device.status()).toMatchObject({
      state: 'authorized',
      authorization: { deadlineAt: restrictedAt },
    })
    await passDays(3)
    expect(device.status()).toMatchObject({
      state: 'auth-expired',
      functionality: 'full',
      authorization: { lastAttempt: { outcome: 'failed', reason: { code: 'SATELLITE_OUT_OF_TOUCH' } } },
    })
    // The device has scheduled its next attempt.
    const { nextAttemptAt } = device.status().authorization
    expect(Date.parse(nextAttemptAt ?? '') - world.clock.wall()).toBeLessThanOrEqual(12 * HOUR)
    // The manager no longer answers online, so an administrator has to exchange files.
    expect(await getErrorCode(satellite.sync.run())).toBe('SATELLITE_EXPIRED')
    expect(await satellite.sync.status()).toMatchObject({ exchange: 'blocked', nextSyncAt: null })
    const { imported } = await exchangeByFile(world.manager, satellite)
    expect(imported.outcome).toBe('accepted')
    await passDays(1)
    expect(device.status().state).toBe('authorized')
    expect(await getSatelliteDocument()).toMatchObject({ status: 'current' })
    expect(await world.manager.licenses.list()).toMatchObject([{ quantity: 10, inUse: 4 }])
    // The online exchange works again.
    expect((await satellite.sync.run()).outcome).toBe('accepted')
  })

  it('registers once the satellite has synchronized again', async () => {
    const { token } = await satellite.tokens.create({ days: 365 })
    await passDays(91)
    const late = await world.openDevice(() => satellite, 'late')
    expect(await getErrorCode(late.register(token))).toBe('SATELLITE_OUT_OF_TOUCH')
    await exchangeByFile(world.manager, satellite)
    await late.register(token)
    expect(late.status().state).toBe('authorized')
  })

  it('still has its usage counted, and reported after the next exchange', async () => {
    await passDays(91)
    device.setUsage('HOST', 9)
    world.clock.advance(60_000)
    device.tick()
    await device.idle()
    expect(await satellite.licenses.list()).toMatchObject([{ inUse: 9 }])
    await exchangeByFile(world.manager, satellite)
    await exchangeByFile(world.manager, satellite)
    expect(await world.manager.licenses.list()).toMatchObject([{ inUse: 9 }])
  })
})

describe('the credential for automatic synchronization (R-SAT-2)', () => {
  it('lasts 180 days from its last use, is announced before its end and is renewed by an offline exchange', async () => {
    await world.manager.satellites.configure('branch', { restrictDays: 365, warnDays: 300 })
    await satellite.sync.run()
    await passDays(149)
    expect((await satellite.sync.status()).credential).toBe('valid')
    await passDays(2)
    expect((await satellite.sync.status()).credential).toBe('expiring')
    await passDays(30)
    expect((await satellite.sync.status()).credential).toBe('expired')
    for (const type of ['SYNC_CREDENTIAL_ENDING', 'SYNC_CREDENTIAL_ENDED'])
      expect(await types(satellite)).toContain(type)
    for (const type of ['SATELLITE_CREDENTIAL_ENDING', 'SATELLITE_CREDENTIAL_ENDED'])
      expect(await types(world.manager)).toContain(type)
    expect(await getErrorCode(satellite.sync.run())).toBe('SYNC_CREDENTIAL_EXPIRED')
    await exchangeByFile(world.manager, satellite)
    expect((await satellite.sync.run()).outcome).toBe('accepted')
    expect((await satellite.sync.status()).credential).toBe('valid')
  })
})

describe('clocks that differ (R-SAT-4)', () => {
  it('a satellite with a slow clock adopts the time of the manager and never goes back', async () => {
    const slow = world.clock.wall()
    world.clock.setWall(slow + 10 * DAY)
    const { file } = await satellite.sync.export()
    const { file: answer } = await world.manager.satellites.respond(file)
    world.clock.setWall(slow)
    await satellite.sync.import(answer)
    const { lastSyncAt } = await satellite.sync.status()
    expect(Date.parse(lastSyncAt ?? '')).toBe(slow + 10 * DAY)
    const token = await satellite.tokens.create({ days: 1 })
    expect(Date.parse(token.expiresAt)).toBeGreaterThanOrEqual(slow + 11 * DAY)
  })

  it('a satellite cannot extend its delegation by setting its clock back', async () => {
    await passDays(89)
    world.clock.setWall(world.clock.wall() - 80 * DAY)
    world.clock.advance(2 * DAY)
    expect((await satellite.sync.status()).status).toBe('restricted')
  })
})
