import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { conferencing, conferencingProfile } from '../../src/conferencing/index.ts'
import type { SmartAgent } from '../../src/index.ts'
import {
  getErrorCode,
  createTestEnvironment,
  advance,
  type TestEnvironment,
} from '../support/test-environment.ts'

const DAY = 86_400_000

let world: TestEnvironment
let agent: SmartAgent
beforeEach(async () => {
  world = await createTestEnvironment()
  agent = await world.open('device', {
    product: { pid: 'CWMS-K9', version: '4.0', serial: 'DEVICE' },
    module: conferencing({ size: 'large' }),
  })
})
afterEach(() => world.close())

const buy = (tag: string, quantity = 1) => world.authority.orders.create({ tag, quantity })
const register = async () => agent.register(await world.token())
const inUse = async (tag: string) =>
  (await world.authority.licenses.list()).find((one) => one.tag === tag)?.inUse ?? 0

describe('the deployment size', () => {
  it('R-SYS-1: has 50 ports for micro, 250 for small, 800 for medium, 2000 for large, without a system license', async () => {
    for (const [size, ports] of [
      ['micro', 50],
      ['small', 250],
      ['medium', 800],
      ['large', 2000],
    ] as const) {
      expect(await agent.module.system.resize(size)).toMatchObject({ size, ports, licenses: {} })
      expect(agent.status().product).toMatchObject({ size, ports })
    }
    expect(agent.status().functionality).toBe('full')
    await agent.module.system.resize('small')
    await agent.close()
    agent = await world.open('device', { product: { pid: 'CWMS-K9', version: '4.0', serial: 'DEVICE' } })
    expect(agent.module.system.show()).toMatchObject({ size: 'small', ports: 250 })
  })

  it('R-SYS-2: large can be extended to 4000 ports with a license, and reduced to 2000', async () => {
    await register()
    expect(await getErrorCode(agent.module.system.extend())).toBe('LICENSES_REQUIRED')
    expect(agent.module.system.show()).toMatchObject({ ports: 2000, licenses: {} })
    expect(agent.status().entitlements.every(({ count }) => count === 0)).toBe(true)
    await buy('SYS-XL')
    expect(await agent.module.system.extend()).toMatchObject({
      ports: 4000,
      extended: true,
      licenses: { 'SYS-XL': 1 },
    })
    expect(agent.status()).toMatchObject({ state: 'authorized', product: { ports: 4000 } })
    expect(await inUse('SYS-XL')).toBe(1)
    expect(await getErrorCode(agent.module.system.resize('small'))).toBe('SYSTEM_NOT_ALLOWED')
    expect(await agent.module.system.reduce()).toMatchObject({ ports: 2000, licenses: {} })
    await advance(world, agent, 60_000)
    expect(await inUse('SYS-XL')).toBe(0)
  })

  it('R-SYS-2: has no evaluation of extended capacity, and only large can be extended', async () => {
    expect(await getErrorCode(agent.module.system.extend())).toBe('LICENSES_REQUIRED')
    await agent.module.system.resize('medium')
    expect(await getErrorCode(agent.module.system.extend())).toBe('SYSTEM_NOT_ALLOWED')
  })

  it('R-SYS-2: cannot be reduced while more ports are in use', async () => {
    await agent.module.system.resize('small')
    await agent.module.meetings.schedule({ id: 'm', host: 'ann' })
    await agent.module.meetings.start('m')
    await Promise.all(Array.from({ length: 60 }, (_, i) => agent.module.meetings.join('m', `user${i}`)))
    expect(await getErrorCode(agent.module.system.resize('micro'))).toBe('PORTS_IN_USE')
    expect(agent.module.system.show()).toMatchObject({ size: 'small', portsInUse: 61 })
    await agent.module.meetings.end('m')
    expect(await agent.module.system.resize('micro')).toMatchObject({ ports: 50 })
  })

  it('R-EVAL-4: cannot change while only license management works', async () => {
    await agent.close()
    agent = await world.open('spent', {
      profile: { ...conferencingProfile, periods: { evaluationSeconds: 3600 } },
    })
    await advance(world, agent, 2 * 3_600_000)
    for (const change of [
      agent.module.system.resize('large'),
      agent.module.system.joinTo('dc1'),
      agent.module.hosts.setAttendeeOnly('x', true),
    ])
      expect(await getErrorCode(change)).toBe('EVALUATION_EXPIRED')
    expect(agent.module.system.show()).toMatchObject({ size: 'small', role: 'single' })
  })

  it('R-SYS-2: cannot be extended while the authority is unreachable', async () => {
    await register()
    await buy('SYS-XL')
    world.network.down = true
    expect(await getErrorCode(agent.module.system.extend())).toBe('CONNECTION_REFUSED')
    expect(agent.module.system.show().extended).toBe(false)
    expect(agent.status().entitlements.find(({ tag }) => tag === 'SYS-XL')?.count ?? 0).toBe(0)
  })
})

