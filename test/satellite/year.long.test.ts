import { describe, expect, it } from 'vitest'
import { DAY } from '../../src/core/time.ts'
import { createSatelliteEnvironment, type WireFault } from '../support/satellite.ts'

const WEEK = 7 * DAY
/** Faults of the weekly exchange, used in turn. */
const FAULTS: readonly WireFault[] = [
  'none',
  'lost request',
  'lost answer',
  'garbled answer',
  'sent twice',
  'dies before',
  'dies after',
]

describe('a satellite over a year (R-SAT-1, R-SAT-2, R-SAT-3)', () => {
  it('agrees with its manager despite outages, crashes and repeated or late files', async () => {
    const world = await createSatelliteEnvironment()
    try {
      const { manager, clock, wire } = world
      let satellite = await world.addSatellite('branch', { online: true })
      await manager.orders.create({ tag: 'HOST', quantity: 20, virtualAccount: 'BRANCH' })
      await satellite.sync.run()
      await satellite.sync.schedule({ every: 'week', day: 1, hour: 3 })
      const device = await world.openDevice(() => satellite, 'device')
      await device.register((await satellite.tokens.create({ days: 365 })).token)
      const states = new Set<string>()
      let bought = 20
      const reopen = async () => {
        await satellite.close()
        satellite = await world.openSatellite('branch')
      }
      for (let week = 0; week < 52; week++) {
        // Usage, purchases and transfers continue meanwhile.
        device.setUsage('HOST', 5 + (week % 7))
        if (week % 5 === 0) {
          await manager.orders.create({ tag: 'HOST', quantity: 2, virtualAccount: 'BRANCH' })
          bought += 2
        }
        if (week % 9 === 4)
          await manager.licenses.transfer({
            tag: 'HOST',
            quantity: 3,
            from: 'BRANCH',
            to: 'Default',
            confirmed: true,
          })
        clock.advance(WEEK)
        device.tick()
        await device.idle()
        states.add(device.status().state)

        wire.fault = FAULTS[week % FAULTS.length] ?? 'none'
        const died = new Promise<void>((resolve) => {
          wire.onDeath = resolve
        })
        const run = satellite.sync.runDue()
        await Promise.race([run, died])
        if (wire.fault.startsWith('dies')) await reopen()
        wire.fault = 'none'
        // Every third week an administrator also exchanges files, one of them twice and one too late.
        if (week % 3 === 0) {
          const late = await satellite.sync.export()
          const { file } = await satellite.sync.export()
          const { file: answer } = await manager.satellites.respond(file)
          expect((await manager.satellites.respond(file)).again).toBe(true)
          await satellite.sync.import(answer)
          await expect(satellite.sync.import(answer)).rejects.toMatchObject({ code: 'SYNC_ANSWER_IMPORTED' })
          await expect(manager.satellites.respond(late.file)).rejects.toMatchObject({
            code: 'SYNC_SUPERSEDED',
          })
        }
        // No license is owned twice.
        const quantity = (list: readonly { virtualAccount: string; quantity: number }[], own: boolean) =>
          list
            .filter(({ virtualAccount }) => own || virtualAccount === 'Default')
            .reduce((sum, license) => sum + license.quantity, 0)
        expect(
          quantity(await manager.licenses.list(), false) + quantity(await satellite.licenses.list(), true),
        ).toBeLessThanOrEqual(bought)
        // A failed exchange is retried automatically.
        for (let i = 0; i < 12; i++) {
          clock.advance(3_600_000)
          await satellite.sync.runDue()
        }
        expect(await satellite.sync.status()).toMatchObject({ status: 'current', exchange: 'idle' })
      }
      await satellite.sync.run()
      await satellite.sync.run()
      const [onManager] = await manager.instances.list()
      const [onSatellite] = await satellite.instances.list()
      expect(onManager?.id).toBe(onSatellite?.id)
      expect(onManager?.entitlements).toEqual(onSatellite?.entitlements)
      const pool = (await manager.licenses.list()).find(({ virtualAccount }) => virtualAccount === 'BRANCH')
      expect(await satellite.licenses.list()).toMatchObject([
        { quantity: pool?.quantity, inUse: pool?.inUse },
      ])
      expect((await manager.licenses.list()).reduce((sum, license) => sum + license.quantity, 0)).toBe(bought)
      expect(states).toEqual(new Set(['authorized']))
      const types = (await manager.operations.events.list({ limit: 10_000 })).map(({ type }) => type)
      expect(types).not.toContain('SATELLITE_DIVERGED')
      expect(types).not.toContain('SYNCHRONIZATION_OVERDUE')
    } finally {
      await world.close()
    }
  })
})
