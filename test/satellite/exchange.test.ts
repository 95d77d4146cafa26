import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DAY } from '../../src/domain/instant.ts'
import { carry, makeSealedWorld, type SealedWorld } from '../support/satellite.ts'
import { codeOf } from '../support/world.ts'

let world: SealedWorld
beforeEach(async () => {
  world = await makeSealedWorld()
})
afterEach(() => world.close())

describe('R-SAT-1 R-SAT-3: a satellite with no network', () => {
  it('registers by two files, and serves boxes that trust the manager’s root', async () => {
    const { manager } = world
    const satellite = await world.addSatellite('branch')
    await manager.order({ tag: 'HOST', quantity: 10, virtualAccount: 'BRANCH' })
    expect(await codeOf(satellite.createToken({ days: 30 }))).toBe('SATELLITE_NOT_REGISTERED')
    const { responded, imported, request, answer } = await carry(manager, satellite)
    expect(responded.registered).toBe(true)
    expect(imported).toMatchObject({ outcome: 'accepted', registered: true })
    expect(await satellite.licenses()).toMatchObject([{ virtualAccount: 'Default', tag: 'HOST', quantity: 10 }])
    const { token } = await satellite.createToken({ days: 30 })
    const box = await world.box(() => satellite, 'box')
    box.report('HOST', 4)
    await box.register(token)
    expect(box.status()).toMatchObject({ state: 'authorized', registration: { virtualAccount: 'Default' } })
    const second = await carry(manager, satellite)
    expect(await manager.licenses()).toMatchObject([{ virtualAccount: 'BRANCH', quantity: 10, inUse: 4 }])
    expect(await manager.instances()).toMatchObject([{ satellite: 'branch', status: 'in-compliance' }])
  })

  it('by wire', async () => {
    const satellite = await world.addSatellite('branch', { online: true })
    await world.manager.order({ tag: 'HOST', quantity: 10, virtualAccount: 'BRANCH' })
    await satellite.sync.now()
    const { token } = await satellite.createToken({ days: 30 })
    const box = await world.box(() => satellite, 'box')
    box.report('HOST', 12)
    await box.register(token)
    expect(box.status().state).toBe('out-of-compliance')
    await satellite.sync.now()
    expect(await world.manager.licenses()).toMatchObject([{ inUse: 12, balance: -2 }])
    world.clock.advance(91 * DAY)
    expect((await satellite.sync.status()).standing).toBe('restricted')
    box.tick()
    await box.settled()
    expect(box.status()).toMatchObject({ state: 'auth-expired', authorization: { lastAttempt: { reason: { code: 'SATELLITE_OUT_OF_TOUCH' } } } })
  })
})
