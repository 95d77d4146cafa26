import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import type { SmartAgent } from '../../src/index.ts'
import { Authority } from '../../src/authority/index.ts'
import { encryptRootKey } from '../../src/authority/services/trust-service.ts'
import { DAY } from '../../src/core/time.ts'
import { getCertificateChain } from '../../src/pki/signed-message.ts'
import {
  exchangeByFile,
  createSatelliteEnvironment,
  type SatelliteEnvironment,
} from '../support/satellite.ts'
import {
  getErrorCode,
  createTestEnvironment,
  advance,
  type TestEnvironment,
} from '../support/test-environment.ts'
import { createSampledTests } from '../support/scale.ts'
import { createHelloRequest } from '../support/hello.ts'

const { describe, it } = createSampledTests(3)

const RENEWAL = 31 * DAY
let world: TestEnvironment
let authority: Authority
const authorized = async (agent: SmartAgent) => {
  await advance(world, agent, RENEWAL)
  const { state, authorization } = agent.status()
  return [state, authorization.lastAttempt?.outcome, authorization.lastAttempt?.reason?.code]
}
const GOOD = ['authorized', 'succeeded', undefined]
const register = async (name: string, more = {}) => {
  const agent = await world.open(name, more)
  agent.setUsage('HOST', 1)
  await agent.register(await world.token({ days: 365 }))
  return agent
}
const rootKeys = () =>
  readdirSync(join(world.directory, 'authority', 'keys')).filter((name) => name.startsWith('root'))

beforeEach(async () => {
  world = await createTestEnvironment()
  ;({ authority } = world)
  await authority.orders.create({ tag: 'HOST', quantity: 20 })
})
afterEach(() => world.close())

describe('rotation of signers and the issuing CA', () => {
  it('does not interrupt devices', async () => {
    const agent = await register('device')
    await authority.security.trust.rotate(['answer-signer', 'reservation-signer', 'sync', 'tls'])
    expect(await authorized(agent)).toEqual(GOOD)
    expect(await authority.security.trust.rotateIssuingCa()).toBe(true)
    expect(await authorized(agent)).toEqual(GOOD)
    // A device that registers now gets its ID certificate from the new issuing CA and renews it there.
    const later = await register('later')
    expect(await authorized(later)).toEqual(GOOD)
    for (let month = 0; month < 7; month++) await advance(world, agent, RENEWAL)
    expect(agent.snapshot.context.renewal.last?.outcome).toBe('succeeded')
    expect((await authority.operations.events.list()).map(({ type }) => type)).toEqual(
      expect.arrayContaining(['SIGNER_ROTATED', 'TLS_ROTATED', 'ISSUING_CA_ROTATED']),
    )
  })

  it('takes effect in another process of the authority at once', async () => {
    const agent = await register('device')
    const dataDir = join(world.directory, 'authority')
    const other = await Authority.open({ dataDir, clock: world.clock })
    try {
      const signer = async (by: Authority) => {
        const hello = await by.operations.endpoint.identify(createHelloRequest())
        return getCertificateChain(hello, 'sla-answer+jws')
      }
      const before = await signer(authority)
      await other.security.trust.rotateIssuingCa()
      const after = await signer(authority)
      expect(after).not.toEqual(before)
      expect(after).toEqual(await signer(other))
      // Each process issues certificates with the new CA.
      expect(await authorized(agent)).toEqual(GOOD)
    } finally {
      await other.close()
    }
  })
})