describe('a data center', () => {
  it('R-SYS-3 R-EVAL-6: can join only after its licenses are confirmed, without an evaluation', async () => {
    expect(await getErrorCode(agent.module.system.join('dc2'))).toBe('LICENSES_REQUIRED')
    await register()
    await buy('MDC-SMALL', 2)
    expect(await getErrorCode(agent.module.system.join('dc2'))).toBe('LICENSES_REQUIRED')
    await buy('MDC-LARGE', 1)
    expect(await getErrorCode(agent.module.system.join('dc2'))).toBe('LICENSES_REQUIRED')
    await buy('MDC-LARGE', 1)
    expect(await agent.module.system.join('dc2')).toMatchObject({
      role: 'primary',
      dataCenters: ['dc2'],
      licenses: { 'MDC-LARGE': 2 },
    })
    expect(await agent.module.system.join('dc2')).toMatchObject({ dataCenters: ['dc2'] })
    expect(await inUse('MDC-LARGE')).toBe(2)
    expect(agent.status().state).toBe('authorized')
    // Another data center needs more licenses first. A refused change is not in use at the authority either.
    expect(await getErrorCode(agent.module.system.join('dc3'))).toBe('LICENSES_REQUIRED')
    expect(await inUse('MDC-LARGE')).toBe(2)
    expect(agent.status().state).toBe('authorized')
    const peaks = agent.usage.periods({ by: 'hour', last: 1 }).filter(({ tag }) => tag === 'MDC-LARGE')
    expect(peaks).toMatchObject([{ peak: 2 }])
    expect(agent.usage.denials().map(({ code }) => code)).toEqual(
      Array.from({ length: 4 }, () => 'LICENSES_REQUIRED'),
    )
    // Simultaneous changes run one after the other.
    const both = [agent.module.system.join('dc2'), agent.module.system.join('dc4')]
    expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(await agent.module.system.leave('dc2')).toMatchObject({ role: 'single', licenses: {} })
    await advance(world, agent, 60_000)
    expect(await inUse('MDC-LARGE')).toBe(0)
  })

  it('R-SYS-3: needs the licenses of the new size before a resize, and cannot be micro', async () => {
    await register()
    await agent.module.system.resize('small')
    await buy('MDC-SMALL', 2)
    await agent.module.system.join('dc2')
    expect(await getErrorCode(agent.module.system.resize('medium'))).toBe('LICENSES_REQUIRED')
    expect(await getErrorCode(agent.module.system.resize('micro'))).toBe('SYSTEM_NOT_ALLOWED')
    await buy('MDC-MEDIUM', 2)
    expect(await agent.module.system.resize('medium')).toMatchObject({
      size: 'medium',
      licenses: { 'MDC-MEDIUM': 2 },
    })
  })

  it('R-SYS-3: needs its licenses in the reservation of a reserved device', async () => {
    await world.authority.reservations.enable()
    await buy('HOST', 5)
    await buy('MDC-LARGE', 2)
    const request = await agent.reservation.request()
    const { file, instanceId } = await world.authority.reservations.reserve({
      request,
      licenses: { HOST: 5 },
    })
    await agent.reservation.install(file)
    expect(await getErrorCode(agent.module.system.join('dc2'))).toBe('LICENSES_REQUIRED')
    const more = await world.authority.reservations.update(instanceId, { 'MDC-LARGE': 2 })
    await agent.reservation.update(more.file)
    expect(await agent.module.system.join('dc2')).toMatchObject({ role: 'primary' })
    expect(agent.status()).toMatchObject({ state: 'reserved', functionality: 'full' })
  })

  it('R-HOST-10: releases its host licenses when it joins another one', async () => {
    for (const user of ['a', 'b', 'c']) await agent.module.hosts.assign(user)
    await agent.module.meetings.schedule({ id: 'm', host: 'a' })
    await agent.module.meetings.start('m')
    expect(await getErrorCode(agent.module.system.joinTo('dc1'))).toBe('HOST_IN_MEETING')
    await agent.module.meetings.end('m')
    expect(await agent.module.system.joinTo('dc1')).toMatchObject({
      role: 'joined',
      primary: 'dc1',
      licenses: {},
    })
    expect(agent.status().hosts).toEqual({ assigned: 0, permanent: 0, demo: 0 })
    expect(agent.module.hosts.list()).toEqual([])
    expect(agent.module.hosts.find('a')).toMatchObject({ license: null, active: true })
    expect(await getErrorCode(agent.module.system.extend())).toBe('SYSTEM_NOT_ALLOWED')
    expect(await agent.module.system.leave()).toMatchObject({ role: 'single' })
  })
})

