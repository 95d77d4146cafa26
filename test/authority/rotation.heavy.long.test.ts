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

describe('trust §10: signers, and the issuing CA', () => {
  it('are replaced, and boxes notice nothing', async () => {
    const agent = await register('box')
    await authority.security.trust.rotate(['answer-signer', 'reservation-signer', 'sync', 'tls'])
    expect(await authorized(agent)).toEqual(GOOD)
    expect(await authority.security.trust.rotateIssuingCa()).toBe(true)
    expect(await authorized(agent)).toEqual(GOOD)
    // One that registers since has its identity under the new one, and renews it there.
    const later = await register('later')
    expect(await authorized(later)).toEqual(GOOD)
    for (let month = 0; month < 7; month++) await advance(world, agent, RENEWAL)
    expect(agent.snapshot.context.renewal.last?.outcome).toBe('succeeded')
    expect((await authority.operations.events.list()).map(({ type }) => type)).toEqual(
      expect.arrayContaining(['SIGNER_ROTATED', 'TLS_ROTATED', 'ISSUING_CA_ROTATED']),
    )
  })

  it('another process of the authority signs by the new ones at once', async () => {
    const agent = await register('box')
    const dataDir = join(world.directory, 'authority')
    const other = await Authority.open({ dataDir, clock: world.clock })
    try {
      const signer = async (by: Authority) => {
        const hello = await by.operations.endpoint.identify({
          protocol: 1,
          direction: 'request',
          type: 'hello',
          messageId: '6fd6f1a6-5b53-44a4-9f4f-5a4a5d6a7e10',
          nonce: 'n'.repeat(24),
          audience: 'anybody',
          epoch: 0,
          trustBundle: 0,
        })
        return getCertificateChain(hello, 'sla-answer+jws')
      }
      const before = await signer(authority)
      await other.security.trust.rotateIssuingCa()
      const after = await signer(authority)
      expect(after).not.toEqual(before)
      expect(after).toEqual(await signer(other))
      // Each of them issues under it.
      expect(await authorized(agent)).toEqual(GOOD)
    } finally {
      await other.close()
    }
  })
})

