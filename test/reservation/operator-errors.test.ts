import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { AgentStore } from '../../src/agent/store.ts'
import { conferencingProfile } from '../../src/conferencing/index.ts'
import type { SmartAgent } from '../../src/index.ts'
import { createReservationEnvironment } from '../support/reservation-environment.ts'
import {
  getErrorCode,
  createTestEnvironment,
  advance,
  type TestEnvironment,
} from '../support/test-environment.ts'
import { eventually } from '../support/eventually.ts'
import { copyDirectory } from '../../tools/copy-directory.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

let world: TestEnvironment
beforeEach(async () => {
  world = await createReservationEnvironment()
})
afterEach(() => world.close())

/** Returns the state that a refusal must not change. */
const stateOf = (agent: SmartAgent) => {
  const { state, reservation, registration, entitlements } = agent.status()
  return { state, reservation, registration, entitlements }
}
const reserve = (agent: SmartAgent, HOST = 10) =>
  agent.reservation
    .request()
    .then((request) => world.authority.reservations.reserve({ request, licenses: { HOST } }))

/** Asserts that an operation changes no state. @returns its error code, or `no error` */
async function getRefusal(agent: SmartAgent, operation: Promise<unknown>): Promise<string> {
  const before = stateOf(agent)
  const code = await getErrorCode(operation)
  expect(stateOf(agent)).toEqual(before)
  return code
}

