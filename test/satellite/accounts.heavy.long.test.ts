import { afterEach, beforeEach, expect } from 'vitest'
import type { Authority } from '../../src/authority/index.ts'
import { DAY } from '../../src/core/time.ts'
import {
  exchangeByFile,
  createSatelliteEnvironment,
  type SatelliteEnvironment,
} from '../support/satellite.ts'
import { getErrorCode } from '../support/test-environment.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(3)

let world: SatelliteEnvironment
let manager: Authority
let satellite: Authority
beforeEach(async () => {
  world = await createSatelliteEnvironment()
  manager = world.manager
  satellite = await world.addSatellite('branch', { online: true })
  await manager.orders.create({ tag: 'HOST', quantity: 10, virtualAccount: 'BRANCH' })
  await satellite.sync.run()
})
afterEach(() => world.close())

const getRefusal = (work: () => unknown) => getErrorCode(Promise.resolve().then(work))
const quantities = async (authority: Authority) =>
  Object.fromEntries(
    (await authority.licenses.list()).map(({ virtualAccount, tag, quantity }) => [
      `${virtualAccount} ${tag}`,
      quantity,
    ]),
  )

describe('a virtual account of a satellite (R-ACC-5)', () => {
  it('is marked at the manager, which refuses operations that belong to the satellite', async () => {
    expect(await manager.accounts.listVirtualAccounts()).toMatchObject([
      { name: 'BRANCH', satellite: { name: 'branch' }, isDefault: false },
      { name: 'Default', satellite: null, isDefault: true },
    ])
    const code = 'VIRTUAL_ACCOUNT_OF_SATELLITE'
    expect(await getRefusal(() => manager.tokens.create({ days: 3, virtualAccount: 'BRANCH' }))).toBe(code)
    expect(await getRefusal(() => manager.accounts.removeVirtualAccount('BRANCH'))).toBe(code)
    expect(await getRefusal(() => manager.accounts.setDefaultVirtualAccount('BRANCH'))).toBe(code)
    expect(await getRefusal(() => manager.satellites.add('second', { virtualAccount: 'BRANCH' }))).toBe(code)
    expect(await getRefusal(() => manager.satellites.add('second', { virtualAccount: 'Default' }))).toBe(
      'VIRTUAL_ACCOUNT_IS_DEFAULT',
    )
    expect(await getRefusal(() => manager.satellites.add('branch', { virtualAccount: 'Other' }))).toBe(
      'ALREADY_EXISTS',
    )
    expect(await getRefusal(() => manager.satellites.add('-x', { virtualAccount: 'Other' }))).toBe(
      'INVALID_ARGUMENT',
    )
    // The refused operations created no virtual account.
    expect((await manager.accounts.listVirtualAccounts()).map(({ name }) => name)).toEqual([
      'BRANCH',
      'Default',
    ])
  })

  it('must have no product instances and tokens when it is assigned', async () => {
    await manager.accounts.addVirtualAccount('Busy')
    const { id } = await manager.tokens.create({ days: 3, virtualAccount: 'Busy' })
    expect(await getRefusal(() => manager.satellites.add('second', { virtualAccount: 'Busy' }))).toBe(
      'VIRTUAL_ACCOUNT_IN_USE',
    )
    await manager.tokens.revoke(id)
    await manager.orders.create({ tag: 'HOST', quantity: 3, virtualAccount: 'Busy' })
    expect(await manager.satellites.add('second', { virtualAccount: 'Busy' })).toMatchObject({
      virtualAccounts: ['Busy'],
      status: 'waiting',
    })
  })

  it('can be joined by additional ones, whose licenses arrive under their names', async () => {
    await manager.satellites.addVirtualAccount('branch', 'Lab')
    await manager.orders.create({ tag: 'HOST', quantity: 4, virtualAccount: 'Lab' })
    await satellite.sync.run()
    expect(await quantities(satellite)).toEqual({ 'Default HOST': 10, 'Lab HOST': 4 })
    expect(await getRefusal(() => manager.accounts.removeVirtualAccount('Lab'))).toBe(
      'VIRTUAL_ACCOUNT_OF_SATELLITE',
    )
    expect(await getRefusal(() => satellite.accounts.removeVirtualAccount('Lab'))).toBe(
      'VIRTUAL_ACCOUNT_OF_SATELLITE',
    )
    // Usage there counts for the virtual account of the same name at the manager.
    const device = await world.openDevice(() => satellite, 'device')
    device.setUsage('HOST', 3)
    await device.register((await satellite.tokens.create({ days: 3, virtualAccount: 'Lab' })).token)
    await satellite.sync.run()
    const use = (await manager.licenses.list()).map(({ virtualAccount, inUse }) => [virtualAccount, inUse])
    expect(use).toEqual([
      ['BRANCH', 0],
      ['Lab', 3],
    ])
    await satellite.instances.transfer((await satellite.instances.list())[0]?.id ?? '', { to: 'Default' })
    await satellite.sync.run()
    expect((await manager.licenses.list()).map(({ inUse }) => inUse)).toEqual([3, 0])
  })

  it('returns to the manager when the satellite is removed, with usage counted until its delegation ends', async () => {
    const device = await world.openDevice(() => satellite, 'device')
    device.setUsage('HOST', 4)
    await device.register((await satellite.tokens.create({ days: 365 })).token)
    await satellite.sync.run()
    const removed = await manager.satellites.remove('branch')
    expect(removed.status).toBe('removed')
    expect(await manager.accounts.listVirtualAccounts()).toMatchObject([
      { name: 'BRANCH', satellite: null },
      {},
    ])
    expect(await manager.satellites.list()).toEqual([])
    expect(await manager.licenses.list()).toMatchObject([{ quantity: 10, inUse: 4 }])
    expect(await getErrorCode(satellite.sync.run())).toBe('SATELLITE_REMOVED')
    expect(await satellite.sync.status()).toMatchObject({ status: 'ended', exchange: 'blocked' })
    expect(await getErrorCode(satellite.tokens.create({ days: 3 }))).toBe('SATELLITE_OUT_OF_TOUCH')
    const { file } = await satellite.sync.export()
    expect(await getErrorCode(manager.satellites.respond(file))).toBe('SATELLITE_REMOVED')
    world.clock.advance(91 * DAY)
    expect(await manager.licenses.list()).toMatchObject([{ quantity: 10, inUse: 0 }])
    expect(await manager.instances.list()).toEqual([])
    // The name can be used again.
    await manager.satellites.add('branch', { virtualAccount: 'BRANCH' })
  })

  it('shows its product instances at the manager but lets only the satellite change them', async () => {
    const device = await world.openDevice(() => satellite, 'device')
    await device.register((await satellite.tokens.create({ days: 3 })).token)
    await satellite.sync.run()
    const [instance] = await manager.instances.list()
    expect(instance).toMatchObject({ satellite: 'branch' })
    expect(await manager.instances.get(instance?.id ?? '')).toEqual(instance)
    expect(await getErrorCode(manager.instances.remove(instance?.id ?? ''))).toBe('INSTANCE_OF_SATELLITE')
    expect(await getErrorCode(manager.instances.transfer(instance?.id ?? '', { to: 'Default' }))).toBe(
      'INSTANCE_OF_SATELLITE',
    )
    await satellite.instances.remove(instance?.id ?? '')
    await satellite.sync.run()
    expect(await manager.instances.list()).toEqual([])
  })
})