describe('trust §10: the root', () => {
  it('boxes that ask while the overlap lasts go on by the new root when it has ended', async () => {
    const agent = await register('box')
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
    // A new box is given both, and registers in the overlap.
    const fresh = await register('fresh')
    expect(fresh.trust.rootVersion()).toBe(2)
    world.clock.advance(40 * DAY)
    expect(authority.trustAnchor()).toContain(before.trim())
    expect((await authority.security.trust.show()).replacing).toBeNull()
    expect(authority.trustAnchor()).not.toContain(before.trim())
    for (const one of [agent, fresh]) expect(await authorized(one)).toEqual(GOOD)
    // The box that was off for the whole of it believes nothing, until somebody carries the bundle to it.
    expect((await authorized(late)).slice(1)).toEqual(['failed', 'ANSWER_SIGNER_UNTRUSTED'])
    expect(late.trust.rootVersion()).toBe(0)
    await late.trust.install(authority.security.trust.bundles())
    expect(late.trust.rootVersion()).toBe(2)
    expect(await authorized(late)).toEqual(GOOD)
    expect(await getErrorCode(late.trust.install(authority.security.trust.bundles()))).toBe(
      'TRUST_BUNDLE_REFUSED',
    )
    // And once more, over two rotations: each bundle is signed by the root before it.
    await authority.security.trust.rotateRoot({ overlapDays: 10 })
    world.clock.advance(11 * DAY)
    await authority.security.trust.rotateRoot({ overlapDays: 10 })
    world.clock.advance(11 * DAY)
    await late.trust.install(authority.security.trust.bundles())
    expect(late.trust.rootVersion()).toBe(4)
    expect(await authorized(late)).toEqual(GOOD)
  })

  it('a root named at each start does not undo a rotation; another one does', async () => {
    const trust = authority.trustAnchor()
    const agent = await register('box', { trust })
    await authority.security.trust.rotateRoot({ overlapDays: 60 })
    expect(await authorized(agent)).toEqual(GOOD)
    await agent.close()
    const again = await world.open('box', { trust })
    expect(again.trust.rootVersion()).toBe(2)
    await again.close()
    const other = await world.open('box', { trust: authority.trustAnchor() })
    expect(other.trust.rootVersion()).toBe(0)
    expect(await authorized(other)).toEqual(GOOD)
    expect(other.trust.rootVersion()).toBe(2)
  })

  it('no box takes a bundle that is not signed by a root it has, is older, or was altered', async () => {
    const agent = await register('box')
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
    const [one] = bundle.trustBundles
    const payload = JSON.parse(Buffer.from(one?.payload ?? '', 'base64url').toString()) as object
    for (const change of [{ number: 9 }, { until: '2099-01-01T00:00:00.000Z' }, { roots: [] }]) {
      const altered = Buffer.from(JSON.stringify({ ...payload, ...change })).toString('base64url')
      const file = JSON.stringify({ trustBundles: [{ ...one, payload: altered }] })
      expect(await getErrorCode(agent.trust.install(file))).toBe('TRUST_BUNDLE_REFUSED')
    }
    expect(agent.trust.rootVersion()).toBe(0)
    // In an answer, what does not fit changes nothing, and the answer counts.
    world.network.onAnswer = (_, body) => body
    world.clock.advance(2 * DAY)
    await authority.security.trust.rotateRoot({ overlapDays: 60 })
    await agent.trust.install(authority.security.trust.bundles())
    expect(agent.trust.rootVersion()).toBe(3)
    expect(await getErrorCode(agent.trust.install(second))).toBe('TRUST_BUNDLE_REFUSED')
  })

  it('is not replaced twice at a time, nor without its key', async () => {
    await authority.security.trust.rotateRoot({ overlapDays: 5 })
    expect(await getErrorCode(authority.security.trust.rotateRoot({}))).toBe('ROTATION_UNDER_WAY')
    expect(await getErrorCode(authority.security.trust.rotateIssuingCa())).toBe('ROTATION_UNDER_WAY')
    for (const overlapDays of [0, 1.5, 4000])
      expect(await getErrorCode(authority.security.trust.rotateRoot({ overlapDays }))).toBe(
        'INVALID_ARGUMENT',
      )
  })

  it('its key may be kept off the machine: everything else works without, and it is replaced from its file', async () => {
    const agent = await register('box')
    const files: Buffer[] = []
    const lost = new Error('the disk is full')
    await expect(
      authority.security.trust.exportRootKey('correct horse', () => Promise.reject(lost)),
    ).rejects.toBe(lost)
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
    expect(await getErrorCode(authority.security.trust.loadRootKey(file, 'another one'))).toBe(
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
    // The old key is that of the root no more.
    expect(await getErrorCode(authority.security.trust.loadRootKey(file, 'correct horse'))).toBe(
      'ROOT_KEY_WRONG',
    )
    await authority.security.trust.loadRootKey(files[1] ?? Buffer.alloc(0), 'correct horse')
    world.clock.advance(61 * DAY)
    expect(await authority.security.trust.rotateIssuingCa()).toBe(true)
    expect(await authorized(agent)).toEqual(GOOD)
  })

  it('a box with a reservation takes it from the next file, even one that was off the whole time', async () => {
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

describe('trust §10: satellites', () => {
  let below: SatelliteEnvironment
  let satellite: Authority
  const settled = async (agent: SmartAgent) => {
    below.clock.advance(RENEWAL)
    agent.tick()
    await agent.idle()
    const { state, authorization } = agent.status()
    return [state, authorization.lastAttempt?.outcome, authorization.lastAttempt?.reason?.code]
  }
  const box = async (name: string) => {
    const agent = await below.box(() => satellite, name)
    agent.setUsage('HOST', 1)
    await agent.register((await satellite.tokens.create({ days: 365 })).token)
    return agent
  }
  beforeEach(async () => {
    below = await createSatelliteEnvironment()
    satellite = await below.addSatellite('branch', { online: true })
    await below.manager.orders.create({ tag: 'HOST', quantity: 20, virtualAccount: 'BRANCH' })
    await satellite.sync.run()
  })
  afterEach(() => below.close())

  it('are certified by both roots when the root is replaced, and go on when its overlap has ended', async () => {
    const agent = await box('box')
    await below.manager.security.trust.rotateRoot({ overlapDays: 90 })
    expect(await settled(agent)).toEqual(GOOD)
    expect(agent.trust.rootVersion()).toBe(0)
    await satellite.sync.run()
    expect(await settled(agent)).toEqual(GOOD)
    expect(agent.trust.rootVersion()).toBe(2)
    await satellite.sync.run()
    expect(await settled(agent)).toEqual(GOOD)
    // The overlap has ended, and the satellite shows a mandate from within it.
    expect((await below.manager.security.trust.show()).replacing).toBeNull()
    expect(await settled(agent)).toEqual(GOOD)
    await satellite.sync.run()
    expect(await settled(agent)).toEqual(GOOD)
    const later = await box('later')
    expect(await settled(later)).toEqual(GOOD)
  })

  it('one that missed the whole overlap is mended by an exchange by hand', async () => {
    await below.manager.security.trust.rotateRoot({ overlapDays: 10 })
    below.clock.advance(40 * DAY)
    const { imported } = await exchangeByFile(below.manager, satellite)
    expect(imported.outcome).toBe('accepted')
    expect(await settled(await box('box'))).toEqual(GOOD)
  })

  it('replace their own issuing CA: the manager certifies it with the next exchange', async () => {
    const agent = await box('box')
    expect(await satellite.security.trust.rotateIssuingCa()).toBe(false)
    expect(await settled(agent)).toEqual(GOOD)
    await satellite.sync.run()
    expect(await settled(agent)).toEqual(GOOD)
    expect(await settled(await box('later'))).toEqual(GOOD)
    expect(await getErrorCode(satellite.security.trust.rotateRoot({}))).toBe('WRONG_ROLE')
    expect(await getErrorCode(satellite.security.trust.rotate(['sync']))).toBe('WRONG_ROLE')
    await satellite.security.trust.rotate(['answer-signer', 'sync', 'tls'])
    expect((await satellite.sync.run()).outcome).toBe('accepted')
    expect(await settled(agent)).toEqual(GOOD)
  })
})