describe('an upgrade', () => {
  const NINETY_DAYS = 90 * 86_400
  /** Closes the product and opens it with another version. */
  const openWith = async (
    version: string,
    name = 'device',
    more: Parameters<TestEnvironment['open']>[1] = {},
  ) => {
    await agent.close()
    agent = await world.open(name, { product: { pid: 'CWMS-K9', version, serial: 'DEVICE' }, ...more })
  }
  const remaining = () => agent.status().evaluation.remainingSeconds

  it('R-EVAL-2: to another major version at the open starts a new 90-day evaluation, and keeps all hosts', async () => {
    await buy('HOST', 5)
    await register()
    for (const user of ['a', 'b']) await agent.module.hosts.assign(user)
    await advance(world, agent, 60_000)
    await openWith('5.0')
    await agent.idle()
    expect(agent.status()).toMatchObject({
      state: 'evaluation',
      product: { version: '5.0' },
      registration: { status: 'unregistered' },
      evaluation: { running: true, remainingSeconds: NINETY_DAYS },
      hosts: { assigned: 2, permanent: 2 },
    })
    expect(await world.authority.instances.list()).toEqual([])
    await openWith('5.0')
    expect(agent.status().product.version).toBe('5.0')
    await register()
    expect((await world.authority.instances.list())[0]).toMatchObject({ udi: { version: '5.0' } })
  })

  it('R-EVAL-2: to a new major version at the open renews a used-up evaluation, once per version', async () => {
    await openWith('4.0', 'spent', {
      profile: { ...conferencingProfile, periods: { evaluationSeconds: 3600 } },
    })
    const spend = () => advance(world, agent, 3000 * 3_600_000)
    await spend()
    expect(agent.status().state).toBe('unregistered')
    await openWith('5.0', 'spent')
    expect(agent.status()).toMatchObject({ state: 'evaluation', product: { version: '5.0' } })
    expect(remaining()).toBe(3600)
    await spend()
    for (const version of ['5.0', '5.1', '4.0', '5.1', '5']) {
      await openWith(version, 'spent')
      expect(agent.status().state).toBe('unregistered')
    }
    expect(agent.status().product.version).toBe('5.1')
    await openWith('6.0', 'spent')
    expect([agent.status().state, remaining()]).toEqual(['evaluation', 3600])
  })

  it('R-EVAL-2: by commands alone adds no evaluation time, for any number of versions', async () => {
    await advance(world, agent, 10 * DAY)
    const left = remaining()
    expect(left).toBeLessThan(NINETY_DAYS)
    for (const version of ['5', '6', '7.1', '100', '999999']) {
      expect((await agent.upgrade(version)).product.version).toBe(version)
      expect(remaining()).toBe(left)
    }
    await advance(world, agent, 100 * DAY)
    expect(agent.status()).toMatchObject({ state: 'unregistered', functionality: 'license-management-only' })
    expect(await getErrorCode(agent.upgrade('99999999999999999999'))).toBe('INVALID_ARGUMENT')
    for (const version of ['999999', '999998.9', '5'])
      expect(await getErrorCode(agent.upgrade(version))).toBe('VERSION_NOT_HIGHER')
    await agent.upgrade('999999.1')
    expect(agent.status()).toMatchObject({ state: 'unregistered', product: { version: '999999.1' } })
    // A version named by a command does not affect the evaluation of the version that the product really opens with.
    await openWith('5.0')
    expect(agent.status()).toMatchObject({ state: 'evaluation', product: { version: '5.0' } })
    expect(remaining()).toBe(NINETY_DAYS)
    await advance(world, agent, 100 * DAY)
    await openWith('5.0')
    expect(agent.status().state).toBe('unregistered')
  })

  it('R-EVAL-2: by a command ends the registration, and keeps the remaining evaluation', async () => {
    await advance(world, agent, 10 * DAY)
    const left = remaining()
    await register()
    await agent.upgrade('5.0')
    expect(agent.status()).toMatchObject({
      state: 'evaluation',
      product: { version: '5.0' },
      registration: { status: 'unregistered' },
    })
    expect(remaining()).toBe(left)
    expect(await world.authority.instances.list()).toEqual([])
  })

  it('R-EVAL-2: by a command keeps a later registration when the product opens with that version', async () => {
    await agent.upgrade('5.0')
    await register()
    await openWith('5.0')
    await agent.idle()
    expect(agent.status()).toMatchObject({ state: 'authorized', product: { version: '5.0' } })
    await agent.deregister()
    await openWith('5.0')
    expect(remaining()).toBe(NINETY_DAYS)
  })

  it('R-EVAL-2: continues at the next open if interrupted after the end of the registration', async () => {
    await register()
    await advance(world, agent, DAY)
    await openWith('5.0')
    // The deregistration is on disk but was not sent yet.
    expect(agent.status().product.version).toBe('4.0')
    await agent.close()
    agent = await world.open('device', { product: undefined as never })
    await agent.idle()
    expect(agent.status()).toMatchObject({ state: 'evaluation', product: { version: '5.0' } })
    expect(remaining()).toBe(NINETY_DAYS)
    expect(await world.authority.instances.list()).toEqual([])
    await advance(world, agent, DAY)
    await openWith('5.0')
    await agent.idle()
    expect(remaining()).toBeLessThan(NINETY_DAYS)
  })

  it('R-EVAL-2: ends the old registration even if the authority is unreachable', async () => {
    await register()
    world.network.down = true
    await openWith('5.0')
    await agent.idle()
    expect(agent.status()).toMatchObject({ state: 'evaluation', product: { version: '5.0' } })
  })

  it('R-EVAL-2: to another major version at the open ends the old reservation', async () => {
    await world.authority.reservations.enable()
    await buy('HOST', 5)
    const request = await agent.reservation.request()
    const { file, instanceId } = await world.authority.reservations.reserve({
      request,
      licenses: { HOST: 5 },
    })
    await agent.reservation.install(file)
    await openWith('5.0')
    const { state, reservation, product } = agent.status()
    expect([state, reservation.status, product.version]).toEqual(['evaluation', 'none', '5.0'])
    expect(remaining()).toBe(NINETY_DAYS)
    await world.authority.reservations.acceptReturnCode(instanceId, reservation.returnCode ?? '')
  })

  it('R-EVAL-2: to a version without a number changes nothing', async () => {
    await openWith('next')
    expect(agent.status().product.version).toBe('4.0')
  })

  it('R-EVAL-2: waits for an earlier one, and accepts a maintenance release as a higher version', async () => {
    const both = await Promise.allSettled([agent.upgrade('6.0'), agent.upgrade('5.0')])
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect((await agent.upgrade('6.0MR2')).product.version).toBe('6.0MR2')
    expect(await getErrorCode(agent.upgrade('6.0MR1'))).toBe('VERSION_NOT_HIGHER')
    expect((await agent.upgrade('10.0')).product.version).toBe('10.0')
  })

  it('R-EVAL-2: within a major version changes only the version', async () => {
    await register()
    const before = agent.status()
    await agent.upgrade('4.1')
    expect(agent.status()).toEqual({ ...before, product: { ...before.product, version: '4.1' } })
    expect(await getErrorCode(agent.upgrade('vier'))).toBe('INVALID_ARGUMENT')
    await agent.renewAuthorization()
    expect((await world.authority.instances.list())[0]).toMatchObject({ udi: { version: '4.1' } })
  })

  it('R-EVAL-2: by a command ends the old reservation, with a return code', async () => {
    await world.authority.reservations.enable()
    await buy('HOST', 5)
    const request = await agent.reservation.request()
    const { file, instanceId } = await world.authority.reservations.reserve({
      request,
      licenses: { HOST: 5 },
    })
    await agent.reservation.install(file)
    await agent.upgrade('5.0')
    const { state, reservation } = agent.status()
    expect([state, reservation.status]).toEqual(['evaluation', 'none'])
    await world.authority.reservations.acceptReturnCode(instanceId, reservation.returnCode ?? '')
  })

  it('R-SYS-3: of a multi-data-center system needs its licenses', async () => {
    await register()
    await buy('MDC-LARGE', 2)
    await agent.module.system.join('dc2')
    await agent.upgrade('5.0')
    expect(agent.status()).toMatchObject({
      product: { version: '5.0' },
      registration: { status: 'unregistered' },
    })
    // The licenses are no longer confirmed.
    expect(await getErrorCode(agent.upgrade('6.0'))).toBe('LICENSES_REQUIRED')
    expect(agent.status().product.version).toBe('5.0')
  })

  it('R-EVAL-6: of a multi-data-center system without licenses starts no evaluation', async () => {
    await register()
    await buy('MDC-LARGE', 2)
    await agent.module.system.join('dc2')
    await agent.deregister()
    const left = remaining()
    await openWith('5.0')
    expect(agent.status().product.version).toBe('5.0')
    expect(remaining()).toBeLessThanOrEqual(left)
    await openWith('5.0')
    expect(agent.history().filter(({ event }) => event === 'product.upgrade')).toHaveLength(1)
  })
})

