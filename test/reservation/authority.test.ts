import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SmartAgent } from '../../src/index.ts'
import { LicensingError } from '../../src/core/errors.ts'
import { toIsoString } from '../../src/core/time.ts'
import { encodeRequestCode } from '../../src/protocol/offline-codes.ts'
import { createReservationEnvironment } from '../support/reservation-environment.ts'
import {
  getErrorCode,
  createTestEnvironment,
  advance,
  type TestEnvironment,
} from '../support/test-environment.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

let world: TestEnvironment
beforeEach(async () => {
  world = await createReservationEnvironment(20)
})
afterEach(() => world.close())

const pool = async () => (await world.authority.licenses.list())[0]
const reserve = (agent: SmartAgent, HOST = 10) =>
  agent.reservation
    .request()
    .then((request) =>
      world.authority.reservations.reserve({ account: 'acme.example', request, licenses: { HOST } }),
    )
const installReservation = async (name = 'device', HOST = 10) => {
  const agent = await world.open(name)
  const { file, instanceId } = await reserve(agent, HOST)
  await agent.reservation.install(file)
  return { agent, instanceId }
}
const update = async (agent: SmartAgent, id: string, HOST: number) => {
  const { file } = await world.authority.reservations.update(id, { HOST })
  return (await agent.reservation.update(file)).reservation.confirmationCode ?? ''
}