describe('transfers (R-ACC-3)', () => {
  it('move all or some licenses, with a preview', async () => {
    await manager.accounts.addVirtualAccount('East')
    await manager.orders.create({ tag: 'HOST', quantity: 5 })
    await manager.orders.create({ tag: 'HOST', quantity: 3, termDays: 30 })
    const wanted = { tag: 'HOST', quantity: 6, from: 'Default', to: 'East' }
    const preview = await manager.licenses.transfer({ ...wanted, preview: true })
    expect(preview).toMatchObject({
      status: 'preview',
      effects: [
        { virtualAccount: 'Default', before: { quantity: 8 }, after: { quantity: 2 } },
        { virtualAccount: 'East', before: { quantity: 0 }, after: { quantity: 6 } },
      ],
    })
    expect(await quantities(manager)).toMatchObject({ 'Default HOST': 8 })
    expect((await manager.licenses.transfer(wanted)).effects).toEqual(preview.effects)
    expect(await quantities(manager)).toMatchObject({ 'Default HOST': 2, 'East HOST': 6 })
    // The licenses that end first were moved first.
    world.clock.advance(31 * DAY)
    expect(await quantities(manager)).toMatchObject({ 'Default HOST': 2, 'East HOST': 3 })
    expect(await getErrorCode(manager.licenses.transfer({ ...wanted, quantity: 3 }))).toBe(
      'TRANSFER_UNAVAILABLE',
    )
    expect(await getErrorCode(manager.licenses.transfer({ ...wanted, to: 'Default' }))).toBe(
      'INVALID_ARGUMENT',
    )
    expect(await getErrorCode(manager.licenses.transfer({ ...wanted, to: 'West' }))).toBe('NOT_FOUND')
    expect(await getErrorCode(manager.licenses.transfer({ ...wanted, quantity: 0 }))).toBe('INVALID_ARGUMENT')
    expect(await getErrorCode(manager.licenses.transfer({ ...wanted, tag: 'NONE' }))).toBe('UNKNOWN_TAG')
    // Licenses that return are merged into their lot.
    await manager.licenses.transfer({ tag: 'HOST', quantity: 3, from: 'East', to: 'Default' })
    expect(await quantities(manager)).toMatchObject({ 'Default HOST': 5 })
  })

  it('move an instance with its usage, and require confirmation when a pool gets out of compliance', async () => {
    await manager.accounts.addVirtualAccount('East')
    await manager.orders.create({ tag: 'HOST', quantity: 5 })
    const device = await world.openDevice(() => manager, 'direct')
    device.setUsage('HOST', 4)
    await device.register((await manager.tokens.create({ days: 3 })).token)
    const [instance] = await manager.instances.list()
    const id = instance?.id ?? ''
    expect(await getErrorCode(manager.instances.transfer(id, { to: 'East' }))).toBe('TRANSFER_UNCONFIRMED')
    expect(await manager.instances.get(id)).toMatchObject({ virtualAccount: 'Default' })
    const wanted = { tag: 'HOST', quantity: 5, from: 'Default', to: 'East' }
    expect(await getErrorCode(manager.licenses.transfer(wanted))).toBe('TRANSFER_UNCONFIRMED')
    await manager.licenses.transfer({ ...wanted, confirmed: true })
    expect(await manager.instances.transfer(id, { to: 'East' })).toMatchObject({
      status: 'done',
      effects: [
        { virtualAccount: 'Default', before: { inUse: 4, status: 'out-of-compliance' }, after: { inUse: 0 } },
        { virtualAccount: 'East', after: { quantity: 5, inUse: 4, status: 'in-compliance' } },
      ],
    })
    // The device learns of the transfer with its next answer.
    world.clock.advance(31 * DAY)
    device.tick()
    await device.idle()
    expect(device.status()).toMatchObject({ state: 'authorized', registration: { virtualAccount: 'East' } })
  })

  it('between virtual accounts of a satellite keep the total at the manager', async () => {
    await satellite.accounts.addVirtualAccount('Lab')
    await satellite.licenses.transfer({ tag: 'HOST', quantity: 4, from: 'Default', to: 'Lab' })
    await satellite.sync.run()
    expect(await quantities(satellite)).toEqual({ 'Default HOST': 6, 'Lab HOST': 4 })
    await manager.orders.create({ tag: 'HOST', quantity: 5, virtualAccount: 'BRANCH' })
    await satellite.sync.run()
    expect(await quantities(satellite)).toEqual({ 'Default HOST': 11, 'Lab HOST': 4 })
    expect(await quantities(manager)).toEqual({ 'BRANCH HOST': 15 })
  })

  it('out of a satellite take effect once the satellite has released the licenses', async () => {
    const done = await manager.licenses.transfer({ tag: 'HOST', quantity: 7, from: 'BRANCH', to: 'Default' })
    expect(done.status).toBe('waiting')
    expect(await quantities(manager)).toEqual({ 'BRANCH HOST': 10 })
    expect((await manager.satellites.list())[0]?.reclaims).toMatchObject([
      { tag: 'HOST', quantity: 7, to: 'Default', notified: false },
    ])
    // Licenses that are being reclaimed cannot be reclaimed again.
    expect(
      await getErrorCode(
        manager.licenses.transfer({ tag: 'HOST', quantity: 4, from: 'BRANCH', to: 'Default' }),
      ),
    ).toBe('TRANSFER_UNAVAILABLE')
    // Offline: the first answer notifies the satellite, and the second request moves the licenses.
    await exchangeByFile(manager, satellite)
    expect(await quantities(satellite)).toEqual({ 'Default HOST': 3 })
    expect(await quantities(manager)).toEqual({ 'BRANCH HOST': 10 })
    await exchangeByFile(manager, satellite)
    expect(await quantities(manager)).toEqual({ 'BRANCH HOST': 3, 'Default HOST': 7 })
    expect((await satellite.operations.events.list()).map(({ type }) => type)).toContain('LICENSES_WITHDRAWN')
    // Online: one run does both.
    await manager.licenses.transfer({ tag: 'HOST', quantity: 2, from: 'BRANCH', to: 'Default' })
    await satellite.sync.run()
    expect(await quantities(manager)).toEqual({ 'BRANCH HOST': 1, 'Default HOST': 9 })
    // Back to the satellite: the licenses arrive with the next exchange.
    await manager.licenses.transfer({ tag: 'HOST', quantity: 9, from: 'Default', to: 'BRANCH' })
    await satellite.sync.run()
    expect(await quantities(satellite)).toEqual({ 'Default HOST': 10 })
  })

  it('out of a satellite report it out of compliance when the licenses are in use', async () => {
    const device = await world.openDevice(() => satellite, 'device')
    device.setUsage('HOST', 8)
    await device.register((await satellite.tokens.create({ days: 365 })).token)
    await satellite.sync.run()
    await manager.licenses.transfer({
      tag: 'HOST',
      quantity: 7,
      from: 'BRANCH',
      to: 'Default',
      confirmed: true,
    })
    await satellite.sync.run()
    expect(await satellite.licenses.list()).toMatchObject([
      { quantity: 3, inUse: 8, status: 'out-of-compliance' },
    ])
    expect(await manager.licenses.list()).toMatchObject([
      { virtualAccount: 'BRANCH', balance: -5, status: 'out-of-compliance' },
      { virtualAccount: 'Default', quantity: 7 },
    ])
  })
})