describe('a reservation at the device', () => {
  it('keeps its request code until it is canceled and then gets a new one (R-SLR-2)', async () => {
    const agent = await world.open()
    const first = await agent.reservation.request()
    expect(await agent.reservation.request()).toBe(first)
    await agent.close()
    const again = await world.open()
    expect(await again.reservation.request()).toBe(first)
    expect(await again.reservation.cancel()).toBe(true)
    expect(await again.reservation.cancel()).toBe(false)
    expect(await again.reservation.request()).not.toBe(first)
  })

  it('can be requested only by an unregistered device (R-SLR-2)', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    expect(await getRefusal(agent, agent.reservation.request())).toBe('NOT_ALLOWED_IN_STATE')
    await agent.deregister()
    expect(await agent.reservation.request()).toMatch(/^[0-9A-Z-]+$/)
    expect(await getErrorCode(agent.register(await world.token()))).toBe('RESERVATION_REQUESTED')
    expect(agent.status()).toMatchObject({ state: 'evaluation', reservation: { status: 'requested' } })
  })

  it('can be made after the evaluation period has ended (R-EVAL-4, R-SLR-2)', async () => {
    const agent = await world.open('device', {
      profile: { ...conferencingProfile, periods: { evaluationSeconds: 3600 } },
    })
    await advance(world, agent, 2 * HOUR)
    expect(agent.status().state).toBe('unregistered')
    await agent.reservation.install((await reserve(agent)).file)
    expect(agent.status()).toMatchObject({ state: 'reserved', functionality: 'full' })
    const id = agent.status().registration.instanceId ?? ''
    await world.authority.reservations.acceptReturnCode(id, await agent.reservation.returnCode())
    expect((await agent.reservation.return()).state).toBe('unregistered')
  })

  it('refuses files that are foreign, altered, truncated or for a canceled request (R-SLR-4)', async () => {
    const [agent, other] = [await world.open('device'), await world.open('other')]
    const { file } = await reserve(agent)
    const { file: foreign } = await reserve(other)
    const install = (text: string) => getRefusal(agent, agent.reservation.install(text))
    expect(await install(foreign)).toBe('AUTHORIZATION_OTHER_DEVICE')
    expect(await install(file.replace(/HOST +10 /, (line) => line.replace('10', '99')))).toBe(
      'SIGNED_FILE_ALTERED',
    )
    expect(await install(file.slice(0, -80))).toBe('SIGNED_FILE_TRUNCATED')
    expect(await install('What is this?')).toBe('SIGNED_FILE_MALFORMED')
    await agent.reservation.cancel()
    expect(await install(file)).toBe('AUTHORIZATION_CANCELED')
    await agent.reservation.request()
    expect(await install(file)).toBe('AUTHORIZATION_CANCELED')
  })

  it('installs a file once and never after a newer one (R-SLR-4)', async () => {
    const agent = await world.open()
    const first = await reserve(agent)
    const install = (text: string) => getRefusal(agent, agent.reservation.install(text))
    const update = (text: string) => getRefusal(agent, agent.reservation.update(text))
    expect(await update(first.file)).toBe('RESERVATION_NONE')
    await agent.reservation.install(first.file.replaceAll('\n', '\r\n'))
    expect(await install(first.file)).toBe('AUTHORIZATION_INSTALLED')
    expect(await update(first.file)).toBe('AUTHORIZATION_INSTALLED')
    const second = await world.authority.reservations.update(first.instanceId, { HOST: 20 })
    expect(await install(second.file)).toBe('RESERVED')
    await agent.reservation.update(second.file)
    expect(await update(first.file)).toBe('AUTHORIZATION_SUPERSEDED')
    expect(await install(first.file)).toBe('AUTHORIZATION_SUPERSEDED')
    expect(agent.status().reservation.entitlements).toMatchObject([{ tag: 'HOST', count: 20 }])
  })

  it('refuses a file of an authority with an unknown root (R-SLR-4)', async () => {
    const agent = await world.open()
    const elsewhere = await createTestEnvironment()
    try {
      await elsewhere.authority.reservations.enable()
      await elsewhere.authority.orders.create({ tag: 'HOST', quantity: 5 })
      const request = await agent.reservation.request()
      const { file } = await elsewhere.authority.reservations.reserve({ request, licenses: { HOST: 5 } })
      expect(await getRefusal(agent, agent.reservation.install(file))).toBe('SIGNED_FILE_UNTRUSTED')
    } finally {
      await elsewhere.close()
    }
  })

  it('refuses its old file after the data directory was created again (R-SLR-4)', async () => {
    const agent = await world.open()
    const { file } = await reserve(agent)
    await agent.close()
    rmSync(join(world.directory, 'device'), { recursive: true })
    const reopened = await world.open()
    expect(await getRefusal(reopened, reopened.reservation.install(file))).toBe('AUTHORIZATION_OTHER_REQUEST')
    await reopened.reservation.request()
    expect(await getRefusal(reopened, reopened.reservation.install(file))).toBe('AUTHORIZATION_OTHER_REQUEST')
  })

  it('refuses operations that need the authority with RESERVED (R-SLR-4)', async () => {
    const agent = await world.open()
    await agent.reservation.install((await reserve(agent)).file)
    const sent = world.network.sent.length
    const refused = (operation: Promise<unknown>) => getRefusal(agent, operation)
    const token = await world.token()
    expect(await refused(agent.register(token))).toBe('RESERVED')
    expect(await refused(agent.register(token, { force: true }))).toBe('RESERVED')
    expect(await refused(agent.reregister(token))).toBe('RESERVED')
    expect(await refused(agent.renewRegistration())).toBe('RESERVED')
    expect(await refused(agent.renewAuthorization())).toBe('RESERVED')
    expect(await refused(agent.deregister())).toBe('RESERVED')
    expect(await refused(agent.transport.test())).toBe('RESERVED')
    expect(await refused(agent.reservation.request())).toBe('RESERVED')
    expect(await refused(agent.reservation.cancel())).toBe('RESERVED')
    agent.setUsage('HOST', 3)
    await advance(world, agent, 400 * DAY)
    expect(world.network.sent.length).toBe(sent)
    expect(agent.status().state).toBe('reserved')
  })

  it('grants nothing after its return code, which stays readable (R-SLR-6)', async () => {
    const agent = await world.open()
    const first = await reserve(agent)
    expect(await getErrorCode(agent.reservation.return())).toBe('RESERVATION_NONE')
    expect(await getErrorCode(agent.reservation.returnCode())).toBe('RESERVATION_NONE')
    await agent.reservation.install(first.file)
    expect(await getErrorCode(agent.reservation.return())).toBe('RESERVATION_NOT_RETURNING')
    const second = await world.authority.reservations.update(first.instanceId, { HOST: 20 })
    const code = await agent.reservation.returnCode()
    expect(agent.status()).toMatchObject({
      functionality: 'license-management-only',
      authorization: { status: 'not-authorized' },
      reservation: { status: 'returning', returnCode: code, entitlements: [] },
    })
    expect(await getRefusal(agent, agent.reservation.update(second.file))).toBe('RESERVATION_RETURNING')
    expect(await agent.reservation.returnCode()).toBe(code)
    await agent.reservation.return()
    expect(agent.status().reservation).toMatchObject({ status: 'none', returnCode: code })
    expect(await getRefusal(agent, agent.reservation.install(first.file))).toBe('AUTHORIZATION_RETURNED')
    expect(await getRefusal(agent, agent.reservation.install(second.file))).toBe('AUTHORIZATION_RETURNED')
  })

  it('returns a late file without installing it, with the same code each time (R-SLR-6)', async () => {
    const agent = await world.open()
    const { file, instanceId } = await reserve(agent)
    expect(await getRefusal(agent, agent.reservation.discard(file))).toBe('AUTHORIZATION_NOT_CANCELED')
    await agent.reservation.cancel()
    const { returnCode: code } = await agent.reservation.discard(file)
    expect((await agent.reservation.discard(file)).returnCode).toBe(code)
    expect(await getRefusal(agent, agent.reservation.install(file))).toBe('AUTHORIZATION_RETURNED')
    await world.authority.reservations.acceptReturnCode(instanceId, code)
    expect((await world.authority.licenses.list())[0]).toMatchObject({ reserved: 0, available: 100 })
    await agent.reservation.install((await reserve(agent, 100)).file)
    expect(await getRefusal(agent, agent.reservation.discard(file))).toBe('no error')
  })

  it('keeps codes out of history, logs and events, and keys out of all but one file (R-SLR-7)', async () => {
    const lines: string[] = []
    const log = (message: string, fields?: object) => lines.push(message, JSON.stringify(fields))
    const agent = await world.open('device', { logger: { error: log, warn: log, info: log, debug: log } })
    const first = await reserve(agent)
    await agent.reservation.install(first.file)
    const second = await world.authority.reservations.update(first.instanceId, { HOST: 20 })
    const confirmation = (await agent.reservation.update(second.file)).reservation.confirmationCode ?? ''
    const code = await agent.reservation.returnCode()
    await world.authority.reservations.confirm(first.instanceId, confirmation)
    await world.authority.reservations.acceptReturnCode(first.instanceId, code)
    await agent.reservation.return()
    const secrets = join(world.directory, 'device', 'secrets')
    const seed = readFileSync(join(secrets, 'reservation.seed'), 'utf8')
    expect(readdirSync(secrets)).toEqual(['reservation.seed'])
    const texts = [
      ...lines,
      JSON.stringify(agent.history()),
      JSON.stringify(agent.explain()),
      JSON.stringify(await world.authority.operations.events.list()),
    ].join('\n')
    const { requestCode } = { requestCode: await agent.reservation.request() }
    for (const secret of [confirmation, code, seed, requestCode]) {
      expect(secret.length).toBeGreaterThan(20)
      expect(texts).not.toContain(secret)
    }
    expect(texts).toContain('RESERVED_INSTALLED')
  })
})