describe('reserving licenses', () => {
  it('requires an account that is enabled for reservations (R-SLR-1)', async () => {
    const other = await createTestEnvironment()
    try {
      await other.authority.orders.create({ tag: 'HOST', quantity: 5 })
      const agent = await other.open()
      const request = await agent.reservation.request()
      const reserve = () => other.authority.reservations.reserve({ request, licenses: { HOST: 1 } })
      expect(await getErrorCode(reserve())).toBe('RESERVATION_NOT_ENABLED')
      await other.authority.reservations.enable()
      await other.authority.reservations.enable()
      expect(await reserve()).toMatchObject({ licenses: [{ tag: 'HOST', count: 1 }] })
    } finally {
      await other.close()
    }
  })

  it('never takes more than is available, beside other users of the pool (R-SLR-3)', async () => {
    const connected = await world.open('connected')
    connected.setUsage('HOST', 12)
    await connected.register(await world.token())
    const agent = await world.open()
    const request = await agent.reservation.request()
    const reserve = (HOST: number) => world.authority.reservations.reserve({ request, licenses: { HOST } })
    expect(await getErrorCode(reserve(9))).toBe('LICENSES_UNAVAILABLE')
    expect(await pool()).toMatchObject({ quantity: 20, inUse: 12, reserved: 0, available: 8 })
    const { instanceId } = await reserve(8)
    expect(await pool()).toMatchObject({ inUse: 12, reserved: 8, available: 0, status: 'in-compliance' })
    // A connected device may exceed the pool and gets out of compliance. The reservation stays.
    connected.setUsage('HOST', 13)
    await connected.flushUsage()
    expect(connected.status().state).toBe('out-of-compliance')
    expect(await getErrorCode(world.authority.reservations.update(instanceId, { HOST: 9 }))).toBe(
      'LICENSES_UNAVAILABLE',
    )
    await world.authority.reservations.update(instanceId, { HOST: 7 })
  })

  it('refuses invalid quantities, tags and codes and reserves nothing (R-SLR-3)', async () => {
    const agent = await world.open()
    const request = await agent.reservation.request()
    const reserve = (licenses: Record<string, number>, code = request) =>
      getErrorCode(world.authority.reservations.reserve({ request: code, licenses }))
    expect(await reserve({})).toBe('INVALID_ARGUMENT')
    expect(await reserve({ HOST: 0 })).toBe('INVALID_ARGUMENT')
    expect(await reserve({ HOST: 1.5 })).toBe('INVALID_ARGUMENT')
    expect(await reserve({ NOTHING: 1 })).toBe('UNKNOWN_TAG')
    expect(await reserve({ HOST: 5, 'SYS-XL': 1 })).toBe('LICENSES_UNAVAILABLE')
    expect(await reserve({ HOST: 1 }, 'nonsense!')).toBe('CODE_MALFORMED')
    expect(await reserve({ HOST: 1 }, request.replace(/.$/, request.endsWith('0') ? '1' : '0'))).toBe(
      'CODE_MISTYPED',
    )
    // With this key, the shared secret would be publicly known.
    const weak = encodeRequestCode({
      udi: { pid: 'CWMS-K9', serial: 'WEAK', version: '4.0' },
      number: 1,
      deviceKey: new Uint8Array(32),
    })
    expect(await reserve({ HOST: 1 }, weak)).toBe('CODE_MALFORMED')
    expect(await pool()).toMatchObject({ reserved: 0 })
    expect(await world.authority.instances.list()).toEqual([])
  })

  it('creates a reservation that shows its virtual account and its current licenses in catalog order (R-SLR-3)', async () => {
    await world.authority.orders.create({ tag: 'SYS-XL', quantity: 1 })
    await world.authority.accounts.addVirtualAccount('Sealed')
    await world.authority.orders.create({ tag: 'HOST', quantity: 2, termDays: 10, virtualAccount: 'Sealed' })
    await world.authority.orders.create({ tag: 'SYS-XL', quantity: 1, virtualAccount: 'Sealed' })
    const end = world.clock.wall() + 10 * DAY
    const other = await installReservation('other')
    world.clock.advance(1000)
    const request = await (await world.open()).reservation.request()
    const { instanceId } = await world.authority.reservations.reserve({
      ...{ request, licenses: { 'SYS-XL': 1, HOST: 2 }, virtualAccount: 'Sealed' },
    })
    expect((await world.authority.operations.events.list()).at(-1)?.message).toContain(
      `: 1 of SYS-XL, 2 of HOST until ${toIsoString(end)}.`,
    )
    expect(await world.authority.reservations.get(instanceId)).toMatchObject({
      pending: false,
      inReview: false,
    })
    const licenses = async () => (await world.authority.reservations.get(instanceId)).licenses
    const [xl, host] = [
      { tag: 'SYS-XL', count: 1, endsAt: null },
      { tag: 'HOST', count: 2, endsAt: toIsoString(end) },
    ]
    expect(await licenses()).toEqual([host, xl])
    expect(await world.authority.reservations.list()).toMatchObject([
      { instanceId: other.instanceId, virtualAccount: 'Default' },
      { instanceId, virtualAccount: 'Sealed', licenses: [host, xl] },
    ])
    for (const id of [instanceId, other.instanceId])
      expect(await world.authority.instances.get(id)).toMatchObject({ id })
    world.clock.advance(end - world.clock.wall() - 1)
    expect(await licenses()).toEqual([host, xl])
    world.clock.advance(1)
    expect(await licenses()).toEqual([xl])
  })

  it('answers a request once and allows one reservation per device (R-SLR-3)', async () => {
    const { agent, instanceId } = await installReservation()
    expect(await world.authority.instances.list()).toMatchObject([
      {
        id: instanceId,
        status: 'reserved',
        entitlements: [{ tag: 'HOST', count: 10 }],
        reservation: { authorization: 1 },
      },
    ])
    const request = agent.status().reservation.requestCode ?? ''
    expect(await getErrorCode(world.authority.reservations.reserve({ request, licenses: { HOST: 1 } }))).toBe(
      'REQUEST_CODE_USED',
    )
    const twin = await world.open('twin', { product: { pid: 'CWMS-K9', version: '4.0', serial: 'DEVICE' } })
    expect(await getErrorCode(reserve(twin, 1))).toBe('INSTANCE_RESERVED')
    await twin.reservation.cancel()
    for (const force of [false, true]) {
      expect(await getErrorCode(twin.register(await world.token(), { force }))).toBe('INSTANCE_RESERVED')
    }
    expect(await pool()).toMatchObject({ reserved: 10 })
  })

  it('refuses a registered device until it is removed (R-SLR-3)', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    world.network.down = true
    await getErrorCode(agent.deregister())
    world.network.down = false
    expect(await getErrorCode(reserve(agent))).toBe('INSTANCE_ALREADY_REGISTERED')
    const [instance] = await world.authority.instances.list()
    await world.authority.instances.remove(instance?.id ?? '')
    await agent.reservation.install((await reserve(agent)).file)
  })

  it('recommends a satellite from the 31st reservation on (R-SLR-8)', async () => {
    for (let i = 0; i < 31; i++) {
      if (i === 20) await world.authority.orders.create({ tag: 'HOST', quantity: 20 })
      const request = encodeRequestCode({
        udi: { pid: 'CWMS-K9', serial: `SN${i}`, version: '4.0' },
        number: 1,
        deviceKey: Uint8Array.from({ length: 32 }, () => i + 9),
      })
      const { recommendation } = await world.authority.reservations.reserve({
        request,
        licenses: { HOST: 1 },
      })
      expect([i, recommendation]).toEqual([
        i,
        i < 30 ? null : expect.stringContaining('disconnected satellite'),
      ])
    }
    expect(
      (await world.authority.operations.events.list()).filter(({ type }) => type === 'SATELLITE_RECOMMENDED')
        .length,
    ).toBe(1)
  })
})

