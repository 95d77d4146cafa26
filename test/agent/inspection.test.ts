import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SmartAgent } from '../../src/index.ts'
import { ExchangeRecorder } from '../../src/agent/exchange-recorder.ts'
import { createSupportBundle } from '../../src/agent/support-bundle.ts'
import { parseBundle } from '../../src/console/device/bundle.ts'
import { omitCodes } from '../../src/inspection/context-changes.ts'
import {
  advance,
  createTestEnvironment,
  getErrorCode,
  type TestEnvironment,
} from '../support/test-environment.ts'

const DAY = 86_400_000
let world: TestEnvironment
let agent: SmartAgent
beforeEach(async () => {
  world = await createTestEnvironment()
  agent = await world.open()
})
afterEach(() => world.close())

describe('R-INS-3: the stored past of a device', () => {
  it('gives the snapshot after each transition, also after a restart and after quiet ticks', async () => {
    const snapshots = new Map<number, unknown>()
    const record = (watched: SmartAgent) => {
      let last = watched.history(1).at(-1)?.id ?? 0
      let isSameTransaction = false
      watched.on('transition', ({ after }) => {
        const id = watched.history(1).at(-1)?.id ?? 0
        // A quiet tick has no row of its own. A transaction announces its tick and its event one after the other.
        if (id === last && !isSameTransaction) return
        snapshots.set(id, omitCodes(after))
        last = id
        isSameTransaction = true
        queueMicrotask(() => {
          isSameTransaction = false
        })
      })
    }
    record(agent)
    for (let i = 0; i < 5; i++) await advance(world, agent, DAY)
    await agent.register(await world.token())
    agent.setUsage('HOST', 2)
    await agent.flushUsage()
    await agent.close()
    agent = await world.open()
    record(agent)
    world.network.down = true
    for (let i = 0; i < 40; i++) await advance(world, agent, 3 * DAY)
    world.network.down = false
    await advance(world, agent, DAY)
    await agent.deregister()
    await agent.reservation.request()

    expect(snapshots.size).toBeGreaterThan(20)
    for (const [id, snapshot] of snapshots)
      expect(agent.inspection.readSnapshot(id).snapshot).toEqual(snapshot)
    expect(agent.inspection.readSnapshot().snapshot).toEqual(omitCodes(agent.snapshot))
    expect(JSON.stringify(agent.inspection.readSnapshot())).toContain('"requestCode":""')
    expect(await getErrorCode(Promise.resolve().then(() => agent.inspection.readSnapshot(9999)))).toBe(
      'NOT_FOUND',
    )
  })

  it('has for each transition its payload, commands and changed fields', async () => {
    await agent.register(await world.token())
    const row = agent.history(100).find(({ event }) => event === 'register.accepted')
    expect(JSON.parse(row?.commands ?? '')).toEqual([
      'discard the secrets of the attempt',
      'request authorize',
    ])
    expect(JSON.parse(row?.detail ?? '')).toMatchObject({ registration: { smartAccount: 'acme.example' } })
    const changes = JSON.parse(row?.changes ?? '') as { path: string; before: unknown; after: unknown }[]
    expect(changes.find(({ path }) => path === 'registration')).toMatchObject({
      before: null,
      after: { smartAccount: 'acme.example' },
    })
    expect(changes.find(({ path }) => path === 'registering')).toMatchObject({ after: null })
  })

  it('counts the events between two changes of the state, and shows outages', async () => {
    await agent.register(await world.token())
    world.network.down = true
    await advance(world, agent, 31 * DAY)
    for (let i = 0; i < 70; i++) await advance(world, agent, DAY)
    world.network.down = false
    await advance(world, agent, DAY)
    const { start, changes, connection, events } = agent.inspection.listStateChanges()
    expect(start.states.state).toBe('evaluation')
    expect(changes.map(({ after }) => (JSON.parse(after) as { state: string }).state)).toEqual([
      'registered',
      'authorized',
      'auth-expired',
      'authorized',
    ])
    const expired = changes[2]
    expect(expired?.since.unanswered).toBeGreaterThan(10)
    expect(expired?.since.events).toBe((expired?.id ?? 0) - (changes[1]?.id ?? 0) - 1)
    expect(connection.map(({ state }) => state)).toEqual(['up', 'down', 'up'])
    expect(events).toBe(agent.history(10_000).length)
  })

  it('has each exchange with its outcome, and no secret', async () => {
    await agent.register(await world.token())
    world.network.down = true
    await agent.renewAuthorization().catch(() => undefined)
    const [failed, authorized, registered] = agent.inspection.listExchanges()
    expect([failed?.kind, failed?.outcome, failed?.failure?.code]).toEqual([
      'authorize',
      'unreachable',
      'CONNECTION_REFUSED',
    ])
    expect([authorized?.kind, authorized?.outcome, authorized?.failure]).toEqual([
      'authorize',
      'accepted',
      null,
    ])
    expect(registered?.kind).toBe('register')
    expect(failed?.steps.find(({ step }) => step === 'answer')?.outcome).toBe('failed')
    expect(failed?.route).toMatchObject({ proxy: null, server: 'authority.test', role: 'manager' })
  })

  it('is whole in a support bundle, which another program reads', async () => {
    const token = await world.token()
    await agent.register(token)
    await agent.deregister()
    const code = await agent.reservation.request()
    const text = JSON.stringify(await createSupportBundle(agent))
    for (const secret of [token, code, 'PRIVATE KEY']) expect(text).not.toContain(secret)
    const bundle = parseBundle(text)
    expect(bundle.history).toHaveLength(agent.history(1000).length)
    expect(bundle.snapshot.value.reservation).toBe('requested')
    expect(bundle.history.at(-1)?.evaluationSeconds).toBe(agent.history(1)[0]?.evaluationSeconds)
    expect(bundle.drawing.machine).toMatch(/^[0-9a-f]{16}$/)
    expect(await getErrorCode(Promise.resolve().then(() => parseBundle('{')))).toBe('BUNDLE_MALFORMED')
    expect(await getErrorCode(Promise.resolve().then(() => parseBundle('{"format":1}')))).toBe(
      'BUNDLE_MALFORMED',
    )
    expect(await getErrorCode(Promise.resolve().then(() => parseBundle('{"format":2}')))).toBe(
      'BUNDLE_TOO_NEW',
    )
  })
})

