import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Authority } from '../../src/authority/index.ts'
import { defineProfile, type ProfileInput, type SmartAgent } from '../../src/index.ts'
import {
  createSatelliteEnvironment,
  exchangeByFile,
  type SatelliteEnvironment,
} from '../support/satellite.ts'
import { getErrorCode } from '../support/test-environment.ts'

const router: ProfileInput = {
  name: 'router',
  tags: [{ tag: 'GBIT' }, { tag: 'TUNNEL', name: 'Tunnel' }, { tag: 'PORT' }],
  skus: [{ sku: 'RT-GBIT', description: 'One gigabit', grants: { kind: 'licenses', tag: 'GBIT' } }],
}
const nextRouter: ProfileInput = { ...router, version: 2, tags: [...router.tags, { tag: 'VPN' }] }

let world: SatelliteEnvironment
let satellite: Authority
beforeEach(async () => {
  world = await createSatelliteEnvironment({ profile: router })
  satellite = await world.addSatellite('branch')
})
afterEach(() => world.close())

const listAlerts = async (authority: Authority) =>
  (await authority.operations.alerts.list()).filter(({ type }) => type === 'profile-differs')
const notices = (agent: SmartAgent): string[] =>
  agent
    .history(1000)
    .flatMap((row) => (JSON.parse(row.notices) as { notice: string }[]).map(({ notice }) => notice))
const renew = async (agent: SmartAgent) => {
  await agent.renewAuthorization()
  return agent.status().state
}

describe('the product profile of a manager', () => {
  it('reaches its satellite with the synchronization, and licenses devices there by their own tags (R-EMB-2)', async () => {
    await world.manager.orders.create({ tag: 'TUNNEL', quantity: 3, virtualAccount: 'BRANCH' })
    await world.manager.orders.create({ sku: 'RT-GBIT', quantity: 2, virtualAccount: 'BRANCH' })
    await exchangeByFile(world.manager, satellite)
    expect(satellite.licenses.profile.current).toEqual(defineProfile(router))
    const device = await world.openDevice(() => satellite, 'device', { profile: router })
    device.setUsage('TUNNEL', 3)
    device.setUsage('GBIT', 1)
    await device.register((await satellite.tokens.create({ days: 30 })).token)
    expect(device.status().state).toBe('authorized')
    device.setUsage('TUNNEL', 4)
    expect(await renew(device)).toBe('out-of-compliance')
    await exchangeByFile(world.manager, satellite)
    expect(await world.manager.instances.list()).toMatchObject([
      {
        satellite: 'branch',
        entitlements: [
          { tag: 'GBIT', count: 1 },
          { tag: 'TUNNEL', count: 4 },
        ],
      },
    ])
    expect(await listAlerts(satellite)).toEqual([])
    expect(notices(device)).not.toContain('PROFILE_DIFFERS')
  })

  it('is replaced at its satellite too, and devices of the earlier version are named on both sides (R-EMB-2)', async () => {
    await exchangeByFile(world.manager, satellite)
    const device = await world.openDevice(() => satellite, 'device', { profile: router })
    await device.register((await satellite.tokens.create({ days: 30 })).token)
    expect(await world.manager.licenses.profile.replace(nextRouter)).toMatchObject({
      from: { name: 'router', version: 1 },
      to: { name: 'router', version: 2 },
      tags: { added: ['VPN'], removed: [], changed: [] },
    })
    expect(world.manager.licenses.profile.current).toEqual(defineProfile(nextRouter))
    await exchangeByFile(world.manager, satellite)
    expect(satellite.licenses.profile.current).toEqual(defineProfile(nextRouter))

    expect(await renew(device)).toBe('authorized')
    const difference =
      'This device has the product profile router, version 1, and the authority has router, version 2.'
    expect(device.explain().problems).toMatchObject([{ code: 'PROFILE_DIFFERS', message: difference }])
    expect(notices(device).filter((notice) => notice === 'PROFILE_DIFFERS')).toHaveLength(1)
    expect(await listAlerts(satellite)).toMatchObject([
      {
        severity: 'minor',
        source: 'router',
        virtualAccount: 'Default',
        message: expect.stringContaining('1 product instance uses the product profile router, version 1'),
      },
    ])

    await device.close()
    const updated = await world.openDevice(() => satellite, 'device', {
      profile: nextRouter,
      replaceProfile: true,
    })
    expect(await renew(updated)).toBe('authorized')
    expect(updated.explain().problems).toEqual([])
    expect(await listAlerts(satellite)).toEqual([])
  })

  it('is not replaced by one that lacks a tag in use, nor at the satellite (R-EMB-1)', async () => {
    await world.manager.orders.create({ tag: 'TUNNEL', quantity: 3 })
    const withoutTunnel: ProfileInput = { name: 'router', version: 3, tags: [{ tag: 'GBIT' }] }
    expect(await world.manager.licenses.profile.preview(withoutTunnel)).toMatchObject({
      changes: { tags: { removed: ['TUNNEL', 'PORT'] }, skus: { removed: ['RT-GBIT'] } },
      tagsInUse: ['TUNNEL'],
    })
    expect(await getErrorCode(world.manager.licenses.profile.replace(withoutTunnel))).toBe(
      'PROFILE_TAG_IN_USE',
    )
    expect(world.manager.licenses.profile.current).toEqual(defineProfile(router))
    expect(await getErrorCode(satellite.licenses.profile.replace(nextRouter))).toBe('WRONG_ROLE')
  })

  it('is compared with an equal one without any change (R-EMB-1)', async () => {
    expect(await world.manager.licenses.profile.preview(router)).toEqual({ changes: null, tagsInUse: [] })
    expect(await world.manager.licenses.profile.replace(router)).toBeNull()
    const events = await world.manager.operations.events.list()
    expect(events.map(({ type }) => type)).not.toContain('PROFILE_REPLACED')
  })
})