it('the usage history has peak and mean by hour and day', async () => {
  await agent.close()
  agent = await world.open('long', {
    profile: { ...conferencingProfile, periods: { evaluationSeconds: 400 * 86_400 } },
  })
  const start = Math.ceil(world.clock.wall() / DAY) * DAY
  await advance(world, agent, start - world.clock.wall())
  for (const user of ['a', 'b', 'c', 'd']) await agent.module.hosts.assign(user)
  await advance(world, agent, 1_800_000)
  await agent.module.hosts.deactivate('a')
  await agent.module.hosts.deactivate('b')
  await advance(world, agent, DAY)
  const hours = agent.usage.periods({ by: 'hour', last: 30 }).filter(({ tag }) => tag === 'HOST')
  expect(hours.slice(0, 3)).toMatchObject([
    { from: new Date(start).toISOString(), peak: 4, mean: 3 },
    { from: new Date(start + 3_600_000).toISOString(), peak: 2, mean: 2 },
    { peak: 2, mean: 2 },
  ])
  const days = agent.usage.periods({ by: 'day', last: 30 }).filter(({ tag }) => tag === 'HOST')
  expect(days).toMatchObject([
    { from: new Date(start).toISOString(), peak: 4, mean: 2.04 },
    { peak: 2, mean: 2 },
  ])
  // After a year the hours are aggregated into days without loss.
  for (let i = 0; i < 30; i++) {
    await advance(world, agent, 10 * DAY)
    await agent.module.hosts.assign(`late${i}`)
  }
  const year = agent.usage.periods({ by: 'day', last: 400 }).filter(({ tag }) => tag === 'HOST')
  expect(year.length).toBe(302)
  expect(year[0]).toMatchObject({ peak: 4, mean: 2.04 })
  expect(year.at(-1)).toMatchObject({ peak: 32 })
  expect(year.every(({ peak, mean }) => peak >= mean && mean >= 2)).toBe(true)
})

it('the usage history has no future entries after a clock that was years ahead is corrected', async () => {
  const right = world.clock.wall()
  world.clock.setWall(right + 3 * 366 * DAY)
  await agent.module.hosts.assign('ann')
  world.clock.setWall(right)
  await register()
  for (const user of ['bob', 'carol']) await agent.module.hosts.assign(user)
  await advance(world, agent, DAY)
  await agent.module.hosts.assign('dan')
  const days = agent.usage.periods({ by: 'day', last: 2 }).filter(({ tag }) => tag === 'HOST')
  expect(days.map(({ peak }) => peak)).toEqual([3, 4])
  // A gap of a century between two changes must not slow down the second one.
  world.clock.setWall(right + 100 * 366 * DAY)
  await agent.module.hosts.assign('eve')
  expect(
    agent.usage
      .periods({ by: 'day', last: 3 })
      .filter(({ tag }) => tag === 'HOST')
      .at(-1),
  ).toMatchObject({ peak: 5 })
})