describe('R-INS-3: the recorded steps of an exchange', () => {
  const record = (
    steps: (recorder: ExchangeRecorder, pass: (ms: number) => void) => void,
    isAnswered: boolean,
    isProxied = false,
  ) => {
    let now = 1000
    const recorder = new ExchangeRecorder(() => now)
    recorder.begin()
    steps(recorder, (ms) => {
      now += ms
    })
    recorder.end({ isAnswered, isProxied })
    return recorder.take()
  }
  const outcomes = (recorded: ReturnType<typeof record>) =>
    recorded?.steps.map(({ step, outcome, startedAt, duration }) => [step, outcome, startedAt, duration])

  it('have times and results, with the proxy if there is one', () => {
    const recorded = record(
      (recorder, pass) => {
        recorder.opening()
        pass(1)
        recorder.step('name', '192.0.2.1')
        pass(2)
        recorder.step('connect', '192.0.2.1:443')
        pass(4)
        recorder.step('proxy', 'a tunnel')
        pass(8)
        recorder.step('tls', 'TLSv1.3')
        pass(16)
      },
      true,
      true,
    )
    expect(recorded?.duration).toBe(31)
    expect(outcomes(recorded)).toEqual([
      ['name', 'ok', 0, 1],
      ['connect', 'ok', 1, 2],
      ['proxy', 'ok', 3, 4],
      ['tls', 'ok', 7, 8],
      ['request', 'ok', 15, 0],
      ['answer', 'ok', 15, 16],
    ])
    expect(recorded?.steps.at(3)?.found).toBe('TLSv1.3')
  })

  it('end where the exchange broke', () => {
    const recorded = record((recorder, pass) => {
      recorder.opening()
      pass(1)
      recorder.step('name', '192.0.2.1')
      recorder.step('connect', '192.0.2.1:443')
      pass(9)
    }, false)
    expect(outcomes(recorded)).toEqual([
      ['name', 'ok', 0, 1],
      ['connect', 'ok', 1, 0],
      ['proxy', 'not-needed', 1, 0],
      ['tls', 'failed', 1, 9],
      ['request', 'not-tried', 10, 0],
      ['answer', 'not-tried', 10, 0],
    ])
  })

  it('need no connection when one was kept, and are taken once', () => {
    const recorded = record((_, pass) => {
      pass(5)
    }, false)
    expect(outcomes(recorded)?.map(([, outcome]) => outcome)).toEqual([
      'not-needed',
      'not-needed',
      'not-needed',
      'not-needed',
      'ok',
      'failed',
    ])
    const recorder = new ExchangeRecorder()
    recorder.begin()
    recorder.end({ isAnswered: true, isProxied: false })
    expect(recorder.take()).not.toBeNull()
    expect(recorder.take()).toBeNull()
  })
})