describe('a reservation of licenses with terms', () => {
  it('leaves perpetual licenses to connected devices for the time when terms end (R-SLR-3)', async () => {
    await world.authority.orders.create({ tag: 'HOST', quantity: 20, termDays: 30 })
    const connected = await world.open('connected')
    connected.setUsage('HOST', 15)
    await connected.register(await world.token())
    const agent = await world.open()
    const { licenses } = await reserve(agent, 20)
    expect(licenses).toMatchObject([
      { count: 5, endsAt: null },
      { count: 15, endsAt: new Date(world.clock.wall() + 30 * DAY).toISOString() },
    ])
    await advance(world, connected, 31 * DAY)
    expect(await pool()).toMatchObject({ quantity: 20, inUse: 15, reserved: 5, balance: 0 })
    expect(connected.status().state).toBe('authorized')
  })

  it('does not use ended licenses after the clock of the authority was set back (R-SLR-3)', async () => {
    const { agent, instanceId } = await installReservation()
    await world.authority.orders.create({ tag: 'SYS-XL', quantity: 1, termDays: 30 })
    world.clock.advance(40 * DAY)
    await world.authority.reservations.get(instanceId)
    world.clock.setWall(world.clock.wall() - 39 * DAY)
    expect(await getErrorCode(world.authority.reservations.update(instanceId, { 'SYS-XL': 1 }))).toBe(
      'LICENSES_UNAVAILABLE',
    )
    expect(agent.status().state).toBe('reserved')
  })
})

describe('an update of a reservation', () => {
  it('reserves the larger count until it is confirmed, and blocks another update (R-SLR-5)', async () => {
    const { agent, instanceId } = await installReservation()
    const code = await update(agent, instanceId, 4)
    expect(await pool()).toMatchObject({ reserved: 10 })
    expect(await world.authority.instances.get(instanceId)).toMatchObject({
      reservation: { pending: true, licenses: [{ count: 4 }], previous: [{ count: 10 }] },
    })
    expect(await getErrorCode(world.authority.reservations.update(instanceId, { HOST: 5 }))).toBe(
      'UPDATE_PENDING',
    )
    await world.authority.reservations.confirm(instanceId, ` ${code.toLowerCase().replaceAll('-', '\n')}`)
    expect(await pool()).toMatchObject({ reserved: 4 })
    const more = await update(agent, instanceId, 15)
    expect(await pool()).toMatchObject({ reserved: 15 })
    expect(await getErrorCode(world.authority.reservations.confirm(instanceId, code))).toBe(
      'CONFIRMATION_CODE_OTHER_UPDATE',
    )
    await world.authority.reservations.confirm(instanceId, more)
    expect(await getErrorCode(world.authority.reservations.confirm(instanceId, more))).toBe(
      'UPDATE_NOT_PENDING',
    )
    expect(await pool()).toMatchObject({ reserved: 15 })
  })

  it('is issued again when its file was lost, even for a device without the first file (R-SLR-5)', async () => {
    const agent = await world.open()
    const { instanceId } = await reserve(agent)
    await world.authority.reservations.update(instanceId, { HOST: 12 })
    const { file } = await world.authority.reservations.get(instanceId)
    const { confirmationCode } = (await agent.reservation.install(file ?? '')).reservation
    await world.authority.reservations.confirm(instanceId, confirmationCode ?? '')
    expect(agent.status().reservation.entitlements).toMatchObject([{ count: 12 }])
  })

  it('to nothing is refused with RESERVATION_EMPTY (R-SLR-5)', async () => {
    const { instanceId } = await installReservation()
    expect(await getErrorCode(world.authority.reservations.update(instanceId, { HOST: 0 }))).toBe(
      'RESERVATION_EMPTY',
    )
    expect(await getErrorCode(world.authority.reservations.update('unknown', { HOST: 1 }))).toBe('NOT_FOUND')
  })
})

