import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Authority } from '../../src/authority/index.ts'
import { DAY } from '../../src/core/time.ts'
import { SYNC_CONTENT_TYPE } from '../../src/protocol/sync-proof.ts'
import { formatCertificateFingerprint } from '../../src/pki/fingerprint.ts'
import {
  exchangeByFile,
  createSatelliteEnvironment,
  type SatelliteEnvironment,
} from '../support/satellite.ts'
import { getErrorCode } from '../support/test-environment.ts'

let world: SatelliteEnvironment
let satellite: Authority
beforeEach(async () => {
  world = await createSatelliteEnvironment()
  satellite = await world.addSatellite('branch')
  await world.manager.orders.create({ tag: 'HOST', quantity: 10, virtualAccount: 'BRANCH' })
})
afterEach(() => world.close())

/** Returns the state of both sides, to compare before and after. */
const readBothSides = async () =>
  JSON.stringify([
    await world.manager.satellites.list(),
    await world.manager.licenses.list(),
    await world.manager.instances.list(),
    await world.manager.operations.events.list(),
    await satellite.sync.status(),
    await satellite.licenses.list(),
    await satellite.operations.events.list(),
  ])

/** Asserts that an operation fails with an error code and changes nothing on either side. */
async function expectRefusal(code: string, work: () => Promise<unknown>): Promise<void> {
  const before = await readBothSides()
  expect(await getErrorCode(work())).toBe(code)
  expect(await readBothSides()).toBe(before)
}

