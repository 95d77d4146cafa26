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
let box: SmartAgent
beforeEach(async () => {
  world = await createSatelliteEnvironment()
  satellite = await world.addSatellite('branch', { online: true })
  await world.manager.orders.create({ tag: 'HOST', quantity: 10, virtualAccount: 'BRANCH' })
  await satellite.sync.run()
  box = await world.box(() => satellite, 'box')
  box.setUsage('HOST', 4)
  await box.register((await satellite.tokens.create({ days: 365 })).token)
  await satellite.sync.run()
})
afterEach(() => world.close())

const pass = async (days: number) => {
  for (let i = 0; i < days; i++) {
    world.clock.advance(DAY)
    box.tick()
    await box.idle()
    // Both are served: what time brings there is looked after.
    await world.manager.satellites.list()
    await satellite.sync.runDue()
  }
}
const types = async (authority: Authority) =>
  (await authority.operations.events.list()).map(({ type }) => type)
const listed = async () => (await world.manager.satellites.list())[0]

describe('R-SAT-4: overdue synchronization warns, then restricts, on both sides', () => {
  it('says the dates beforehand, on both sides', async () => {
    const at = world.clock.wall()
    const dates = {
      overdueAt: new Date(at + 30 * DAY).toISOString(),
      restrictedAt: new Date(at + 90 * DAY).toISOString(),
      automaticUntil: new Date(at + 180 * DAY).toISOString(),
    }
    expect(await satellite.sync.status()).toMatchObject({ status: 'current', ...dates })
    expect(await listed()).toMatchObject({ status: 'current', ...dates })
  })

  it('warns after 30 days; boxes notice nothing', async () => {
    await pass(31)
    expect((await satellite.sync.status()).status).toBe('overdue')
    expect((await listed())?.status).toBe('overdue')
    expect(await types(satellite)).toContain('SYNC_OVERDUE')
    expect(await types(world.manager)).toContain('SYNCHRONIZATION_OVERDUE')
    expect(box.status().state).toBe('authorized')
    // Once, and not again.
    await pass(5)
    expect((await types(world.manager)).filter((type) => type === 'SYNCHRONIZATION_OVERDUE')).toHaveLength(1)
    expect((await types(satellite)).filter((type) => type === 'SYNC_OVERDUE')).toHaveLength(1)
    await satellite.sync.run()
    expect((await satellite.sync.status()).status).toBe('current')
    expect((await listed())?.status).toBe('current')
  })

  it('restricts after 90: nothing new is granted, and the manager takes it out of its counts', async () => {
    await pass(89)
    expect((await listed())?.status).toBe('overdue')
    await pass(1)
    expect((await satellite.sync.status()).status).toBe('restricted')
    expect(await getErrorCode(satellite.tokens.create({ days: 3 }))).toBe('SATELLITE_OUT_OF_TOUCH')
    expect(await types(satellite)).toContain('SYNC_RESTRICTED')
    expect(await listed()).toMatchObject({ status: 'expired' })
    expect(await types(world.manager)).toContain('SATELLITE_EXPIRED')
    expect(await world.manager.licenses.list()).toMatchObject([{ quantity: 10, inUse: 0 }])
    expect(await world.manager.instances.list()).toEqual([])
  })

  it('no sooner and no later than to the second', async () => {
    const { restrictedAt } = await satellite.sync.status()
    world.clock.advance(Date.parse(restrictedAt ?? '') - world.clock.wall() - 1000)
    expect((await satellite.sync.status()).status).toBe('overdue')
    await satellite.tokens.create({ days: 3 })
    world.clock.advance(1000)
    expect((await satellite.sync.status()).status).toBe('restricted')
    expect(await getErrorCode(satellite.tokens.create({ days: 3 }))).toBe('SATELLITE_OUT_OF_TOUCH')
  })

  it('both periods are the manager’s to set, and are told at the next exchange', async () => {
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
    await pass(14)
    expect((await satellite.sync.status()).status).toBe('restricted')
    expect((await listed())?.status).toBe('expired')
  })
})