describe('a wrong code', () => {
  it('has distinct errors for another device, another kind, a typing error and an ended reservation (R-SLR-7)', async () => {
    const [first, second] = [await installReservation('one', 5), await installReservation('two', 5)]
    const confirm = (id: string, code: string) => getErrorCode(world.authority.reservations.confirm(id, code))
    const code = await update(first.agent, first.instanceId, 6)
    expect(await confirm(second.instanceId, code)).toBe('CODE_OTHER_RESERVATION')
    expect(await getErrorCode(world.authority.reservations.acceptReturnCode(first.instanceId, code))).toBe(
      'CODE_OTHER_KIND',
    )
    expect(await confirm(first.instanceId, code.replace(/^....../, '000000'))).toBe('CODE_MISTYPED')
    expect(await confirm(first.instanceId, first.agent.status().reservation.requestCode ?? '')).toBe(
      'CODE_OTHER_KIND',
    )
    const returned = await second.agent.reservation.returnCode()
    expect(
      await getErrorCode(world.authority.reservations.acceptReturnCode(first.instanceId, returned)),
    ).toBe('CODE_OTHER_RESERVATION')
    expect(await getErrorCode(world.authority.reservations.acceptReturnCode('unknown', returned))).toBe(
      'NOT_FOUND',
    )
    await world.authority.reservations.acceptReturnCode(second.instanceId, returned)
    const again = await getErrorCode(
      world.authority.reservations.acceptReturnCode(second.instanceId, returned),
    )
    expect(again).toBe('RESERVATION_ENDED')
  })

  it('blocks all codes for the rest of the hour after ten attempts (R-SLR-7)', async () => {
    const { agent, instanceId } = await installReservation()
    const code = await update(agent, instanceId, 4)
    const { encodeProofCode } = await import('../../src/protocol/offline-codes.ts')
    const forged = encodeProofCode(new Uint8Array(32), {
      kind: 'confirmation',
      udi: { pid: 'CWMS-K9', serial: 'DEVICE' },
      reservationId: instanceId,
      epoch: 1,
      sequence: 2,
    })
    const confirm = (text: string) => getErrorCode(world.authority.reservations.confirm(instanceId, text))
    for (let i = 0; i < 10; i++) expect(await confirm(forged)).toBe('CODE_WRONG')
    expect(await confirm(forged)).toBe('CODE_ATTEMPTS_EXCEEDED')
    expect(await confirm(code)).toBe('CODE_ATTEMPTS_EXCEEDED')
    world.clock.advance(HOUR)
    expect(await confirm(code)).toBe('no error')
    expect(
      (await world.authority.operations.events.list()).filter(({ type }) => type === 'CODE_REFUSED').length,
    ).toBe(10)
  })

  it('is reported as one of an earlier reservation of the same device (R-SLR-7)', async () => {
    const { agent, instanceId } = await installReservation()
    const code = await agent.reservation.returnCode()
    await world.authority.reservations.acceptReturnCode(instanceId, code)
    await agent.reservation.return()
    const next = await reserve(agent)
    const message = await world.authority.reservations
      .acceptReturnCode(next.instanceId, code)
      .catch((error: unknown) => String(error))
    expect(message).toContain('an earlier reservation of CWMS-K9:DEVICE')
  })

  it('reveals no details when another smart account used the request code (R-SLR-3)', async () => {
    const { agent, instanceId } = await installReservation()
    const request = agent.status().reservation.requestCode ?? ''
    const other = { account: 'other.example' }
    await world.authority.accounts.add('other.example', { acceptAgreement: true })
    await world.authority.reservations.enable(other)
    await world.authority.orders.create({ ...other, tag: 'HOST', quantity: 5 })
    const message = await world.authority.reservations
      .reserve({ ...other, request, licenses: { HOST: 1 } })
      .catch((error: unknown) => String(error))
    expect(message).toContain('another smart account')
    expect(message).not.toContain(instanceId)
  })
})