describe('other operations during a reservation', () => {
  it('ignore a late answer to an abandoned registration (R-SLR-4)', async () => {
    const agent = await world.open('device', {
      profile: { ...conferencingProfile, periods: { evaluationSeconds: 3600 } },
    })
    await agent.register(await world.token())
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => (release = resolve))
    world.network.onAnswer = async (type, body) => {
      if (type === 'register') await held
      return body
    }
    const again = agent.reregister(await world.token(), { force: true })
    void again.catch(() => undefined)
    await eventually(() => {
      expect(world.network.sent.at(-1)?.type).toBe('register')
    })
    await agent.deregister({ wait: false })
    const wall = world.clock.wall()
    world.clock.setWall(wall + 400 * DAY)
    agent.tick()
    world.clock.setWall(wall)
    release()
    await agent.idle()
    await advance(world, agent, 2 * HOUR)
    expect(agent.status()).toMatchObject({ state: 'unregistered', functionality: 'license-management-only' })
    const [left] = await world.authority.instances.list()
    await world.authority.instances.remove(left?.id ?? '')
    await agent.reservation.install((await reserve(agent)).file)
    expect(agent.status()).toMatchObject({ state: 'reserved', registration: { status: 'reserved' } })
  })

  it('fail with AGENT_CLOSED when the agent is closed (R-SLR-4)', async () => {
    const agent = await world.open()
    const asked = agent.reservation.request()
    await agent.close()
    expect(['no error', 'AGENT_CLOSED']).toContain(await getErrorCode(asked))
    expect(await getErrorCode(agent.reservation.request())).toBe('AGENT_CLOSED')
  })

  it('do not repeat a term warning after an update (R-SLR-5)', async () => {
    const agent = await world.open()
    await world.authority.orders.create({ tag: 'HOST', quantity: 5, termDays: 20 })
    const first = await reserve(agent, 105)
    await agent.reservation.install(first.file)
    await advance(world, agent, DAY)
    const second = await world.authority.reservations.update(first.instanceId, { HOST: 104 })
    await agent.reservation.update(second.file)
    await advance(world, agent, DAY)
    const said = agent.history().flatMap(({ notices }) => JSON.parse(notices) as { notice: string }[])
    expect(said.filter(({ notice }) => notice === 'RESERVATION_TERM_WARNING').length).toBe(1)
  })

  it('keep the return codes of all returned reservations readable (R-SLR-6)', async () => {
    const agent = await world.open()
    const codes: string[] = []
    for (let i = 0; i < 2; i++) {
      const { file, instanceId } = await reserve(agent)
      await agent.reservation.install(file)
      codes.push(await agent.reservation.returnCode())
      await agent.reservation.return()
      await agent.reservation.request()
      expect(agent.status().reservation.returnCode).toBe(codes.at(-1))
      await world.authority.reservations.acceptReturnCode(instanceId, codes.at(-1) ?? '')
    }
    expect(agent.status().reservation.returned.map(({ returnCode }) => returnCode)).toEqual(codes)
  })

  it('can return the uninstalled file when two authorities answered one request (R-SLR-6)', async () => {
    const elsewhere = await createTestEnvironment()
    try {
      const agent = await world.open('device', {
        trust: `${world.authority.trustAnchor()}\n${elsewhere.authority.trustAnchor()}`,
      })
      await elsewhere.authority.reservations.enable()
      await elsewhere.authority.orders.create({ tag: 'HOST', quantity: 5 })
      const first = await reserve(agent)
      const request = agent.status().reservation.requestCode ?? ''
      const second = await elsewhere.authority.reservations.reserve({ request, licenses: { HOST: 5 } })
      await agent.reservation.install(first.file)
      expect(await getRefusal(agent, agent.reservation.update(second.file))).toBe(
        'AUTHORIZATION_OTHER_REQUEST',
      )
      const { returnCode } = await agent.reservation.discard(second.file)
      await elsewhere.authority.reservations.acceptReturnCode(second.instanceId, returnCode)
      expect(agent.status().reservation.entitlements).toMatchObject([{ count: 10 }])
      await world.authority.reservations.acceptReturnCode(
        first.instanceId,
        await agent.reservation.returnCode(),
      )
    } finally {
      await elsewhere.close()
    }
  })
})

