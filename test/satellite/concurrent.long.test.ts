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

describe('R-ACC-2 R-SAT-1: two satellites and the manager draw on one purchase at once', () => {
  it('no pool says that it is covered when it is not, and every excess is reported', async () => {
    const { manager } = world
    await manager.orders.create({ tag: 'HOST', quantity: 30 })
    const satellites = [
      await world.addSatellite('north', { online: true }),
      await world.addSatellite('south', { online: true }),
    ]
    for (const to of ['NORTH', 'SOUTH'])
      await manager.licenses.transfer({ tag: 'HOST', quantity: 10, from: 'Default', to })
    for (const one of satellites) await one.sync.run()
    const places: { authority: Authority; boxes: SmartAgent[] }[] = []
    for (const [index, authority] of [manager, ...satellites].entries()) {
      const boxes: SmartAgent[] = []
      for (let i = 0; i < 3; i++) boxes.push(await world.box(() => authority, `box-${index}-${i}`))
      places.push({ authority, boxes })
    }
    // Everything at a time: registrations, what they use, exchanges, and a purchase.
    await Promise.all([
      ...places.flatMap(({ authority, boxes }) =>
        boxes.map(async (box) => {
          const { token } = await authority.tokens.create({ days: 30 })
          box.setUsage('HOST', 4)
          await box.register(token)
        }),
      ),
      ...satellites.map(async ({ sync }) => {
        for (let i = 0; i < 4; i++) await sync.run()
      }),
      manager.orders.create({ tag: 'HOST', quantity: 2, virtualAccount: 'NORTH' }),
    ])
    world.clock.advance(DAY)
    for (const { boxes } of places)
      for (const box of boxes) {
        box.tick()
        await box.idle()
      }
    for (const { sync } of satellites) await sync.run()
    // Twelve in use of twelve in the north; of ten in the south, and at the manager.
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
    // By the next contact each box knows: whoever is in a pool that is not covered is told so, and nobody else.
    world.clock.advance(31 * DAY)
    const states = []
    for (const { boxes } of places)
      for (const box of boxes) {
        box.tick()
        await box.idle()
        states.push(box.status().state)
      }
    expect(states).toEqual([
      ...Array<string>(3).fill('out-of-compliance'),
      ...Array<string>(3).fill('authorized'),
      ...Array<string>(3).fill('out-of-compliance'),
    ])
  })
})
