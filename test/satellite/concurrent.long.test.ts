import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SmartAgent } from '../../src/index.ts'
import type { Authority } from '../../src/authority/index.ts'
import { DAY } from '../../src/core/time.ts'
import { createSatelliteEnvironment, type SatelliteEnvironment } from '../support/satellite.ts'

let world: SatelliteEnvironment
beforeEach(async () => {
  world = await createSatelliteEnvironment()
})
afterEach(() => world.close())

describe('two satellites and their manager with shared licenses (R-ACC-2, R-SAT-1)', () => {
  it('report exactly the pools that are out of compliance under concurrent use', async () => {
    const { manager } = world
    await manager.orders.create({ tag: 'HOST', quantity: 30 })
    const satellites = [
      await world.addSatellite('north', { online: true }),
      await world.addSatellite('south', { online: true }),
    ]
    for (const to of ['NORTH', 'SOUTH'])
      await manager.licenses.transfer({ tag: 'HOST', quantity: 10, from: 'Default', to })
    for (const { sync } of satellites) await sync.run()
    const sites: { authority: Authority; devices: SmartAgent[] }[] = []
    for (const [index, authority] of [manager, ...satellites].entries()) {
      const devices: SmartAgent[] = []
      for (let i = 0; i < 3; i++)
        devices.push(await world.openDevice(() => authority, `device-${index}-${i}`))
      sites.push({ authority, devices })
    }
    // Registrations, usage reports, exchanges and a purchase run concurrently.
    await Promise.all([
      ...sites.flatMap(({ authority, devices }) =>
        devices.map(async (device) => {
          const { token } = await authority.tokens.create({ days: 30 })
          device.setUsage('HOST', 4)
          await device.register(token)
        }),
      ),
      ...satellites.map(async ({ sync }) => {
        for (let i = 0; i < 4; i++) await sync.run()
      }),
      manager.orders.create({ tag: 'HOST', quantity: 2, virtualAccount: 'NORTH' }),
    ])
    world.clock.advance(DAY)
    for (const { devices } of sites)
      for (const device of devices) {
        device.tick()
        await device.idle()
      }
    for (const { sync } of satellites) await sync.run()
    // 12 of 12 licenses are in use at the north satellite, and 12 of 10 at the south one and the manager.
    const licenses = await manager.licenses.list()
    expect(
      licenses.map(({ virtualAccount, quantity, inUse, status }) => [
        virtualAccount,
        quantity,
        inUse,
        status,
      ]),
    ).toEqual([
      ['Default', 10, 12, 'out-of-compliance'],
      ['NORTH', 12, 12, 'in-compliance'],
      ['SOUTH', 10, 12, 'out-of-compliance'],
    ])
    expect(await satellites[1]?.licenses.list()).toMatchObject([{ inUse: 12, status: 'out-of-compliance' }])
    const excess = (await manager.operations.events.list()).filter(
      ({ type }) => type === 'INSUFFICIENT_LICENSES',
    )
    for (const name of ['Default', 'SOUTH'])
      expect(excess.map(({ virtualAccount }) => virtualAccount)).toContain(name)
    // At its next contact each device learns the compliance of its own pool.
    world.clock.advance(31 * DAY)
    const states = []
    for (const { devices } of sites)
      for (const device of devices) {
        device.tick()
        await device.idle()
        states.push(device.status().state)
      }
    expect(states).toEqual([
      ...Array<string>(3).fill('out-of-compliance'),
      ...Array<string>(3).fill('authorized'),
      ...Array<string>(3).fill('out-of-compliance'),
    ])
  })
})