describe('a satellite without a network connection (R-SAT-1, R-SAT-3)', () => {
  it('registers by two files and serves devices that trust the root of the manager', async () => {
    const { manager } = world
    expect(await getErrorCode(satellite.tokens.create({ days: 30 }))).toBe('SATELLITE_NOT_REGISTERED')
    const { responded, imported } = await exchangeByFile(manager, satellite)
    expect(responded.registered).toBe(true)
    expect(imported).toMatchObject({ outcome: 'accepted', registered: true })
    expect(satellite.trustAnchor()).toBe(manager.trustAnchor())
    expect(await satellite.licenses.list()).toMatchObject([
      { virtualAccount: 'Default', tag: 'HOST', quantity: 10 },
    ])
    const { token } = await satellite.tokens.create({ days: 30 })
    const device = await world.openDevice(() => satellite, 'device')
    device.setUsage('HOST', 4)
    await device.register(token)
    expect(device.status()).toMatchObject({
      state: 'authorized',
      registration: { virtualAccount: 'Default' },
    })
    await exchangeByFile(manager, satellite)
    expect(await manager.licenses.list()).toMatchObject([
      { virtualAccount: 'BRANCH', quantity: 10, inUse: 4 },
    ])
    expect(await manager.instances.list()).toMatchObject([
      {
        satellite: 'branch',
        virtualAccount: 'BRANCH',
        udi: { serial: 'DEVICE' },
        entitlements: [{ count: 4 }],
      },
    ])
  })

  it('signs the software version that the account ordered at the manager (R-EVAL-2)', async () => {
    await exchangeByFile(world.manager, satellite)
    const product = { pid: 'CWMS-K9', version: '3.0', serial: 'OLDER' }
    const device = await world.openDevice(() => satellite, 'older', { product })
    await device.register((await satellite.tokens.create({ days: 30 })).token)
    await device.deregister()
    const { remainingSeconds } = device.status().evaluation
    await world.manager.orders.create({ sku: 'CWMS4-UPG-MG-K9', quantity: 1 })
    await exchangeByFile(world.manager, satellite)
    await device.register((await satellite.tokens.create({ days: 30 })).token)
    await device.upgrade('4.1')
    expect(device.status()).toMatchObject({ state: 'evaluation', product: { version: '4.1' } })
    expect(device.status().evaluation.remainingSeconds).toBeGreaterThanOrEqual(remainingSeconds)
    expect(device.status().evaluation.remainingSeconds).toBe((90 * DAY) / 1000)
  })

  it('writes readable files that show all exported data', async () => {
    await exchangeByFile(world.manager, satellite)
    const { token } = await satellite.tokens.create({ days: 30 })
    const device = await world.openDevice(() => satellite, 'device')
    device.setUsage('HOST', 4)
    await device.register(token)
    const { file } = await satellite.sync.export()
    expect(file).toMatch(/^SMART LICENSING SYNCHRONIZATION REQUEST, version 1\n/)
    expect(file).toMatch(/^Satellite: +"branch"$/m)
    expect(file).toMatch(
      /^ {2}registered [0-9a-f-]{36} CWMS-K9 DEVICE 4\.0 "Default" since \S+ on "\S+" HOST=4$/m,
    )
    expect(file).toMatch(/^ {2}HOST 4 in use$/m)
    const { file: answer } = await world.manager.satellites.respond(file)
    expect(answer).toMatch(/^ {2}HOST 10 "BRANCH" from \S+ perpetual lot [0-9a-f-]{36}$/m)
  })

  it('redacts host names and serial numbers on request', async () => {
    const { manager } = world
    await exchangeByFile(manager, satellite)
    const { token } = await satellite.tokens.create({ days: 30 })
    const device = await world.openDevice(() => satellite, 'secret-device')
    device.setUsage('HOST', 4)
    await device.register(token)
    const { file, redactedFields } = await satellite.sync.export({
      redactedFields: ['hostnames', 'serial-numbers'],
    })
    expect(redactedFields).toEqual(['hostnames', 'serial-numbers'])
    expect(file).not.toContain('SECRET-DEVICE')
    expect(file).toMatch(/ sha256:[\w-]{43} 4\.0 "Default" since \S+ HOST=4$/m)
    await satellite.sync.import((await manager.satellites.respond(file)).file)
    expect(await manager.instances.list()).toMatchObject([{ hostname: null, entitlements: [{ count: 4 }] }])
    // The manager still recognizes the same device when it registers elsewhere.
    const direct = await world.openDevice(() => manager, 'secret-device-2', {
      product: { pid: 'CWMS-K9', version: '4.0', serial: 'SECRET-DEVICE' },
    })
    expect(await getErrorCode(direct.register((await manager.tokens.create({ days: 3 })).token))).toBe(
      'INSTANCE_ALREADY_REGISTERED',
    )
  })

  it('trusts the root of the first answer only after confirmation by fingerprint', async () => {
    const { manager } = world
    const { file } = await satellite.sync.export()
    const { file: answer } = await manager.satellites.respond(file)
    const fingerprint = formatCertificateFingerprint(manager.trustAnchor())
    expect(await satellite.sync.getUntrustedRootFingerprint(answer)).toBe(fingerprint)
    await expectRefusal('CONFIRMATION_REQUIRED', () => satellite.sync.import(answer))
    await expectRefusal('SYNC_FINGERPRINT_MISMATCH', () =>
      satellite.sync.import(answer, {
        fingerprint: (fingerprint.startsWith('A') ? 'B' : 'A') + fingerprint.slice(1),
      }),
    )
    await satellite.sync.import(answer, { fingerprint: fingerprint.toLowerCase().replaceAll(':', '') })
    expect(await satellite.sync.getUntrustedRootFingerprint(answer)).toBeNull()
  })

  it('refuses altered, truncated and mismatched files', async () => {
    const { manager } = world
    const { file } = await satellite.sync.export()
    const { file: answer } = await manager.satellites.respond(file)
    const altered = (text: string, from: RegExp, to: string) => {
      const changed = text.replace(from, to)
      expect(changed).not.toBe(text)
      return changed
    }
    for (const [from, to] of [
      [/Exchange: {8}1/, 'Exchange:        2'],
      [/registered 0/, 'registered 1'],
      [/"Default" of/, '"Defaultt" of'],
      [/Left out: +nothing/, 'Left out:        hostnames'],
    ] as const)
      await expectRefusal('SIGNED_FILE_ALTERED', () => manager.satellites.respond(altered(file, from, to)))
    for (const [from, to] of [
      [/HOST 10/, 'HOST 99'],
      [/(?<=Restricted from: +)20/, '29'],
      [/(Outcome: +)accepted/, '$1refused'],
    ] as const)
      await expectRefusal('SIGNED_FILE_ALTERED', () =>
        satellite.sync.import(altered(answer, from, to), 'skip-verification'),
      )
    await expectRefusal('SIGNED_FILE_TRUNCATED', () =>
      satellite.sync.import(answer.slice(0, answer.indexOf('-----BEGIN SIGNATURE')), 'skip-verification'),
    )
    await expectRefusal('SIGNED_FILE_MALFORMED', () => satellite.sync.import(file, 'skip-verification'))
    await expectRefusal('SIGNED_FILE_MALFORMED', () => manager.satellites.respond(answer))
    // Changes to white space and line ends by a mail program are harmless.
    const mailed = file
      .split('\n')
      .map((line) => `${line} \t`)
      .join('\r\n')
    expect((await manager.satellites.respond(mailed)).again).toBe(true)
  })

  it('refuses an answer of another manager with the same account', async () => {
    const { manager } = world
    await exchangeByFile(manager, satellite)
    const other = await createSatelliteEnvironment()
    try {
      await other.manager.satellites.add('branch', { virtualAccount: 'BRANCH' })
      const { file } = await satellite.sync.export()
      const { file: answer } = await other.manager.satellites.respond(file)
      await expectRefusal('SIGNED_FILE_UNTRUSTED', () => satellite.sync.import(answer, 'skip-verification'))
    } finally {
      await other.close()
    }
  })

  it('refuses replayed and superseded files and continues from the newest', async () => {
    const { manager } = world
    const first = await exchangeByFile(manager, satellite)
    const second = await exchangeByFile(manager, satellite)
    await expectRefusal('SYNC_ANSWER_IMPORTED', () => satellite.sync.import(second.answer))
    await expectRefusal('SYNC_ANSWER_IMPORTED', () => satellite.sync.import(first.answer))
    await expectRefusal('SYNC_SUPERSEDED', () => manager.satellites.respond(first.request))
    // The newest request again is the same exchange, as when its answer was lost.
    const again = await manager.satellites.respond(second.request)
    expect(again).toMatchObject({ again: true, file: second.answer })
    expect((await exchangeByFile(manager, satellite)).imported.exchange).toBe(3)
  })

  it('restarts an interrupted exchange at any point', async () => {
    const { manager } = world
    await exchangeByFile(manager, satellite)
    const { token } = await satellite.tokens.create({ days: 30 })
    const device = await world.openDevice(() => satellite, 'device')
    device.setUsage('HOST', 4)
    await device.register(token)
    // The request is lost.
    await satellite.sync.export()
    // The answer is lost.
    const lost = await satellite.sync.export()
    await manager.satellites.respond(lost.file)
    world.clock.advance(60_000)
    device.setUsage('HOST', 6)
    world.clock.advance(60_000)
    device.tick()
    await device.idle()
    const { imported, responded } = await exchangeByFile(manager, satellite)
    expect([responded.outcome, imported.outcome]).toEqual(['accepted', 'accepted'])
    expect(await manager.licenses.list()).toMatchObject([{ quantity: 10, inUse: 6 }])
    // Two requests are under way, and both answers are imported in order.
    const first = await satellite.sync.export()
    const second = await satellite.sync.export()
    const firstAnswer = await manager.satellites.respond(first.file)
    const secondAnswer = await manager.satellites.respond(second.file)
    await satellite.sync.import(firstAnswer.file)
    await satellite.sync.import(secondAnswer.file)
    await expectRefusal('SYNC_ANSWER_IMPORTED', () => satellite.sync.import(firstAnswer.file))
  })

  it('has its name bound to the first key that was answered', async () => {
    const { manager } = world
    await exchangeByFile(manager, satellite)
    const impostor = await world.addSatellite('other', { virtualAccount: 'OTHER' })
    await impostor.close()
    const { Authority: authorities } = await import('../../src/authority/index.ts')
    await authorities.init({
      dataDir: `${world.directory}/impostor`,
      account: world.account,
      acceptAgreement: true,
      clock: world.clock,
      satellite: { name: 'branch' },
    })
    const second = await world.openSatellite('impostor')
    const { file } = await second.sync.export()
    await expectRefusal('SYNC_KEY_UNKNOWN', () => manager.satellites.respond(file))
    const { file: own } = await satellite.sync.export()
    const { file: answer } = await manager.satellites.respond(own)
    expect(await getErrorCode(second.sync.import(answer, 'skip-verification'))).toBe('SYNC_OTHER_SATELLITE')
    // The manager does not know the name.
    await authorities.init({
      dataDir: `${world.directory}/unknown`,
      account: world.account,
      acceptAgreement: true,
      clock: world.clock,
      satellite: { name: 'unknown' },
    })
    const unknown = await world.openSatellite('unknown')
    await satellite.sync.import(answer)
    const unknownRequest = (await unknown.sync.export()).file
    await expectRefusal('SATELLITE_UNKNOWN', () => manager.satellites.respond(unknownRequest))
  })
})