describe('a reservation and its usage (R-HOST-9)', () => {
  it('is not authorized as a whole while one tag exceeds its reserved count', async () => {
    const agent = await world.open()
    await world.authority.orders.create({ tag: 'SYS-XL', quantity: 1 })
    agent.setUsage('HOST', 12)
    const request = await agent.reservation.request()
    const first = await world.authority.reservations.reserve({ request, licenses: { HOST: 10, 'SYS-XL': 1 } })
    await agent.reservation.install(first.file)
    const limited = {
      state: 'reserved',
      functionality: 'license-management-only',
      functionalityReason: 'The reservation does not cover the usage: HOST: 12 in use, 10 reserved.',
      authorization: { status: 'not-authorized' },
      entitlements: [
        { tag: 'HOST', name: 'Host License', count: 12, status: 'not-authorized' },
        { tag: 'SYS-XL', name: 'Extended Capacity', count: 0, status: 'not-in-use' },
      ],
    }
    expect(agent.status()).toMatchObject(limited)
    expect(agent.allows('host-meeting')).toMatchObject({ allowed: false })
    expect(agent.allows('license-return')).toMatchObject({ allowed: true })
    expect(agent.explain().problems).toMatchObject([{ code: 'NOT_AUTHORIZED' }])
    const refusedCode = await getErrorCode(Promise.resolve().then(() => agent.setUsage('HOST', 13)))
    expect(refusedCode).toBe('NOT_AUTHORIZED')
    const second = await world.authority.reservations.update(first.instanceId, { HOST: 12 })
    await agent.reservation.update(second.file)
    expect(agent.status()).toMatchObject({ functionality: 'full', authorization: { status: 'reserved' } })
    expect(agent.allows('host-meeting')).toMatchObject({ allowed: true })
    // The device itself exceeds the reservation by one host.
    agent.setUsage('HOST', 13)
    expect(agent.status().authorization.status).toBe('not-authorized')
    agent.setUsage('HOST', 11)
    expect(agent.status().authorization.status).toBe('reserved')
    const said = agent
      .history()
      .flatMap(({ notices }) => JSON.parse(notices) as { notice: string; message: string }[])
    expect(said.filter(({ notice }) => notice === 'NOT_AUTHORIZED').map(({ message }) => message)).toEqual([
      'Not authorized: license management only: HOST: 12 in use, 10 reserved',
      'Not authorized: license management only: HOST: 13 in use, 12 reserved',
    ])
  })

  it('loses a term at its end, after warnings, despite changes of the clock (R-SLR-4)', async () => {
    const agent = await world.open()
    await world.authority.orders.create({ tag: 'HOST', quantity: 50, termDays: 100 })
    agent.setUsage('HOST', 120)
    const { file } = await reserve(agent, 130)
    await agent.reservation.install(file)
    expect(agent.status().reservation.entitlements).toMatchObject([
      { count: 100, endsAt: null },
      { count: 30, endsAt: new Date(world.clock.wall() + 100 * DAY).toISOString() },
    ])
    for (let day = 0; day < 99; day++) await advance(world, agent, DAY)
    const warnings = () =>
      agent
        .history(1000)
        .flatMap(({ notices }) => JSON.parse(notices) as { notice: string; message: string }[])
        .filter(({ notice }) => notice.startsWith('RESERVATION_TERM'))
        .map(({ notice }) => notice)
    expect(warnings()).toEqual(Array.from({ length: 6 }, () => 'RESERVATION_TERM_WARNING'))
    expect(agent.status().functionality).toBe('full')
    expect(agent.explain().next).toMatchObject([
      { what: expect.stringContaining('30 reserved licenses of HOST') as string },
    ])
    await advance(world, agent, DAY)
    expect(warnings().at(-1)).toBe('RESERVATION_TERM_ENDED')
    expect(agent.status()).toMatchObject({
      functionality: 'license-management-only',
      reservation: { entitlements: [{ count: 100, endsAt: null }] },
    })
    world.clock.setWall(world.clock.wall() - 300 * DAY)
    await advance(world, agent, HOUR)
    expect(agent.status().functionality).toBe('license-management-only')
    agent.setUsage('HOST', 100)
    expect(agent.status().functionality).toBe('full')
  })

  it('extends a term by a purchase and an update to the same count (R-SLR-5)', async () => {
    const agent = await world.open()
    const first = await reserve(agent, 100)
    await agent.reservation.install(first.file)
    await world.authority.orders.create({ tag: 'MDC-SMALL', quantity: 2, termDays: 30 })
    const second = await world.authority.reservations.update(first.instanceId, { 'MDC-SMALL': 2 })
    await world.authority.reservations.confirm(
      first.instanceId,
      (await agent.reservation.update(second.file)).reservation.confirmationCode ?? '',
    )
    await world.authority.orders.create({ tag: 'MDC-SMALL', quantity: 2, termDays: 365 })
    const third = await world.authority.reservations.update(first.instanceId, { 'MDC-SMALL': 2 })
    expect(third.licenses).toMatchObject([
      { tag: 'HOST', count: 100, endsAt: null },
      { tag: 'MDC-SMALL', count: 2, endsAt: new Date(world.clock.wall() + 365 * DAY).toISOString() },
    ])
  })
})