describe('a device registered twice in a smart account (R-SAT-3)', () => {
  it('keeps its newer registration, at the manager, on both sides', async () => {
    const device = await world.openDevice(() => satellite, 'device')
    device.setUsage('HOST', 2)
    await device.register((await satellite.tokens.create({ days: 365 })).token)
    await satellite.sync.run()
    world.clock.advance(DAY)
    // The manager knows the device from the report of the satellite, so it requires `force`.
    const again = await world.openDevice(() => manager, 'again', {
      product: { pid: 'CWMS-K9', version: '4.0', serial: 'DEVICE' },
    })
    const { token } = await manager.tokens.create({ days: 365 })
    expect(await getErrorCode(again.register(token))).toBe('INSTANCE_ALREADY_REGISTERED')
    await again.register(token, { force: true })
    expect(await manager.instances.list()).toMatchObject([{ satellite: null }])
    await satellite.sync.run()
    expect(await satellite.instances.list()).toEqual([])
    expect(await manager.instances.list()).toHaveLength(1)
    expect((await manager.licenses.list()).filter(({ inUse }) => inUse > 0)).toEqual([])
    world.clock.advance(DAY)
    expect(await getErrorCode(device.renewAuthorization())).toBe('INSTANCE_REPLACED')
  })

  it('keeps its newer registration when both are at satellites', async () => {
    const second = await world.addSatellite('second', { online: true })
    await second.sync.run()
    const device = await world.openDevice(() => satellite, 'device')
    await device.register((await satellite.tokens.create({ days: 365 })).token)
    world.clock.advance(DAY)
    const copy = await world.openDevice(() => second, 'copy', {
      product: { pid: 'CWMS-K9', version: '4.0', serial: 'DEVICE' },
    })
    await copy.register((await second.tokens.create({ days: 365 })).token)
    // The newer registration is reported first. The older one ends when it is reported.
    await second.sync.run()
    const synced = await satellite.sync.run()
    expect(synced.outcome).toBe('accepted')
    expect(await satellite.instances.list()).toEqual([])
    expect(await manager.instances.list()).toMatchObject([{ satellite: 'second' }])
    for (const authority of [manager, satellite])
      expect((await authority.operations.events.list()).map(({ type }) => type)).toContain(
        authority === manager ? 'DUPLICATE_PRODUCT_INSTANCE' : 'INSTANCE_ENDED_BY_MANAGER',
      )
  })
})