describe('online synchronization (R-SAT-2)', () => {
  it('requires a valid one-time code for the first exchange', async () => {
    const { manager } = world
    const online = await world.addSatellite('city', { online: true })
    expect(await online.sync.run()).toMatchObject({ outcome: 'accepted', registered: true })
    const { Authority: authorities } = await import('../../src/authority/index.ts')
    await manager.satellites.add('town', { virtualAccount: 'TOWN' })
    await authorities.init({
      dataDir: `${world.directory}/town`,
      account: world.account,
      acceptAgreement: true,
      clock: world.clock,
      satellite: { name: 'town', trust: manager.trustAnchor() },
    })
    const town = await world.openSatellite('town')
    expect(await getErrorCode(town.sync.run())).toBe('SYNC_NOT_CONFIGURED')
    await town.sync.setManager({ kind: 'direct', url: 'https://manager.test' })
    expect(await getErrorCode(town.sync.run())).toBe('ENROLLMENT_CODE_INVALID')
    const { code: wrong } = await manager.satellites.add('village', { virtualAccount: 'VILLAGE' })
    await town.sync.setEnrollmentCode(wrong)
    expect(await getErrorCode(town.sync.run())).toBe('ENROLLMENT_CODE_INVALID')
    expect(await getErrorCode(Promise.resolve().then(() => town.sync.setEnrollmentCode('ABCDE')))).toMatch(
      /^CODE_/,
    )
    const { code } = await manager.satellites.createEnrollmentCode('town')
    world.clock.advance(15 * DAY)
    await town.sync.setEnrollmentCode(code)
    expect(await getErrorCode(town.sync.run())).toBe('ENROLLMENT_CODE_INVALID')
    await town.sync.setEnrollmentCode((await manager.satellites.createEnrollmentCode('town')).code)
    expect(await town.sync.run()).toMatchObject({ registered: true })
    expect(await getErrorCode(manager.satellites.createEnrollmentCode('town'))).toBe('ALREADY_EXISTS')
  })

  it('never sends, stores or logs the one-time code', async () => {
    const { code } = await world.manager.satellites.add('city', { virtualAccount: 'CITY' })
    const { Authority: authorities } = await import('../../src/authority/index.ts')
    await authorities.init({
      dataDir: `${world.directory}/city`,
      account: world.account,
      acceptAgreement: true,
      clock: world.clock,
      satellite: { name: 'city', code },
    })
    const city = await world.openSatellite('city')
    const { file } = await city.sync.export()
    expect(file).toMatch(/^Enrollment: +[\w-]{43}$/m)
    const { readdirSync, readFileSync } = await import('node:fs')
    const everything = ['city', 'manager'].flatMap((name) =>
      readdirSync(`${world.directory}/${name}`, { recursive: true, encoding: 'utf8' })
        .filter((path) => /\.(?:db|db-wal|key)$/.test(path))
        .map((path) => readFileSync(`${world.directory}/${name}/${path}`, 'latin1')),
    )
    for (const text of [file, ...everything, JSON.stringify(await world.manager.operations.events.list())]) {
      expect(text).not.toContain(code)
      expect(text).not.toContain(code.replaceAll('-', ''))
    }
  })

  it('runs on schedule, retries after a failure and reports the next run', async () => {
    const online = await world.addSatellite('city', { online: true })
    await online.sync.run()
    await online.sync.schedule({ every: 'day', hour: 3 })
    const before = world.wire.exchanges
    await online.sync.runDue()
    expect(world.wire.exchanges).toBe(before)
    world.clock.advance(DAY)
    await online.sync.runDue()
    expect(world.wire.exchanges).toBe(before + 1)
    const { lastSyncAt, nextSyncAt } = await online.sync.status()
    expect(Date.parse(lastSyncAt ?? '')).toBe(world.clock.wall())
    expect(Date.parse(nextSyncAt ?? '')).toBeGreaterThan(world.clock.wall())
    // The manager is unreachable. The satellite retries until it answers.
    world.wire.fault = 'lost request'
    world.clock.advance(DAY)
    await online.sync.runDue()
    expect(await online.sync.status()).toMatchObject({
      exchange: 'retrying',
      lastAttempt: { outcome: 'failed', reason: { code: 'CONNECTION_REFUSED' } },
    })
    world.wire.fault = 'none'
    world.clock.advance(30_000)
    await online.sync.runDue()
    expect(await online.sync.status()).toMatchObject({ exchange: 'idle', status: 'current' })
  })

  it.each(['lost request', 'lost answer', 'garbled answer', 'sent twice'] as const)(
    'recovers after the fault: %s',
    async (fault) => {
      const online = await world.addSatellite('city', { online: true })
      await world.manager.orders.create({ tag: 'HOST', quantity: 7, virtualAccount: 'CITY' })
      world.wire.fault = fault
      await online.sync.run().catch(() => undefined)
      world.wire.fault = 'none'
      await online.sync.run()
      expect(await online.licenses.list()).toMatchObject([{ quantity: 7 }])
      world.wire.fault = fault
      await online.sync.run().catch(() => undefined)
      world.wire.fault = 'none'
      expect((await online.sync.run()).outcome).toBe('accepted')
      expect(
        (await world.manager.operations.events.list()).filter(({ type }) => type === 'SATELLITE_DIVERGED'),
      ).toEqual([])
    },
  )

  it('has an altered request refused with an unsigned error', async () => {
    const online = await world.addSatellite('city', { online: true })
    await online.sync.run()
    // The refusal of the manager is unsigned, like one that a middlebox could send.
    const file = (await online.sync.export()).file
    const { status, body } = await world.manager.operations.server.inject({
      method: 'POST',
      path: '/satellite/v1/synchronize',
      body: file.replace('Exchange', 'Exchnge'),
      headers: { 'content-type': SYNC_CONTENT_TYPE },
    })
    expect(status).toBe(400)
    expect(JSON.parse(body)).toMatchObject({ error: { code: 'SIGNED_FILE_ALTERED' } })
  })
})