describe('an offline device over time', () => {
  it('corrects a clock that was always ahead by the next file, as far as the file proves it (R-SLR-4)', async () => {
    world.clock.setWall(world.clock.wall() + 365 * DAY)
    const real = () => world.clock.wall() - 365 * DAY
    const agent = await world.open()
    const request = await agent.reservation.request()
    // The authority has the right time. Carrying the request code takes two days.
    world.clock.advance(2 * DAY)
    const wrong = world.clock.wall()
    world.clock.setWall(real())
    const { file } = await world.authority.reservations.reserve({ request, licenses: { HOST: 1 } })
    world.clock.setWall(wrong)
    world.clock.advance(DAY)
    await agent.reservation.install(file)
    // The days of the transfer cannot be distinguished from a clock error.
    const since = Date.parse(agent.status().authorization.since)
    expect(since - real()).toBeGreaterThanOrEqual(0)
    expect(since - real()).toBeLessThanOrEqual(3 * DAY)
  })

  it('corrects a clock that jumped ahead once by the next file (R-SLR-4)', async () => {
    const agent = await world.open()
    await world.authority.orders.create({ tag: 'HOST', quantity: 50, termDays: 300 })
    const first = await reserve(agent, 150)
    await agent.reservation.install(first.file)
    const right = world.clock.wall()
    world.clock.setWall(right + 400 * DAY)
    await advance(world, agent, 60_000)
    expect(agent.status().reservation.entitlements).toMatchObject([{ count: 100 }])
    world.clock.setWall(right + 60_000)
    await advance(world, agent, 60_000)
    expect(agent.status()).toMatchObject({ clock: { trusted: false } })
    const second = await world.authority.reservations.update(first.instanceId, { HOST: 149 })
    const status = await agent.reservation.update(second.file)
    expect(status.reservation.entitlements).toMatchObject([{ count: 100 }, { count: 49 }])
    expect(status.clock.trusted).toBe(true)
  })

  it('does not regain the time it has run by a file of an earlier date (R-SLR-4)', async () => {
    const agent = await world.open()
    await world.authority.orders.create({ tag: 'HOST', quantity: 50, termDays: 60 })
    const first = await reserve(agent, 150)
    await agent.reservation.install(first.file)
    // The update is kept until the term has ended. Then the clock is set back to the day of the update.
    const second = await world.authority.reservations.update(first.instanceId, { HOST: 149 })
    const start = world.clock.wall()
    await advance(world, agent, 61 * DAY)
    world.clock.setWall(start)
    await agent.reservation.update(second.file)
    expect(agent.status().reservation.entitlements).toMatchObject([{ count: 100 }])
  })

  it('learns no time from a file that a full disk could not store (R-SLR-4)', async () => {
    const agent = await world.open()
    const { file } = await reserve(agent)
    await advance(world, agent, 40 * DAY)
    const real = world.clock.wall()
    world.clock.setWall(real + 200 * DAY)
    agent.tick()
    world.clock.setWall(real)
    const write = vi.spyOn(AgentStore.prototype, 'write').mockImplementation((name) => {
      throw Object.assign(new Error(name), { code: 'SQLITE_FULL' })
    })
    expect(await getErrorCode(agent.reservation.install(file))).toBe('STORE_FULL')
    write.mockRestore()
    await agent.reservation.install(file)
    expect(Date.parse(agent.status().authorization.since)).toBeGreaterThanOrEqual(real)
  })

  it('ends a term at its exact end, before the next tick (R-SLR-4)', async () => {
    const agent = await world.open()
    await world.authority.orders.create({ tag: 'HOST', quantity: 5, termDays: 10 })
    agent.setUsage('HOST', 105)
    await agent.reservation.install((await reserve(agent, 105)).file)
    world.clock.advance(10 * DAY)
    expect(agent.status()).toMatchObject({
      functionality: 'license-management-only',
      authorization: { status: 'not-authorized' },
      entitlements: [{ tag: 'HOST', status: 'not-authorized' }],
    })
    expect(agent.allows('host-meeting').allowed).toBe(false)
  })

  it('sets a slow clock to at least the time of the installed file (R-SLR-4)', async () => {
    const agent = await world.open()
    const request = await agent.reservation.request()
    const behind = world.clock.wall()
    world.clock.setWall(behind + 40 * DAY)
    const { file } = await world.authority.reservations.reserve({ request, licenses: { HOST: 1 } })
    world.clock.setWall(behind)
    await agent.reservation.install(file)
    expect(Date.parse(agent.status().authorization.since)).toBe(behind + 40 * DAY)
  })

  it('refuses a file with an expired signer, which the authority then signs again (R-SLR-4)', async () => {
    const agent = await world.open()
    const { file, instanceId } = await reserve(agent)
    await advance(world, agent, 91 * DAY)
    expect(await getRefusal(agent, agent.reservation.install(file))).toBe('SIGNED_FILE_SIGNER_EXPIRED')
    const again = await world.authority.reservations.get(instanceId)
    await agent.reservation.install(again.file ?? '')
    // An installed reservation outlives its signer.
    await advance(world, agent, 800 * DAY)
    expect(agent.status()).toMatchObject({ state: 'reserved', functionality: 'full' })
  })

  it('cannot detect newer files after its directory was restored from a copy (R-SLR-4)', async () => {
    const agent = await world.open()
    const first = await reserve(agent)
    await agent.reservation.install(first.file)
    const second = await world.authority.reservations.update(first.instanceId, { HOST: 20 })
    const { confirmationCode } = (await agent.reservation.update(second.file)).reservation
    await world.authority.reservations.confirm(first.instanceId, confirmationCode ?? '')
    await agent.close()
    copyDirectory(join(world.directory, 'device'), join(world.directory, 'copy'))
    const copy = await world.open('copy', { product: { pid: 'CWMS-K9', version: '4.0', serial: 'DEVICE' } })
    // In the copy, older files stay superseded and requests stay used.
    expect(await getErrorCode(copy.reservation.update(first.file))).toBe('AUTHORIZATION_SUPERSEDED')
    const third = await world.authority.reservations.update(first.instanceId, { HOST: 5 })
    const original = await world.open()
    const code = (await original.reservation.update(third.file)).reservation.confirmationCode
    await world.authority.reservations.confirm(first.instanceId, code ?? '')
    // The copy keeps its reservation. docs/security.md documents this limit.
    expect(copy.status().reservation.entitlements).toMatchObject([{ count: 20 }])
  })
})