describe('the return of a reservation', () => {
  it('frees its licenses for a pool with too few, and reports sufficient licenses (R-SLR-6)', async () => {
    const { agent, instanceId } = await installReservation()
    const connected = await world.open('connected')
    await connected.register(await world.token())
    connected.setUsage('HOST', 12)
    await advance(world, connected, HOUR)
    const listWarnings = async () =>
      (await world.authority.operations.events.list())
        .filter(({ type }) => type.includes('SUFFICIENT'))
        .map(({ type }) => type)
    expect(await listWarnings()).toEqual(['INSUFFICIENT_LICENSES'])
    await world.authority.reservations.acceptReturnCode(instanceId, await agent.reservation.returnCode())
    expect(await listWarnings()).toEqual(['INSUFFICIENT_LICENSES', 'LICENSES_SUFFICIENT'])
  })

  it('is required before a reserved instance can be removed (R-SLR-6)', async () => {
    const { agent, instanceId } = await installReservation()
    expect(await getErrorCode(world.authority.instances.remove(instanceId))).toBe('RETURN_CODE_REQUIRED')
    const connected = await world.open('connected')
    await connected.register(await world.token())
    const id = connected.status().registration.instanceId ?? ''
    expect(
      await getErrorCode(
        world.authority.reservations.acceptReturnCode(id, await agent.reservation.returnCode()),
      ),
    ).toBe('INSTANCE_NOT_RESERVED')
  })

  it('can be completed in either order and after any time (R-SLR-6)', async () => {
    const { agent, instanceId } = await installReservation()
    const code = await agent.reservation.returnCode()
    await agent.reservation.return()
    await advance(world, agent, 200 * DAY)
    expect(await pool()).toMatchObject({ reserved: 10 })
    expect(agent.status().reservation.returnCode).toBe(code)
    await world.authority.reservations.acceptReturnCode(instanceId, code)
    expect(await pool()).toMatchObject({ reserved: 0 })
  })

  it('also ends an update that is not installed or not confirmed (R-SLR-6)', async () => {
    const [first, second] = [await installReservation('one', 5), await installReservation('two', 5)]
    await world.authority.reservations.update(first.instanceId, { HOST: 9 })
    await update(second.agent, second.instanceId, 6)
    for (const { agent, instanceId } of [first, second])
      await world.authority.reservations.acceptReturnCode(instanceId, await agent.reservation.returnCode())
    expect(await pool()).toMatchObject({ reserved: 0 })
    for (const { instanceId } of [first, second])
      expect(await world.authority.reservations.get(instanceId)).toMatchObject({
        status: 'returned',
        pending: false,
        previous: [],
      })
  })

  it('can be replaced by a recorded write-off, and still be completed later (R-SLR-6)', async () => {
    const { agent, instanceId } = await installReservation()
    const writeOff = (reason: string) =>
      world.authority.reservations.writeOff(instanceId, { reason, by: 'alice' })
    expect(await getErrorCode(writeOff(' '))).toBe('INVALID_ARGUMENT')
    await writeOff('burnt with the data center')
    expect(await pool()).toMatchObject({ reserved: 0 })
    expect((await world.authority.operations.events.list()).at(-1)).toMatchObject({
      type: 'RESERVATION_OVERRIDDEN',
      severity: 'major',
      instanceId,
      message:
        'CWMS-K9:DEVICE was removed without its return code by alice: burnt with the data center. Returned without proof: 10 of HOST.',
    })
    await expect(writeOff('again')).rejects.toThrow(
      new LicensingError(
        'RESERVATION_ENDED',
        `The reservation of CWMS-K9:DEVICE was removed without a return code at ${toIsoString(world.clock.wall())}.`,
      ),
    )
    expect(await getErrorCode(world.authority.reservations.update(instanceId, { HOST: 1 }))).toBe(
      'RESERVATION_ENDED',
    )
    await world.authority.reservations.acceptReturnCode(instanceId, await agent.reservation.returnCode())
    expect((await world.authority.operations.events.list()).at(-1)).toMatchObject({
      type: 'RESERVATION_RETURNED',
    })
    await expect(writeOff('once more')).rejects.toThrow(
      new LicensingError(
        'RESERVATION_ENDED',
        `The reservation of CWMS-K9:DEVICE was returned at ${toIsoString(world.clock.wall())}.`,
      ),
    )
  })

  it('is required before its virtual account can be removed', async () => {
    await world.authority.accounts.addVirtualAccount('Sealed')
    await world.authority.orders.create({ tag: 'HOST', quantity: 1, termDays: 10, virtualAccount: 'Sealed' })
    const agent = await world.open()
    const request = await agent.reservation.request()
    await world.authority.reservations.reserve({ request, licenses: { HOST: 1 }, virtualAccount: 'Sealed' })
    world.clock.advance(11 * DAY)
    expect(await getErrorCode(world.authority.accounts.removeVirtualAccount('Sealed'))).toBe(
      'VIRTUAL_ACCOUNT_IN_USE',
    )
  })
})

it('one account serves a direct device, a proxied one and an offline one (R-NET-5)', async () => {
  const direct = await world.open('direct')
  const proxied = await world.open('proxied', {
    transport: { kind: 'proxy', url: 'https://authority.test', via: 'http://proxy.test' },
  })
  for (const agent of [direct, proxied]) {
    agent.setUsage('HOST', 4)
    await agent.register(await world.token())
  }
  await installReservation('offline', 12)
  expect(await pool()).toMatchObject({
    quantity: 20,
    inUse: 8,
    reserved: 12,
    available: 0,
    status: 'in-compliance',
  })
  expect((await world.authority.instances.list()).map(({ status }) => status)).toEqual([
    'in-compliance',
    'in-compliance',
    'reserved',
  ])
})
