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

const refused = (work: () => unknown) => getErrorCode(Promise.resolve().then(work))
const quantities = async (authority: Authority) =>
  Object.fromEntries(
    (await authority.licenses.list()).map(({ virtualAccount, tag, quantity }) => [
      `${virtualAccount} ${tag}`,
      quantity,
    ]),
  )

describe('R-ACC-5: a virtual account of a satellite', () => {
  it('is marked, and what the satellite does itself is refused at the manager', async () => {
    expect(await manager.accounts.listVirtualAccounts()).toMatchObject([
      { name: 'BRANCH', satellite: { name: 'branch' }, isDefault: false },
      { name: 'Default', satellite: null, isDefault: true },
    ])
    const code = 'VIRTUAL_ACCOUNT_OF_SATELLITE'
    expect(await refused(() => manager.tokens.create({ days: 3, virtualAccount: 'BRANCH' }))).toBe(code)
    expect(await refused(() => manager.accounts.removeVirtualAccount('BRANCH'))).toBe(code)
    expect(await refused(() => manager.accounts.setDefaultVirtualAccount('BRANCH'))).toBe(code)
    expect(await refused(() => manager.satellites.add('second', { virtualAccount: 'BRANCH' }))).toBe(code)
    expect(await refused(() => manager.satellites.add('second', { virtualAccount: 'Default' }))).toBe(
      'VIRTUAL_ACCOUNT_IS_DEFAULT',
    )
    expect(await refused(() => manager.satellites.add('branch', { virtualAccount: 'Other' }))).toBe(
      'ALREADY_EXISTS',
    )
    expect(await refused(() => manager.satellites.add('-x', { virtualAccount: 'Other' }))).toBe(
      'INVALID_ARGUMENT',
    )
    // What was refused has not made the account that it named.
    expect((await manager.accounts.listVirtualAccounts()).map(({ name }) => name)).toEqual([
      'BRANCH',
      'Default',
    ])
  })

  it('takes one without product instances and tokens only', async () => {
    await manager.accounts.addVirtualAccount('Busy')
    const { id } = await manager.tokens.create({ days: 3, virtualAccount: 'Busy' })
    expect(await refused(() => manager.satellites.add('second', { virtualAccount: 'Busy' }))).toBe(
      'VIRTUAL_ACCOUNT_IN_USE',
    )
    await manager.tokens.revoke(id)
    await manager.orders.create({ tag: 'HOST', quantity: 3, virtualAccount: 'Busy' })
    expect(await manager.satellites.add('second', { virtualAccount: 'Busy' })).toMatchObject({
      virtualAccounts: ['Busy'],
      status: 'waiting',
    })
  })

  it('may have further ones, added and not deleted; their licenses arrive under their own names', async () => {
    await manager.satellites.addVirtualAccount('branch', 'Lab')
    await manager.orders.create({ tag: 'HOST', quantity: 4, virtualAccount: 'Lab' })
    await satellite.sync.run()
    expect(await quantities(satellite)).toEqual({ 'Default HOST': 10, 'Lab HOST': 4 })
    expect(await refused(() => manager.accounts.removeVirtualAccount('Lab'))).toBe(
      'VIRTUAL_ACCOUNT_OF_SATELLITE',
    )
    expect(await refused(() => satellite.accounts.removeVirtualAccount('Lab'))).toBe(
      'VIRTUAL_ACCOUNT_OF_SATELLITE',
    )
    // What a box uses there counts for the manager's account of that name.
    const box = await world.box(() => satellite, 'box')
    box.setUsage('HOST', 3)
    await box.register((await satellite.tokens.create({ days: 3, virtualAccount: 'Lab' })).token)
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

  it('is the manager’s again when the satellite is removed; what its boxes use counts until its mandate ends', async () => {
    const box = await world.box(() => satellite, 'box')
    box.setUsage('HOST', 4)
    await box.register((await satellite.tokens.create({ days: 365 })).token)
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
    // The name is free for another one.
    await manager.satellites.add('branch', { virtualAccount: 'BRANCH' })
  })

  it('product instances of a satellite are seen at the manager, and changed on the satellite', async () => {
    const box = await world.box(() => satellite, 'box')
    await box.register((await satellite.tokens.create({ days: 3 })).token)
    await satellite.sync.run()
    const [one] = await manager.instances.list()
    expect(one).toMatchObject({ satellite: 'branch' })
    expect(await manager.instances.get(one?.id ?? '')).toEqual(one)
    expect(await getErrorCode(manager.instances.remove(one?.id ?? ''))).toBe('INSTANCE_OF_SATELLITE')
    expect(await getErrorCode(manager.instances.transfer(one?.id ?? '', { to: 'Default' }))).toBe(
      'INSTANCE_OF_SATELLITE',
    )
    await satellite.instances.remove(one?.id ?? '')
    await satellite.sync.run()
    expect(await manager.instances.list()).toEqual([])
  })
})

describe('R-ACC-3: transfers', () => {
  it('of licenses, whole and in part; what it does is shown before it is done', async () => {
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
    // Those that end first went first.
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
    // There and back again is one lot.
    await manager.licenses.transfer({ tag: 'HOST', quantity: 3, from: 'East', to: 'Default' })
    expect(await quantities(manager)).toMatchObject({ 'Default HOST': 5 })
  })

  it('of an instance, with what it uses; one that would put a pool out of compliance must be meant', async () => {
    await manager.accounts.addVirtualAccount('East')
    await manager.orders.create({ tag: 'HOST', quantity: 5 })
    const box = await world.box(() => manager, 'direct')
    box.setUsage('HOST', 4)
    await box.register((await manager.tokens.create({ days: 3 })).token)
    const [one] = await manager.instances.list()
    const id = one?.id ?? ''
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
    // The box hears of it with its next answer.
    world.clock.advance(31 * DAY)
    box.tick()
    await box.idle()
    expect(box.status()).toMatchObject({ state: 'authorized', registration: { virtualAccount: 'East' } })
  })

  it('at a satellite, between its own virtual accounts; the manager’s total stays', async () => {
    await satellite.accounts.addVirtualAccount('Lab')
    await satellite.licenses.transfer({ tag: 'HOST', quantity: 4, from: 'Default', to: 'Lab' })
    await satellite.sync.run()
    expect(await quantities(satellite)).toEqual({ 'Default HOST': 6, 'Lab HOST': 4 })
    await manager.orders.create({ tag: 'HOST', quantity: 5, virtualAccount: 'BRANCH' })
    await satellite.sync.run()
    expect(await quantities(satellite)).toEqual({ 'Default HOST': 11, 'Lab HOST': 4 })
    expect(await quantities(manager)).toEqual({ 'BRANCH HOST': 15 })
  })

  it('out of a satellite’s account: they move when the satellite has given them up, and are nowhere twice', async () => {
    const done = await manager.licenses.transfer({ tag: 'HOST', quantity: 7, from: 'BRANCH', to: 'Default' })
    expect(done.status).toBe('waiting')
    expect(await quantities(manager)).toEqual({ 'BRANCH HOST': 10 })
    expect((await manager.satellites.list())[0]?.reclaims).toMatchObject([
      { tag: 'HOST', quantity: 7, to: 'Default', told: false },
    ])
    // What is called back cannot be called back again.
    expect(
      await getErrorCode(
        manager.licenses.transfer({ tag: 'HOST', quantity: 4, from: 'BRANCH', to: 'Default' }),
      ),
    ).toBe('TRANSFER_UNAVAILABLE')
    // By hand: told with the first answer, moved with the second request.
    await exchangeByFile(manager, satellite)
    expect(await quantities(satellite)).toEqual({ 'Default HOST': 3 })
    expect(await quantities(manager)).toEqual({ 'BRANCH HOST': 10 })
    await exchangeByFile(manager, satellite)
    expect(await quantities(manager)).toEqual({ 'BRANCH HOST': 3, 'Default HOST': 7 })
    expect((await satellite.operations.events.list()).map(({ type }) => type)).toContain('LICENSES_WITHDRAWN')
    // By wire: both at once.
    await manager.licenses.transfer({ tag: 'HOST', quantity: 2, from: 'BRANCH', to: 'Default' })
    await satellite.sync.run()
    expect(await quantities(manager)).toEqual({ 'BRANCH HOST': 1, 'Default HOST': 9 })
    // And back: there with the next exchange.
    await manager.licenses.transfer({ tag: 'HOST', quantity: 9, from: 'Default', to: 'BRANCH' })
    await satellite.sync.run()
    expect(await quantities(satellite)).toEqual({ 'Default HOST': 10 })
  })

  it('what is called back and in use puts the satellite out of compliance, and it says so', async () => {
    const box = await world.box(() => satellite, 'box')
    box.setUsage('HOST', 8)
    await box.register((await satellite.tokens.create({ days: 365 })).token)
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

describe('R-SAT-3: one box is one product instance, in the whole smart account', () => {
  it('the newer registration is in force, and both sides say so', async () => {
    const box = await world.box(() => satellite, 'box')
    box.setUsage('HOST', 2)
    await box.register((await satellite.tokens.create({ days: 365 })).token)
    await satellite.sync.run()
    world.clock.advance(DAY)
    // The same box, at the manager: without force it is refused, since the satellite has told of it.
    const again = await world.box(() => manager, 'again', {
      product: { pid: 'CWMS-K9', version: '4.0', serial: 'BOX' },
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
    expect(await getErrorCode(box.renewAuthorization())).toBe('INSTANCE_REPLACED')
  })

  it('of two satellites, too', async () => {
    const second = await world.addSatellite('second', { online: true })
    await second.sync.run()
    const box = await world.box(() => satellite, 'box')
    await box.register((await satellite.tokens.create({ days: 365 })).token)
    world.clock.advance(DAY)
    const copy = await world.box(() => second, 'copy', {
      product: { pid: 'CWMS-K9', version: '4.0', serial: 'BOX' },
    })
    await copy.register((await second.tokens.create({ days: 365 })).token)
    // The newer one is told of first: the older one gives way when it is told of.
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