describe('R-AUTH-5: behind a satellite that has lost its manager', () => {
  it('no authorization outlasts the mandate, and none occurs after it; an exchange by hand mends it', async () => {
    const { restrictedAt } = await satellite.sync.status()
    await pass(88)
    expect(box.status()).toMatchObject({
      state: 'authorized',
      authorization: { deadlineAt: restrictedAt },
    })
    await pass(3)
    expect(box.status()).toMatchObject({
      state: 'auth-expired',
      functionality: 'full',
      authorization: { lastAttempt: { outcome: 'failed', reason: { code: 'SATELLITE_OUT_OF_TOUCH' } } },
    })
    // It asks again by itself, and is told the same.
    const { nextAttemptAt } = box.status().authorization
    expect(Date.parse(nextAttemptAt ?? '') - world.clock.wall()).toBeLessThanOrEqual(12 * HOUR)
    // By wire nothing is answered any more: a person has to carry it.
    expect(await getErrorCode(satellite.sync.run())).toBe('SATELLITE_EXPIRED')
    expect(await satellite.sync.status()).toMatchObject({ exchange: 'blocked', nextSyncAt: null })
    const { imported } = await exchangeByFile(world.manager, satellite)
    expect(imported.outcome).toBe('accepted')
    await pass(1)
    expect(box.status().state).toBe('authorized')
    expect(await listed()).toMatchObject({ status: 'current' })
    expect(await world.manager.licenses.list()).toMatchObject([{ quantity: 10, inUse: 4 }])
    // And by wire again.
    expect((await satellite.sync.run()).outcome).toBe('accepted')
  })

  it('a box that waits for its first authorization gets it when the satellite is mended, by itself', async () => {
    const { token } = await satellite.tokens.create({ days: 365 })
    await pass(91)
    const late = await world.box(() => satellite, 'late')
    expect(await getErrorCode(late.register(token))).toBe('SATELLITE_OUT_OF_TOUCH')
    await exchangeByFile(world.manager, satellite)
    await late.register(token)
    expect(late.status().state).toBe('authorized')
  })

  it('what is in use is counted all the same, and reported afterwards', async () => {
    await pass(91)
    box.setUsage('HOST', 9)
    world.clock.advance(60_000)
    box.tick()
    await box.idle()
    expect(await satellite.licenses.list()).toMatchObject([{ inUse: 9 }])
    await exchangeByFile(world.manager, satellite)
    await exchangeByFile(world.manager, satellite)
    expect(await world.manager.licenses.list()).toMatchObject([{ inUse: 9 }])
  })
})

describe('R-SAT-2: the credential for synchronizing by itself', () => {
  it('lives 180 days from its last use; its end is announced on both sides, and an exchange by hand renews it', async () => {
    await world.manager.satellites.configure('branch', { restrictDays: 365, warnDays: 300 })
    await satellite.sync.run()
    await pass(149)
    expect((await satellite.sync.status()).credential).toBe('valid')
    await pass(2)
    expect((await satellite.sync.status()).credential).toBe('expiring')
    await pass(30)
    expect((await satellite.sync.status()).credential).toBe('ended')
    for (const said of ['SYNC_CREDENTIAL_ENDING', 'SYNC_CREDENTIAL_ENDED'])
      expect(await types(satellite)).toContain(said)
    for (const said of ['SATELLITE_CREDENTIAL_ENDING', 'SATELLITE_CREDENTIAL_ENDED'])
      expect(await types(world.manager)).toContain(said)
    expect(await getErrorCode(satellite.sync.run())).toBe('SYNC_CREDENTIAL_EXPIRED')
    await exchangeByFile(world.manager, satellite)
    expect((await satellite.sync.run()).outcome).toBe('accepted')
    expect((await satellite.sync.status()).credential).toBe('valid')
  })
})

describe('R-SAT-4: clocks that differ', () => {
  it('a satellite whose clock is behind takes the manager’s time, and never goes back', async () => {
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

  it('a satellite that is set back cannot make its mandate last longer', async () => {
    await pass(89)
    world.clock.setWall(world.clock.wall() - 80 * DAY)
    world.clock.advance(2 * DAY)
    expect((await satellite.sync.status()).status).toBe('restricted')
  })
})
