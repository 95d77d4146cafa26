import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect } from 'vitest'
import type { SmartAgent } from '../../src/index.ts'
import type { Authority } from '../../src/authority/index.ts'
import {
  ALERT_TYPES,
  type AlertDocument,
  type AlertType,
  restoreAuthority,
} from '../../src/authority/index.ts'
import { sortBySeverity } from '../../src/authority/alerts/alerts.ts'
import { DAY, toIsoString, MINUTE } from '../../src/core/time.ts'
import { encodeRequestCode } from '../../src/protocol/offline-codes.ts'
import { createReceiver } from '../support/receiver.ts'
import {
  exchangeByFile,
  createSatelliteEnvironment,
  type SatelliteEnvironment,
} from '../support/satellite.ts'
import { runStored } from '../support/stored.ts'
import { getErrorCode, createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'
import { createSampledTests } from '../support/scale.ts'
import { copyDirectory } from '../../tools/copy-directory.ts'

const { describe, it } = createSampledTests(3)

const typesOf = (alerts: readonly AlertDocument[]) =>
  alerts.map(({ severity, type }) => `${severity} ${type}`)
const later = (clock: TestEnvironment['clock'], days: number) => toIsoString(clock.wall() + days * DAY)

describe('the alerts of a manager', () => {
  let world: TestEnvironment
  let authority: Authority
  beforeEach(async () => {
    world = await createTestEnvironment()
    authority = world.authority
  })
  afterEach(() => world.close())

  const alerts = (virtualAccount?: string) => authority.operations.alerts.list({ virtualAccount })
  const types = async () => typesOf(await alerts())
  const registerDevice = async (name = 'device') => {
    const agent = await world.open(name)
    await agent.register(await world.token())
    return agent
  }

  it('are empty while nothing needs attention (R-ACC-7)', async () => {
    await authority.orders.create({ tag: 'HOST', quantity: 5 })
    const agent = await registerDevice()
    agent.setUsage('HOST', 5)
    await agent.flushUsage()
    expect(await alerts()).toEqual([])
  })

  it('include an agreement until it is accepted (R-ACC-7, R-ACC-8)', async () => {
    const agreement = (at: number | null) =>
      runStored(join(world.directory, 'authority'), 'update accounts set agreement_at = ?', at)
    await agreement(null)
    expect(await alerts()).toMatchObject([
      { type: 'agreement-pending', severity: 'major', source: 'acme.example', virtualAccount: null },
    ])
    await agreement(1)
    expect(await alerts()).toEqual([])
  })

  it('include insufficient licenses until enough are ordered, transferred or freed (R-ACC-7, R-AUTH-2)', async () => {
    await authority.accounts.addVirtualAccount('East')
    await authority.orders.create({ tag: 'HOST', quantity: 5 })
    const agent = await registerDevice()
    agent.setUsage('HOST', 8)
    await agent.flushUsage()
    expect(await alerts()).toEqual([
      {
        severity: 'major',
        type: 'insufficient-licenses',
        message: 'Default has 3 too few of HOST: 8 in use, 5 owned.',
        source: 'HOST',
        virtualAccount: 'Default',
        instanceId: null,
        satellite: null,
        actionDue: null,
        actions: expect.any(Array) as string[],
      },
    ])
    await authority.orders.create({ tag: 'HOST', quantity: 3 })
    expect(await alerts()).toEqual([])
    await authority.licenses.transfer({
      tag: 'HOST',
      quantity: 1,
      from: 'Default',
      to: 'East',
      confirmed: true,
    })
    expect(await types()).toEqual(['major insufficient-licenses'])
    agent.setUsage('HOST', 7)
    await agent.flushUsage()
    expect(await alerts()).toEqual([])
  })

  it('can be limited to one virtual account, without the account-wide ones (R-ACC-7)', async () => {
    await authority.accounts.addVirtualAccount('East')
    await authority.orders.createForBuyer({ tag: 'HOST', quantity: 1, buyer: 'b@c.example' })
    await authority.operations.mail.configure({
      kind: 'folder',
      from: 'o@v.example',
      folder: join(world.directory, 'mail'),
    })
    await authority.orders.create({ tag: 'HOST', quantity: 1, termDays: 20 })
    await authority.orders.create({ tag: 'HOST', quantity: 2, termDays: 20, virtualAccount: 'East' })
    const agent = await world.open()
    agent.setUsage('SYS-XL', 1)
    await agent.register(await world.token({ virtualAccount: 'East' }))
    expect(await types()).toEqual([
      'major licenses-expiring',
      'major licenses-expiring',
      'major insufficient-licenses',
      'minor order-without-account',
    ])
    expect((await alerts('East')).map(({ type, source }) => [type, source])).toEqual([
      ['licenses-expiring', 'HOST'],
      ['insufficient-licenses', 'SYS-XL'],
    ])
    expect((await alerts('Default')).map(({ message }) => message)).toEqual([
      expect.stringMatching(/^1 of HOST in Default end at /),
    ])
    world.clock.advance(31 * DAY)
    expect(typesOf(await alerts('Default'))).toEqual(['major licenses-expired'])
    expect(typesOf(await alerts('East'))).toContain('minor instance-failed-to-connect')
    expect(await getErrorCode(alerts('West'))).toBe('NOT_FOUND')
  })

  it('never include alerts of another smart account (R-ACC-7)', async () => {
    await authority.accounts.add('other.example', { acceptAgreement: true })
    const other = { account: 'other.example' }
    await authority.orders.create({ ...other, tag: 'HOST', quantity: 1, termDays: 20 })
    const agent = await world.open()
    agent.setUsage('HOST', 2)
    await agent.register((await authority.tokens.create({ ...other, days: 5 })).token)
    world.clock.advance(31 * DAY)
    expect(await authority.operations.alerts.list({ account: 'acme.example' })).toEqual([])
    expect(typesOf(await authority.operations.alerts.list(other))).toEqual([
      'major licenses-expired',
      'major insufficient-licenses',
      'minor instance-failed-to-connect',
    ])
  })

  it('include an instance without contact for 30 days, major once its authorization has ended (R-ACC-7, R-AUTH-3)', async () => {
    const agent = await registerDevice('quiet')
    await registerDevice('other').then((other) => authority.instances.remove(instanceOf(other)))
    const contact = world.clock.wall()
    world.clock.advance(30 * DAY)
    expect(await alerts()).toEqual([])
    world.clock.advance(1)
    const end = contact + 90 * DAY - 5 * MINUTE
    expect(await alerts()).toMatchObject([
      {
        severity: 'minor',
        type: 'instance-failed-to-connect',
        source: 'CWMS-K9:QUIET',
        virtualAccount: 'Default',
        instanceId: instanceOf(agent),
        actionDue: toIsoString(end),
      },
    ])
    world.clock.advance(60 * DAY - 5 * MINUTE - 2)
    expect(await types()).toEqual(['minor instance-failed-to-connect'])
    world.clock.advance(1)
    expect(await types()).toEqual(['major instance-failed-to-connect'])
    await agent.renewAuthorization()
    expect(await alerts()).toEqual([])
  })

  it('include a registration in its last quarter, major in its last 30 days, until its renewal (R-ACC-7, R-REG-6)', async () => {
    const agent = await registerDevice()
    const renewals = async () => (await alerts()).filter(({ type }) => type === 'instance-failed-to-renew')
    world.clock.advance(273 * DAY)
    expect(await renewals()).toEqual([])
    world.clock.advance(DAY)
    const [instance] = await authority.instances.list()
    const actionDue = instance?.expiresAt
    expect(await renewals()).toMatchObject([{ severity: 'minor', source: 'CWMS-K9:DEVICE', actionDue }])
    world.clock.advance(60 * DAY)
    expect(await renewals()).toMatchObject([{ severity: 'minor' }])
    world.clock.advance(2 * DAY)
    expect(await renewals()).toMatchObject([{ severity: 'major' }])
    await agent.renewRegistration()
    expect(await alerts()).toEqual([])
  })

  it('omit an instance once its registration has ended (R-ACC-7)', async () => {
    await registerDevice()
    world.clock.advance(364 * DAY)
    expect(await types()).toEqual(['major instance-failed-to-connect', 'major instance-failed-to-renew'])
    world.clock.advance(2 * DAY)
    expect(await alerts()).toEqual([])
  })

  it('include a diverged instance until it has registered again (R-ACC-7)', async () => {
    const product = { pid: 'CWMS-K9', version: '4.0', serial: 'DEVICE' }
    const first = await world.open('device', { product })
    await first.register(await world.token())
    await first.close()
    const copy = join(world.directory, 'clone')
    copyDirectory(join(world.directory, 'device'), copy)
    const device = await world.open('device', { product })
    const clone = await world.open('clone', { product })
    await device.renewAuthorization()
    expect(await alerts()).toEqual([])
    expect(await getErrorCode(clone.renewAuthorization())).toBe('INSTANCE_DIVERGED')
    world.clock.advance(MINUTE)
    expect(await getErrorCode(clone.renewAuthorization())).toBe('INSTANCE_DIVERGED')
    expect(await alerts()).toMatchObject([
      {
        severity: 'major',
        type: 'instance-diverged',
        source: 'CWMS-K9:DEVICE',
        instanceId: instanceOf(device),
        message: expect.stringContaining(toIsoString(world.clock.wall())) as string,
      },
    ])
    await clone.register(await world.token(), { force: true })
    expect(await alerts()).toEqual([])
    // A repeated registration with another token also ends the divergence.
    const [instance] = await authority.instances.list()
    const insertEvent = (type: string) =>
      runStored(
        join(world.directory, 'authority'),
        `insert into events (at, account_id, instance_id, type, severity, message)
         select 0, account_id, id, ?, 'major', '' from instances where id = ?`,
        type,
        instance?.id,
      )
    await insertEvent('INSTANCE_DIVERGED')
    expect(await types()).toEqual(['major instance-diverged'])
    await insertEvent('INSTANCE_REGISTERED')
    expect(await alerts()).toEqual([])
    await insertEvent('INSTANCE_DIVERGED')
    expect(await types()).toEqual(['major instance-diverged'])
    await authority.instances.remove(instance?.id ?? '')
    expect(await alerts()).toEqual([])
  })

  it('include a term from 90 days before to 90 days after its end, rising in severity (R-ACC-7, R-ACC-6)', async () => {
    await authority.orders.create({ tag: 'HOST', quantity: 5, termDays: 100 })
    const due = later(world.clock, 100)
    const changes: string[] = []
    for (let day = 0; day < 200; day++) {
      const [now = 'none', more] = await types()
      expect(more).toBeUndefined()
      if (changes.at(-1)?.split(': ')[1] !== now) changes.push(`${day}: ${now}`)
      world.clock.advance(DAY)
    }
    expect(changes).toEqual([
      '0: none',
      '10: informational licenses-expiring',
      '40: minor licenses-expiring',
      '70: major licenses-expiring',
      '100: major licenses-expired',
      '191: none',
    ])
    expect(due).toBe(later(world.clock, -100))
  })

  it('count a term as replaced only by purchases near its end that last longer (R-ACC-7, R-ACC-6)', async () => {
    // Perpetual licenses that were bought together with a term do not replace it.
    await authority.orders.create({ tag: 'HOST', quantity: 50 })
    await authority.orders.create({ tag: 'HOST', quantity: 5, termDays: 100 })
    const due = later(world.clock, 100)
    world.clock.advance(5 * DAY)
    await authority.orders.create({ tag: 'HOST', quantity: 50 })
    world.clock.advance(20 * DAY)
    expect(await alerts()).toMatchObject([
      { type: 'licenses-expiring', message: `5 of HOST in Default end at ${due}.`, actionDue: due },
    ])
    await authority.orders.create({ tag: 'SYS-XL', quantity: 5 })
    await authority.orders.create({ tag: 'HOST', quantity: 5, termDays: 10 })
    await authority.orders.create({ tag: 'HOST', quantity: 3, termDays: 200 })
    const messages = (await alerts()).map(({ message }) => message)
    expect(messages).toContain(`5 of HOST in Default end at ${due}, of which 2 were not replaced.`)
    world.clock.advance(80 * DAY)
    expect(await types()).toContain('major licenses-expired')
    // The term of ten days ended earlier and is replaced first.
    await authority.orders.create({ tag: 'HOST', quantity: 5 + 1, termDays: 200 })
    expect(await alerts()).toMatchObject([
      { message: `5 of HOST in Default ended at ${due}, of which 1 was not replaced.` },
    ])
    await authority.orders.create({ tag: 'HOST', quantity: 1, termDays: 200 })
    expect(await alerts()).toEqual([])
  })

  it('count each lot as a replacement once (R-ACC-7)', async () => {
    await authority.orders.create({ tag: 'HOST', quantity: 5, termDays: 50 })
    await authority.orders.create({ tag: 'HOST', quantity: 5, termDays: 60 })
    world.clock.advance(DAY)
    expect(await types()).toHaveLength(2)
    await authority.orders.create({ tag: 'HOST', quantity: 5 })
    expect((await alerts()).map(({ actionDue }) => actionDue)).toEqual([later(world.clock, 59)])
    await authority.orders.create({ tag: 'HOST', quantity: 5 })
    expect(await alerts()).toEqual([])
  })

  it('include an unconfirmed update and an ended reserved term until both are resolved (R-ACC-7, R-SLR-5)', async () => {
    await authority.reservations.enable()
    await authority.orders.create({ tag: 'HOST', quantity: 5, termDays: 40 })
    const agent = await world.open()
    const request = await agent.reservation.request()
    const { file, instanceId } = await authority.reservations.reserve({ request, licenses: { HOST: 5 } })
    await agent.reservation.install(file)
    const due = later(world.clock, 40)
    world.clock.advance(39 * DAY)
    await authority.orders.create({ tag: 'HOST', quantity: 5 })
    expect(await alerts()).toEqual([])
    world.clock.advance(2 * DAY)
    expect(await alerts()).toMatchObject([
      {
        severity: 'major',
        type: 'reserved-license-expired',
        message: `The term of 5 of HOST reserved for CWMS-K9:DEVICE ended at ${due}.`,
        source: 'CWMS-K9:DEVICE',
        instanceId,
        virtualAccount: 'Default',
        actionDue: due,
      },
    ])
    const update = await authority.reservations.update(instanceId, { HOST: 5 })
    expect(await alerts()).toMatchObject([
      { severity: 'minor', type: 'update-not-confirmed', instanceId, actionDue: null },
    ])
    const { reservation } = await agent.reservation.update(update.file)
    await authority.reservations.confirm(instanceId, reservation.confirmationCode ?? '')
    expect(await alerts()).toEqual([])
  })

  it('include an order without a smart account and mail that is not sent (R-ACC-7, R-ACC-6)', async () => {
    const placed = await authority.orders.createForBuyer({ tag: 'HOST', quantity: 2, buyer: 'b@c.example' })
    const due = later(world.clock, 28)
    expect(await alerts()).toMatchObject([
      {
        severity: 'minor',
        type: 'order-without-account',
        message: `Order ${placed.id}, 2 of HOST, names no smart account, and its buyer was reminded 0 of 3 times.`,
        actionDue: due,
      },
      { severity: 'minor', type: 'mail-not-sent', source: 'e-mail', actionDue: null },
    ])
    const folder = join(world.directory, 'mail')
    await authority.operations.mail.configure({
      kind: 'smtp',
      from: 'o@v.example',
      url: 'smtp://127.0.0.1:1',
    })
    expect(await types()).toEqual(['minor order-without-account'])
    expect(await getErrorCode(authority.operations.mail.send())).toBe('MAIL_NOT_SENT')
    expect((await alerts()).at(-1)).toMatchObject({
      type: 'mail-not-sent',
      message: '1 e-mail waits to be sent: The e-mail could not be sent (ESOCKET).',
    })
    await authority.operations.mail.configure({ kind: 'folder', from: 'o@v.example', folder })
    for (let week = 0; week < 3; week++) {
      world.clock.advance(7 * DAY)
      await authority.orders.list()
      await authority.operations.mail.send()
      expect(await alerts()).toMatchObject([{ severity: 'minor', actionDue: due }])
    }
    world.clock.advance(7 * DAY)
    expect(await alerts()).toMatchObject([
      { severity: 'major', type: 'order-without-account', actionDue: null },
    ])
    expect(JSON.stringify(await alerts())).not.toContain('b@c.example')
    await authority.orders.assign(placed.id)
    expect(await alerts()).toEqual([])
  })

  it('recommend a satellite while more than 30 devices have reservations (R-ACC-7, R-SLR-8)', async () => {
    await authority.reservations.enable()
    await authority.orders.create({ tag: 'HOST', quantity: 40 })
    const ids: string[] = []
    for (let i = 0; i < 31; i++) {
      const udi = { pid: 'CWMS-K9', serial: `SN${i}`, version: '4.0' }
      const deviceKey = Uint8Array.from({ length: 32 }, () => i + 9)
      const request = encodeRequestCode({ udi, number: 1, deviceKey: deviceKey })
      expect(await alerts()).toEqual([])
      ids.push((await authority.reservations.reserve({ request, licenses: { HOST: 1 } })).instanceId)
    }
    expect(await types()).toEqual(['informational satellite-recommended'])
    await authority.reservations.writeOff(ids[0] ?? '', { reason: 'burnt', by: 'me' })
    expect(await types()).toEqual(['informational reserved-licenses-returned'])
    world.clock.advance(30 * DAY)
    expect(await types()).not.toContain('informational reserved-licenses-returned')
  })

  it('include undeliverable webhook messages and unwritten reports until both succeed (R-ACC-7)', async () => {
    const receiver = await createReceiver()
    const { id } = await authority.operations.webhooks.add({ url: receiver.url, types: ['TOKEN_CREATED'] })
    receiver.answer = (response) => response.writeHead(410).end()
    await world.token()
    await authority.operations.webhooks.deliver()
    expect(await alerts()).toMatchObject([
      { severity: 'minor', type: 'webhook-not-delivered', source: `webhook ${id}` },
    ])
    expect(await authority.operations.alerts.list({ virtualAccount: 'Default' })).toEqual([])
    receiver.answer = (response) => response.writeHead(204).end()
    await authority.operations.webhooks.retry(id)
    await authority.operations.webhooks.deliver()
    expect(await alerts()).toEqual([])
    await receiver.close()
    const folder = join(world.directory, 'reports')
    await authority.operations.schedules.add({ kind: 'usage', every: 'day', hour: 6, to: { folder } })
    rmSync(folder, { recursive: true })
    writeFileSync(folder, 'in the way')
    world.clock.advance(DAY)
    await authority.operations.schedules.runDue()
    expect(await types()).toEqual(['minor report-not-made'])
    rmSync(folder)
    world.clock.advance(DAY)
    await authority.operations.schedules.runDue()
    expect(await alerts()).toEqual([])
  })
})

describe('the alerts of a satellite and of its manager', () => {
  let world: SatelliteEnvironment
  let manager: Authority
  let satellite: Authority
  beforeEach(async () => {
    world = await createSatelliteEnvironment()
    manager = world.manager
    satellite = await world.addSatellite('branch')
  })
  afterEach(() => world.close())

  const both = async () => [
    typesOf(await manager.operations.alerts.list()),
    typesOf(await satellite.operations.alerts.list()),
  ]
  const none = [[], []]

  it('include an unregistered satellite until its first exchange (R-ACC-7, R-SAT-1)', async () => {
    expect(await both()).toEqual([['minor satellite-not-registered'], ['major satellite-not-registered']])
    expect(await manager.operations.alerts.list({ virtualAccount: 'BRANCH' })).toMatchObject([
      { source: 'branch', satellite: 'branch', virtualAccount: 'BRANCH', actionDue: later(world.clock, 14) },
    ])
    expect(await manager.operations.alerts.list({ virtualAccount: 'Default' })).toEqual([])
    // The alert is listed once overall, and for each virtual account on request.
    await manager.satellites.addVirtualAccount('branch', 'Annex')
    expect(await manager.operations.alerts.list()).toMatchObject([{ virtualAccount: 'BRANCH' }])
    expect(await manager.operations.alerts.list({ virtualAccount: 'Annex' })).toMatchObject([
      { virtualAccount: 'Annex' },
    ])
    await exchangeByFile(manager, satellite)
    expect(await both()).toEqual(none)
  })

  it('escalate from overdue to deadline to expired on both sides until it synchronizes (R-ACC-7, R-SAT-4)', async () => {
    await exchangeByFile(manager, satellite)
    const restricted = later(world.clock, 90)
    const changes: string[] = []
    for (let day = 0; day <= 91; day++) {
      const [onManager, onSatellite] = await both()
      const now = `${onManager?.join() ?? ''} / ${onSatellite?.join() ?? ''}`
      if (changes.at(-1)?.split(': ')[1] !== now) changes.push(`${day}: ${now}`)
      world.clock.advance(DAY)
    }
    expect(changes).toEqual([
      '0:  / ',
      '30: minor synchronization-overdue / minor synchronization-overdue',
      '60: major satellite-sync-deadline / major satellite-sync-deadline',
      '90: major satellite-expired / major satellite-expired',
    ])
    for (const side of [manager, satellite])
      expect(await side.operations.alerts.list()).toMatchObject([
        { satellite: 'branch', actionDue: restricted },
      ])
    await exchangeByFile(manager, satellite)
    expect(await both()).toEqual(none)
  })

  it('warn in proportion to short synchronization periods (R-ACC-7)', async () => {
    await manager.satellites.configure('branch', { warnDays: 8, restrictDays: 20, credentialDays: 14 })
    await exchangeByFile(manager, satellite)
    expect(await both()).toEqual(none)
    world.clock.advance(7 * DAY)
    expect(await both()).toEqual([['minor sync-credential-ending'], ['minor sync-credential-ending']])
    world.clock.advance(7 * DAY)
    const deadline = ['major sync-credential-ending', 'major satellite-sync-deadline']
    expect(await both()).toEqual([deadline, deadline])
    await exchangeByFile(manager, satellite)
    expect(await both()).toEqual(none)
  })

  it('include the removal at the manager once the satellite has learned of it (R-ACC-7)', async () => {
    await exchangeByFile(manager, satellite)
    await manager.satellites.remove('branch')
    expect(await both()).toEqual(none)
    await satellite.sync.setManager({ kind: 'direct', url: 'https://manager.test' })
    await getErrorCode(satellite.sync.run())
    expect(await both()).toEqual([[], ['major satellite-removed']])
  })

  it('include a restored satellite until it has synchronized (R-ACC-7)', async () => {
    await exchangeByFile(manager, satellite)
    const backup = await satellite.operations.backups.create('a long passphrase')
    await satellite.close()
    const dataDir = join(world.directory, 'restored')
    await restoreAuthority({ dataDir, backup, passphrase: 'a long passphrase', clock: world.clock })
    satellite = await world.openSatellite('restored')
    expect(await both()).toEqual([[], ['major satellite-in-doubt']])
    await exchangeByFile(manager, satellite)
    await exchangeByFile(manager, satellite)
    expect(await both()).toEqual(none)
  })

  it('list contact failures on the satellite alone, but shortages and reservations on both sides (R-ACC-7)', async () => {
    await manager.orders.create({ tag: 'HOST', quantity: 4, termDays: 100, virtualAccount: 'BRANCH' })
    await exchangeByFile(manager, satellite)
    await satellite.reservations.enable()
    const sealed = await world.openDevice(() => satellite, 'sealed')
    const request = await sealed.reservation.request()
    await satellite.reservations.reserve({ request, licenses: { HOST: 4 } })
    const agent = await world.openDevice(() => satellite, 'device')
    agent.setUsage('HOST', 2)
    await agent.register((await satellite.tokens.create({ days: 5 })).token)
    await exchangeByFile(manager, satellite)
    expect(await manager.operations.alerts.list()).toMatchObject([
      { type: 'insufficient-licenses', virtualAccount: 'BRANCH', satellite: 'branch' },
    ])
    expect(typesOf(await satellite.operations.alerts.list())).toEqual(['major insufficient-licenses'])
    world.clock.advance(35 * DAY)
    await exchangeByFile(manager, satellite)
    expect(typesOf(await satellite.operations.alerts.list())).toContain('minor instance-failed-to-connect')
    expect(typesOf(await manager.operations.alerts.list())).not.toContain('minor instance-failed-to-connect')
    world.clock.advance(66 * DAY)
    for (const [side, satelliteName] of [
      [manager, 'branch'],
      [satellite, null],
    ] as const)
      expect(await side.operations.alerts.list()).toContainEqual(
        expect.objectContaining({
          type: 'reserved-license-expired',
          source: 'CWMS-K9:SEALED',
          satellite: satelliteName,
        }),
      )
  })

  it('include a device that is registered at the manager and reserved at the satellite (R-ACC-7)', async () => {
    await manager.orders.create({ tag: 'HOST', quantity: 9 })
    await manager.orders.create({ tag: 'HOST', quantity: 4, virtualAccount: 'BRANCH' })
    await exchangeByFile(manager, satellite)
    await satellite.reservations.enable()
    const twin = await world.openDevice(() => manager, 'twin')
    await twin.register((await manager.tokens.create({ days: 5 })).token)
    const sealed = await world.openDevice(() => satellite, 'sealed', {
      product: { pid: 'CWMS-K9', version: '4.0', serial: 'TWIN' },
    })
    const request = await sealed.reservation.request()
    await satellite.reservations.reserve({ request, licenses: { HOST: 1 } })
    expect(typesOf(await manager.operations.alerts.list())).toEqual([])
    await exchangeByFile(manager, satellite)
    expect(await manager.operations.alerts.list()).toMatchObject([
      {
        severity: 'major',
        type: 'duplicate-licenses',
        source: 'CWMS-K9:TWIN',
        virtualAccount: 'BRANCH',
        satellite: 'branch',
      },
    ])
    expect(typesOf(await satellite.operations.alerts.list())).toEqual([])
    const [own] = await manager.instances.list()
    await manager.instances.remove(own!.id)
    expect(typesOf(await manager.operations.alerts.list())).toEqual([])
  })
})

describe('alerts', () => {
  const alert = fc.record({
    severity: fc.constantFrom('major', 'minor', 'informational'),
    actionDue: fc.option(fc.integer({ min: 0, max: 5 }).map((day) => toIsoString(day * DAY))),
    message: fc.string({ maxLength: 3 }),
  })
  const toAlert = (fields: object) =>
    ({
      type: 'mail-not-sent',
      source: '',
      instanceId: null,
      actions: [],
      ...fields,
    }) as unknown as AlertDocument

  it('are sorted by severity, then by due time, then by message (R-ACC-7)', () => {
    const rank = { major: 0, minor: 1, informational: 2 }
    fc.assert(
      fc.property(fc.array(alert), (some) => {
        const sorted = sortBySeverity(some.map(toAlert))
        for (const [i, next] of sorted.slice(1).entries()) {
          const previous = sorted[i] ?? next
          const keys = ({ severity, actionDue, message }: AlertDocument) =>
            [String(rank[severity]), actionDue ?? '9999', message] as const
          const [a, b] = [keys(previous), keys(next)]
          const first = [0, 1, 2].find((key) => a[key] !== b[key])
          if (first !== undefined) expect((a[first] ?? '') < (b[first] ?? '')).toBe(true)
        }
        expect(
          sortBySeverity([...sorted].reverse())
            .map((document) => JSON.stringify(document))
            .sort(),
        ).toEqual(sorted.map((document) => JSON.stringify(document)).sort())
      }),
    )
  })

  it('are all documented by type in docs/authority.md, which lists no others (R-ACC-7)', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/authority.md'), 'utf8')
    const section = page.split('\n## Alerts')[1]?.split('\n## ')[0] ?? ''
    const listed = [...section.matchAll(/^\| `([a-z-]+)`/gm)].map(([, type]) => type as AlertType)
    expect(listed.sort()).toEqual([...ALERT_TYPES].sort())
  })
})

/** Returns the instance id that the authority assigned to a device. */
function instanceOf(agent: SmartAgent): string {
  return agent.status().registration.instanceId ?? ''
}