describe('rotation of the root', () => {
  it('is adopted by devices that make contact during the overlap', async () => {
    const agent = await register('device')
    const late = await register('late')
    const before = authority.trustAnchor()
    const { rootVersion, replacing } = await authority.security.trust.rotateRoot({ overlapDays: 60 })
    expect(rootVersion).toBe(2)
    expect(replacing).not.toBeNull()
    expect(rootKeys()).toEqual(['root-2.key'])
    expect(await authorized(agent)).toEqual(GOOD)
    expect(agent.trust.rootVersion()).toBe(2)
    expect(
      agent
        .history()
        .map(({ notices }) => notices)
        .join(),
    ).toContain('TRUST_CHANGED')
    // A new device is given both roots and registers during the overlap.
    const fresh = await register('fresh')
    expect(fresh.trust.rootVersion()).toBe(2)
    world.clock.advance(40 * DAY)
    expect(authority.trustAnchor()).toContain(before.trim())
    expect((await authority.security.trust.show()).replacing).toBeNull()
    expect(authority.trustAnchor()).not.toContain(before.trim())
    for (const device of [agent, fresh]) expect(await authorized(device)).toEqual(GOOD)
    // A device that was off during the whole overlap trusts no answer until the bundle is installed on it.
    expect((await authorized(late)).slice(1)).toEqual(['failed', 'ANSWER_SIGNER_UNTRUSTED'])
    expect(late.trust.rootVersion()).toBe(0)
    await late.trust.install(authority.security.trust.bundles())
    expect(late.trust.rootVersion()).toBe(2)
    expect(await authorized(late)).toEqual(GOOD)
    expect(await getErrorCode(late.trust.install(authority.security.trust.bundles()))).toBe(
      'TRUST_BUNDLE_REFUSED',
    )
    // Two more rotations: each bundle is signed by the preceding root.
    await authority.security.trust.rotateRoot({ overlapDays: 10 })
    world.clock.advance(11 * DAY)
    await authority.security.trust.rotateRoot({ overlapDays: 10 })
    world.clock.advance(11 * DAY)
    await late.trust.install(authority.security.trust.bundles())
    expect(late.trust.rootVersion()).toBe(4)
    expect(await authorized(late)).toEqual(GOOD)
  })

  it('is not undone by a restart with the original root, but is by a restart with a different one', async () => {
    const trust = authority.trustAnchor()
    const agent = await register('device', { trust })
    await authority.security.trust.rotateRoot({ overlapDays: 60 })
    expect(await authorized(agent)).toEqual(GOOD)
    await agent.close()
    const again = await world.open('device', { trust })
    expect(again.trust.rootVersion()).toBe(2)
    await again.close()
    const other = await world.open('device', { trust: authority.trustAnchor() })
    expect(other.trust.rootVersion()).toBe(0)
    expect(await authorized(other)).toEqual(GOOD)
    expect(other.trust.rootVersion()).toBe(2)
  })

  it('is rejected by devices when its bundle is untrusted, older or altered', async () => {
    const agent = await register('device')
    const untrusted = await createTestEnvironment()
    try {
      await untrusted.authority.security.trust.rotateRoot({})
      expect(await getErrorCode(agent.trust.install(untrusted.authority.security.trust.bundles()))).toBe(
        'TRUST_BUNDLE_REFUSED',
      )
    } finally {
      await untrusted.close()
    }
    await authority.security.trust.rotateRoot({ overlapDays: 1 })
    const second = authority.security.trust.bundles()
    const bundle = JSON.parse(second) as { trustBundles: { payload: string; signatures: object[] }[] }
    const [signed] = bundle.trustBundles
    const payload = JSON.parse(Buffer.from(signed?.payload ?? '', 'base64url').toString()) as object
    for (const change of [{ number: 9 }, { until: '2099-01-01T00:00:00.000Z' }, { roots: [] }]) {
      const altered = Buffer.from(JSON.stringify({ ...payload, ...change })).toString('base64url')
      const file = JSON.stringify({ trustBundles: [{ ...signed, payload: altered }] })
      expect(await getErrorCode(agent.trust.install(file))).toBe('TRUST_BUNDLE_REFUSED')
    }
    expect(agent.trust.rootVersion()).toBe(0)
    // A bundle in an answer that does not apply changes nothing, and the answer is accepted.
    world.network.onAnswer = (_, body) => body
    world.clock.advance(2 * DAY)
    await authority.security.trust.rotateRoot({ overlapDays: 60 })
    await agent.trust.install(authority.security.trust.bundles())
    expect(agent.trust.rootVersion()).toBe(3)
    expect(await getErrorCode(agent.trust.install(second))).toBe('TRUST_BUNDLE_REFUSED')
  })

  it('is refused during another rotation and for an invalid overlap', async () => {
    await authority.security.trust.rotateRoot({ overlapDays: 5 })
    expect(await getErrorCode(authority.security.trust.rotateRoot({}))).toBe('ROTATION_UNDER_WAY')
    expect(await getErrorCode(authority.security.trust.rotateIssuingCa())).toBe('ROTATION_UNDER_WAY')
    for (const overlapDays of [0, 1.5, 4000])
      expect(await getErrorCode(authority.security.trust.rotateRoot({ overlapDays }))).toBe(
        'INVALID_ARGUMENT',
      )
  })

  it('works from an exported root key, and everything else works without the key', async () => {
    const agent = await register('device')
    const files: Buffer[] = []
    const failure = new Error('the disk is full')
    await expect(
      authority.security.trust.exportRootKey('correct horse', () => Promise.reject(failure)),
    ).rejects.toBe(failure)
    expect(rootKeys()).toEqual(['root.key'])
    await authority.security.trust.exportRootKey('correct horse', (file) => {
      files.push(file)
      return Promise.resolve()
    })
    expect(rootKeys()).toEqual([])
    expect(files[0]?.toString('latin1')).not.toContain('PRIVATE KEY')
    expect(await authorized(agent)).toEqual(GOOD)
    await authority.security.trust.rotate(['answer-signer', 'tls'])
    expect(await getErrorCode(authority.security.trust.rotateIssuingCa())).toBe('ROOT_KEY_ABSENT')
    expect(await getErrorCode(authority.security.trust.rotateRoot({}))).toBe('ROOT_KEY_ABSENT')
    const [file = Buffer.alloc(0)] = files
    expect(await getErrorCode(authority.security.trust.loadRootKey(file, 'another passphrase'))).toBe(
      'ROOT_KEY_UNREADABLE',
    )
    await authority.security.trust.loadRootKey(file, 'correct horse')
    expect(await authority.security.trust.rotateIssuingCa()).toBe(true)
    await authority.security.trust.rotateRoot({
      overlapDays: 60,
      store: async (key) => {
        files.push(await encryptRootKey(key, 'correct horse'))
      },
    })
    expect(rootKeys()).toEqual([])
    expect(await authorized(agent)).toEqual(GOOD)
    expect(agent.trust.rootVersion()).toBe(2)
    // The exported old key no longer belongs to the root.
    expect(await getErrorCode(authority.security.trust.loadRootKey(file, 'correct horse'))).toBe(
      'ROOT_KEY_WRONG',
    )
    await authority.security.trust.loadRootKey(files[1] ?? Buffer.alloc(0), 'correct horse')
    world.clock.advance(61 * DAY)
    expect(await authority.security.trust.rotateIssuingCa()).toBe(true)
    expect(await authorized(agent)).toEqual(GOOD)
  })

  it('reaches a device with a reservation by the next file, even after the overlap', async () => {
    await authority.reservations.enable()
    const agent = await world.open('sealed')
    const request = await agent.reservation.request()
    const issued = await authority.reservations.reserve({ request, licenses: { HOST: 2 } })
    await agent.reservation.install(issued.file)
    await authority.security.trust.rotateRoot({ overlapDays: 10 })
    world.clock.advance(100 * DAY)
    const updated = await authority.reservations.update(issued.instanceId, { HOST: 3 })
    const { reservation } = await agent.reservation.update(updated.file.replaceAll('\n', '  \r\n'))
    expect(agent.trust.rootVersion()).toBe(2)
    await authority.reservations.confirm(issued.instanceId, reservation.confirmationCode ?? '')
  })
})