describe('the roles of manager and satellite (R-SAT-1)', () => {
  it('refuse operations of the other role with WRONG_ROLE', async () => {
    const { manager } = world
    for (const work of [
      satellite.satellites.list.bind(satellite.satellites),
      () => satellite.orders.create({ tag: 'HOST', quantity: 1 }),
      () => satellite.accounts.add('other.example', { acceptAgreement: true }),
      () => manager.sync.status(),
      () => manager.sync.export(),
      () => satellite.security.trust.rotateRoot({}),
    ])
      expect(await getErrorCode(Promise.resolve().then(() => work() as Promise<unknown>))).toBe('WRONG_ROLE')
  })
})

it('R-INS-3: a satellite tells its devices when it synchronized last, and a manager tells nothing', async () => {
  await exchangeByFile(world.manager, satellite)
  const below = await world.openDevice(() => satellite, 'below')
  await below.register((await satellite.tokens.create({ days: 30 })).token)
  const [exchange] = below.inspection.listExchanges()
  const { lastSyncAt } = await satellite.sync.status()
  expect(lastSyncAt).not.toBeNull()
  expect(exchange?.route).toMatchObject({ role: 'satellite', synchronizedAt: lastSyncAt })

  const direct = await world.openDevice(() => world.manager, 'direct')
  await direct.register((await world.manager.tokens.create({ days: 30 })).token)
  expect(direct.inspection.listExchanges().at(0)?.route).toMatchObject({
    role: 'manager',
    synchronizedAt: null,
  })
})
