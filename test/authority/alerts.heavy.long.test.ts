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
  const registered = async (name = 'box') => {
    const agent = await world.open(name)
    await agent.register(await world.token())
    return agent
  }

  it('R-ACC-7: there are none where nothing is the matter', async () => {
    await authority.orders.create({ tag: 'HOST', quantity: 5 })
    const agent = await registered()
    agent.setUsage('HOST', 5)
    await agent.flushUsage()
    expect(await alerts()).toEqual([])
  })

  it('R-ACC-7, R-ACC-8: an agreement that is not accepted, until it is', async () => {
    const agreement = (at: number | null) =>
      runStored(join(world.directory, 'authority'), 'update accounts set agreement_at = ?', at)
    await agreement(null)
    expect(await alerts()).toMatchObject([
      { type: 'agreement-pending', severity: 'major', source: 'acme.example', virtualAccount: null },
    ])
    await agreement(1)
    expect(await alerts()).toEqual([])
  })

  it('R-ACC-7, R-AUTH-2: too few licenses, until enough are ordered, transferred or given back', async () => {
    await authority.accounts.addVirtualAccount('East')
    await authority.orders.create({ tag: 'HOST', quantity: 5 })
    const agent = await registered()
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

  it('R-ACC-7: of one virtual account only, when it is named; what is of none is left out then', async () => {
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

  it('R-ACC-7: one smart account is not told of another', async () => {
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

  it('R-ACC-7, R-AUTH-3: a box that is silent for 30 days, gravely so when its authorization has ended', async () => {
    const agent = await registered('quiet')
    await registered('other').then((other) => authority.instances.remove(instanceOf(other)))
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

  it('R-ACC-7, R-REG-6: a registration in its last quarter, gravely so in its last 30 days, until it is renewed', async () => {
    const agent = await registered()
    const renewals = async () => (await alerts()).filter(({ type }) => type === 'instance-failed-to-renew')
    world.clock.advance(273 * DAY)
    expect(await renewals()).toEqual([])
    world.clock.advance(DAY)
    const [instance] = await authority.instances.list()
    const actionDue = instance?.expiresAt
    expect(await renewals()).toMatchObject([{ severity: 'minor', source: 'CWMS-K9:BOX', actionDue }])
    world.clock.advance(60 * DAY)
    expect(await renewals()).toMatchObject([{ severity: 'minor' }])
    world.clock.advance(2 * DAY)
    expect(await renewals()).toMatchObject([{ severity: 'major' }])
    await agent.renewRegistration()
    expect(await alerts()).toEqual([])
  })

  it('R-ACC-7: a registration that has ended is no alert any more: the instance is none', async () => {
    await registered()
    world.clock.advance(364 * DAY)
    expect(await types()).toEqual(['major instance-failed-to-connect', 'major instance-failed-to-renew'])
    world.clock.advance(2 * DAY)
    expect(await alerts()).toEqual([])
  })

  it('R-ACC-7: two histories of one box, until it has registered again', async () => {
    const product = { pid: 'CWMS-K9', version: '4.0', serial: 'BOX' }
    const first = await world.open('box', { product })
    await first.register(await world.token())
    await first.close()
    const copy = join(world.directory, 'clone')
    copyDirectory(join(world.directory, 'box'), copy)
    const box = await world.open('box', { product })
    const clone = await world.open('clone', { product })
    await box.renewAuthorization()
    expect(await alerts()).toEqual([])
    expect(await getErrorCode(clone.renewAuthorization())).toBe('INSTANCE_DIVERGED')
    world.clock.advance(MINUTE)
    expect(await getErrorCode(clone.renewAuthorization())).toBe('INSTANCE_DIVERGED')
    expect(await alerts()).toMatchObject([
      {
        severity: 'major',
        type: 'instance-diverged',
        source: 'CWMS-K9:BOX',
        instanceId: instanceOf(box),
        message: expect.stringContaining(toIsoString(world.clock.wall())) as string,
      },
    ])
    await clone.register(await world.token(), { force: true })
    expect(await alerts()).toEqual([])
    // The same registration asked for again, with another token, is one since.
    const [instance] = await authority.instances.list()
    const tell = (type: string) =>
      runStored(
        join(world.directory, 'authority'),
        `insert into events (at, account_id, instance_id, type, severity, message)
         select 0, account_id, id, ?, 'major', '' from instances where id = ?`,
        type,
        instance?.id,
      )
    await tell('INSTANCE_DIVERGED')
    expect(await types()).toEqual(['major instance-diverged'])
    await tell('INSTANCE_REGISTERED')
    expect(await alerts()).toEqual([])
    await tell('INSTANCE_DIVERGED')
    expect(await types()).toEqual(['major instance-diverged'])
    await authority.instances.remove(instance?.id ?? '')
    expect(await alerts()).toEqual([])
  })

  it('R-ACC-7, R-ACC-6: a term is said 90, 60 and 30 days before its end and 90 after, as it was ordered', async () => {
    await authority.orders.create({ tag: 'HOST', quantity: 5, termDays: 100 })
    const due = later(world.clock, 100)
    const said: string[] = []
    for (let day = 0; day < 200; day++) {
      const [now = 'none', more] = await types()
      expect(more).toBeUndefined()
      if (said.at(-1)?.split(': ')[1] !== now) said.push(`${day}: ${now}`)
      world.clock.advance(DAY)
    }
    expect(said).toEqual([
      '0: none',
      '10: informational licenses-expiring',
      '40: minor licenses-expiring',
      '70: major licenses-expiring',
      '100: major licenses-expired',
      '191: none',
    ])
    expect(due).toBe(later(world.clock, -100))
  })

  it('R-ACC-7, R-ACC-6: a term is replaced by as many that were bought since and last longer, and by no others', async () => {
    // Bought with it, for ever: more licenses, and no new term of those that end.
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
    // The ten days that ended before are replaced first.
    await authority.orders.create({ tag: 'HOST', quantity: 5 + 1, termDays: 200 })
    expect(await alerts()).toMatchObject([
      { message: `5 of HOST in Default ended at ${due}, of which 1 was not replaced.` },
    ])
    await authority.orders.create({ tag: 'HOST', quantity: 1, termDays: 200 })
    expect(await alerts()).toEqual([])
  })

  it('R-ACC-7: each lot replaces others once', async () => {
    await authority.orders.create({ tag: 'HOST', quantity: 5, termDays: 50 })
    await authority.orders.create({ tag: 'HOST', quantity: 5, termDays: 60 })
    world.clock.advance(DAY)
    expect(await types()).toHaveLength(2)
    await authority.orders.create({ tag: 'HOST', quantity: 5 })
    expect((await alerts()).map(({ actionDue }) => actionDue)).toEqual([later(world.clock, 59)])
    await authority.orders.create({ tag: 'HOST', quantity: 5 })
    expect(await alerts()).toEqual([])
  })

  it('R-ACC-7, R-SLR-5: an update that is not confirmed, and a reserved term that ended, until both are mended', async () => {
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
        message: `5 of HOST that were reserved for CWMS-K9:BOX ended at ${due}.`,
        source: 'CWMS-K9:BOX',
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

  it('R-ACC-7, R-ACC-6: an order without a smart account, and mail that goes nowhere or not', async () => {
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
      message: '1 waiting to be sent: The mail could not be sent (ESOCKET).',
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

  it('R-ACC-7, R-SLR-8: with more than 30 boxes offline a satellite is recommended, until there are fewer', async () => {
    await authority.reservations.enable()
    await authority.orders.create({ tag: 'HOST', quantity: 40 })
    const ids: string[] = []
    for (let i = 0; i < 31; i++) {
      const udi = { pid: 'CWMS-K9', serial: `SN${i}`, version: '4.0' }
      const boxKey = Uint8Array.from({ length: 32 }, () => i + 9)
      const request = encodeRequestCode({ udi, number: 1, deviceKey: boxKey })
      expect(await alerts()).toEqual([])
      ids.push((await authority.reservations.reserve({ request, licenses: { HOST: 1 } })).instanceId)
    }
    expect(await types()).toEqual(['informational satellite-recommended'])
    await authority.reservations.writeOff(ids[0] ?? '', { reason: 'burnt', by: 'me' })
    expect(await types()).toEqual(['informational reserved-licenses-returned'])
    world.clock.advance(30 * DAY)
    expect(await types()).not.toContain('informational reserved-licenses-returned')
  })

  it('R-ACC-7: webhooks whose messages are dead, until they were sent again, and reports that could not be written', async () => {
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

  it('R-ACC-7, R-SAT-1: not registered, until the first exchange', async () => {
    expect(await both()).toEqual([['minor satellite-not-registered'], ['major satellite-not-registered']])
    expect(await manager.operations.alerts.list({ virtualAccount: 'BRANCH' })).toMatchObject([
      { source: 'branch', satellite: 'branch', virtualAccount: 'BRANCH', actionDue: later(world.clock, 14) },
    ])
    expect(await manager.operations.alerts.list({ virtualAccount: 'Default' })).toEqual([])
    // Of several virtual accounts it is told once, and of each that is asked for.
    await manager.satellites.addVirtualAccount('branch', 'Annex')
    expect(await manager.operations.alerts.list()).toMatchObject([{ virtualAccount: 'BRANCH' }])
    expect(await manager.operations.alerts.list({ virtualAccount: 'Annex' })).toMatchObject([
      { virtualAccount: 'Annex' },
    ])
    await exchangeByFile(manager, satellite)
    expect(await both()).toEqual(none)
  })

  it('R-ACC-7, R-SAT-4: overdue, then close to its deadline, then expired, on both sides, until it synchronizes', async () => {
    await exchangeByFile(manager, satellite)
    const restricted = later(world.clock, 90)
    const said: string[] = []
    for (let day = 0; day <= 91; day++) {
      const [above, below] = await both()
      const now = `${above?.join() ?? ''} / ${below?.join() ?? ''}`
      if (said.at(-1)?.split(': ')[1] !== now) said.push(`${day}: ${now}`)
      world.clock.advance(DAY)
    }
    expect(said).toEqual([
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

  it('R-ACC-7: a satellite whose days are few is not always about to end', async () => {
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

  it('R-ACC-7: removed at its manager, which the satellite hears', async () => {
    await exchangeByFile(manager, satellite)
    await manager.satellites.remove('branch')
    expect(await both()).toEqual(none)
    await satellite.sync.setManager({ kind: 'direct', url: 'https://manager.test' })
    await getErrorCode(satellite.sync.run())
    expect(await both()).toEqual([[], ['major satellite-removed']])
  })

  it('R-ACC-7: restored, until it has synchronized', async () => {
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

  it('R-ACC-7: its boxes are its own to look after; what its pools lack, and what it has reserved, both see', async () => {
    await manager.orders.create({ tag: 'HOST', quantity: 4, termDays: 100, virtualAccount: 'BRANCH' })
    await exchangeByFile(manager, satellite)
    await satellite.reservations.enable()
    const sealed = await world.box(() => satellite, 'sealed')
    const request = await sealed.reservation.request()
    await satellite.reservations.reserve({ request, licenses: { HOST: 4 } })
    const agent = await world.box(() => satellite, 'box')
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
    for (const [side, below] of [
      [manager, 'branch'],
      [satellite, null],
    ] as const)
      expect(await side.operations.alerts.list()).toContainEqual(
        expect.objectContaining({
          type: 'reserved-license-expired',
          source: 'CWMS-K9:SEALED',
          satellite: below,
        }),
      )
  })

  it('R-ACC-7: a box that is here and at its satellite, with licenses reserved for it, until one of both ends', async () => {
    await manager.orders.create({ tag: 'HOST', quantity: 9 })
    await manager.orders.create({ tag: 'HOST', quantity: 4, virtualAccount: 'BRANCH' })
    await exchangeByFile(manager, satellite)
    await satellite.reservations.enable()
    const twin = await world.box(() => manager, 'twin')
    await twin.register((await manager.tokens.create({ days: 5 })).token)
    const sealed = await world.box(() => satellite, 'sealed', {
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
  const whole = (one: object) =>
    ({ type: 'mail-not-sent', source: '', instanceId: null, actions: [], ...one }) as unknown as AlertDocument

  it('R-ACC-7: are sorted by severity, then by when something is due, then by their words', () => {
    const rank = { major: 0, minor: 1, informational: 2 }
    fc.assert(
      fc.property(fc.array(alert), (some) => {
        const sorted = sortBySeverity(some.map(whole))
        for (const [i, next] of sorted.slice(1).entries()) {
          const one = sorted[i] ?? next
          const keys = ({ severity, actionDue, message }: AlertDocument) =>
            [String(rank[severity]), actionDue ?? '9999', message] as const
          const [a, b] = [keys(one), keys(next)]
          const first = [0, 1, 2].find((key) => a[key] !== b[key])
          if (first !== undefined) expect((a[first] ?? '') < (b[first] ?? '')).toBe(true)
        }
        expect(
          sortBySeverity([...sorted].reverse())
            .map((one) => JSON.stringify(one))
            .sort(),
        ).toEqual(sorted.map((one) => JSON.stringify(one)).sort())
      }),
    )
  })

  it('R-ACC-7: each type is in the guide for licensing staff, and no other', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/authority.md'), 'utf8')
    const section = page.split('\n## Alerts')[1]?.split('\n## ')[0] ?? ''
    const listed = [...section.matchAll(/^\| `([a-z-]+)`/gm)].map(([, type]) => type as AlertType)
    expect(listed.sort()).toEqual([...ALERT_TYPES].sort())
  })
})

/** The id by which the authority knows a box. */
function instanceOf(agent: SmartAgent): string {
  return agent.status().registration.instanceId ?? ''
}