describe('rotations and satellites', () => {
  let environment: SatelliteEnvironment
  let satellite: Authority
  const settled = async (agent: SmartAgent) => {
    environment.clock.advance(RENEWAL)
    agent.tick()
    await agent.idle()
    const { state, authorization } = agent.status()
    return [state, authorization.lastAttempt?.outcome, authorization.lastAttempt?.reason?.code]
  }
  const registerDevice = async (name: string) => {
    const agent = await environment.openDevice(() => satellite, name)
    agent.setUsage('HOST', 1)
    await agent.register((await satellite.tokens.create({ days: 365 })).token)
    return agent
  }
  beforeEach(async () => {
    environment = await createSatelliteEnvironment()
    satellite = await environment.addSatellite('branch', { online: true })
    await environment.manager.orders.create({ tag: 'HOST', quantity: 20, virtualAccount: 'BRANCH' })
    await satellite.sync.run()
  })
  afterEach(() => environment.close())

  it('a satellite is certified by both roots and continues after the overlap', async () => {
    const agent = await registerDevice('device')
    await environment.manager.security.trust.rotateRoot({ overlapDays: 90 })
    expect(await settled(agent)).toEqual(GOOD)
    expect(agent.trust.rootVersion()).toBe(0)
    await satellite.sync.run()
    expect(await settled(agent)).toEqual(GOOD)
    expect(agent.trust.rootVersion()).toBe(2)
    await satellite.sync.run()
    expect(await settled(agent)).toEqual(GOOD)
    // The overlap has ended, and the satellite presents a delegation that was signed during the overlap.
    expect((await environment.manager.security.trust.show()).replacing).toBeNull()
    expect(await settled(agent)).toEqual(GOOD)
    await satellite.sync.run()
    expect(await settled(agent)).toEqual(GOOD)
    const later = await registerDevice('later')
    expect(await settled(later)).toEqual(GOOD)
  })

  it('a satellite that missed the whole overlap recovers by an offline exchange', async () => {
    await environment.manager.security.trust.rotateRoot({ overlapDays: 10 })
    environment.clock.advance(40 * DAY)
    const { imported } = await exchangeByFile(environment.manager, satellite)
    expect(imported.outcome).toBe('accepted')
    expect(await settled(await registerDevice('device'))).toEqual(GOOD)
  })

  it('a satellite replaces its own issuing CA, which the manager certifies with the next exchange', async () => {
    const agent = await registerDevice('device')
    expect(await satellite.security.trust.rotateIssuingCa()).toBe(false)
    expect(await settled(agent)).toEqual(GOOD)
    await satellite.sync.run()
    expect(await settled(agent)).toEqual(GOOD)
    expect(await settled(await registerDevice('later'))).toEqual(GOOD)
    expect(await getErrorCode(satellite.security.trust.rotateRoot({}))).toBe('WRONG_ROLE')
    expect(await getErrorCode(satellite.security.trust.rotate(['sync']))).toBe('WRONG_ROLE')
    await satellite.security.trust.rotate(['answer-signer', 'sync', 'tls'])
    expect((await satellite.sync.run()).outcome).toBe('accepted')
    expect(await settled(agent)).toEqual(GOOD)
  })
})
