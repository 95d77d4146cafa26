import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { AgentStore } from '../../src/agent/store.ts'
import { DAY, HOUR, MINUTE, SECOND } from '../../src/core/time.ts'
import { createTestEnvironment, advance, type TestEnvironment } from '../support/test-environment.ts'

const FULL = 90 * 86_400

let world: TestEnvironment
beforeEach(async () => {
  world = await createTestEnvironment()
})
afterEach(async () => {
  vi.restoreAllMocks()
  await world.close()
})

describe('the evaluation period', () => {
  it('R-EVAL-1: lasts 90 days on a new device, with any number of hosts', async () => {
    const agent = await world.open()
    agent.setUsage('HOST', 1_000_000)
    const status = agent.status()
    expect(status).toMatchObject({
      state: 'evaluation',
      functionality: 'full',
      evaluation: { running: true, expired: false },
      registration: { status: 'unregistered' },
      authorization: { status: 'evaluation' },
      entitlements: [{ tag: 'HOST', name: null, count: 1_000_000, status: 'evaluation' }],
    })
    expect(FULL - status.evaluation.remainingSeconds).toBeLessThanOrEqual(60)
  })

  it('R-EVAL-1: counts each second in use once, and none while the agent is off', async () => {
    let agent = await world.open()
    await advance(world, agent, 10 * DAY)
    expect(agent.status().evaluation.remainingSeconds).toBe(FULL - 10 * 86_400)
    await advance(world, agent, 30 * MINUTE)
    await advance(world, agent, 30 * MINUTE)
    await agent.close()
    const left = FULL - 10 * 86_400 - 3600
    world.clock.reboot(20 * DAY)
    agent = await world.open()
    // Each open costs one tick, so that repeated opening does not avoid the charge.
    expect(agent.status().evaluation.remainingSeconds).toBe(left - 60)
    await advance(world, agent, 10 * SECOND)
    expect(agent.status().evaluation.remainingSeconds).toBe(left - 60)
    await advance(world, agent, 60 * SECOND)
    expect(agent.status().evaluation.remainingSeconds).toBe(left - 70)
  })

  it('R-EVAL-4: ends while the disk is full, and stays ended when the disk has room again', async () => {
    let agent = await world.open()
    await advance(world, agent, DAY)
    const disk = vi.spyOn(AgentStore.prototype, 'write').mockImplementation((name) => {
      throw Object.assign(new Error(name), { code: 'SQLITE_FULL' })
    })
    world.clock.advance(90 * DAY)
    expect(() => {
      agent.tick()
    }).toThrow('The disk is full')
    const ended = { state: 'unregistered', functionality: 'license-management-only' }
    expect(agent.status()).toMatchObject(ended)
    expect(agent.allows('schedule').allowed).toBe(false)
    disk.mockRestore()
    expect(agent.status()).toMatchObject(ended)
    agent.tick()
    await agent.close()
    agent = await world.open()
    expect(agent.status()).toMatchObject(ended)
  })

  it('R-EVAL-1: does not depend on changes of the wall clock', async () => {
    const agent = await world.open()
    await advance(world, agent, HOUR)
    const left = agent.status().evaluation.remainingSeconds
    world.clock.setWall(world.clock.wall() + 1000 * DAY)
    agent.tick()
    world.clock.setWall(world.clock.wall() - 2000 * DAY)
    agent.tick()
    expect(agent.status()).toMatchObject({ state: 'evaluation', evaluation: { remainingSeconds: left } })
  })

  it('R-EVAL-3: continues until registration and the first authorization have both succeeded', async () => {
    const agent = await world.open()
    await advance(world, agent, DAY)
    world.network.refuse = 'authorize'
    await expect(agent.register(await world.token())).rejects.toMatchObject({ code: 'CONNECTION_REFUSED' })
    expect(agent.status()).toMatchObject({ state: 'registered', evaluation: { running: true } })
    const before = agent.status().evaluation.remainingSeconds
    await advance(world, agent, 20 * SECOND)
    expect(agent.status().evaluation.remainingSeconds).toBe(before - 20)
    world.network.refuse = null
    await advance(world, agent, 10 * MINUTE)
    expect(agent.status()).toMatchObject({ state: 'authorized', evaluation: { running: false } })
  })

  it('R-EVAL-3, R-REG-5: stops while registered, and resumes after the deregistration', async () => {
    const agent = await world.open()
    await advance(world, agent, 30 * DAY)
    await agent.register(await world.token())
    const left = agent.status().evaluation.remainingSeconds
    for (let day = 0; day < 100; day++) await advance(world, agent, DAY)
    expect(agent.status().evaluation).toEqual({ running: false, expired: false, remainingSeconds: left })
    await agent.deregister()
    expect(agent.status()).toMatchObject({
      state: 'evaluation',
      evaluation: { running: true, remainingSeconds: left },
    })
    await advance(world, agent, DAY)
    expect(agent.status().evaluation.remainingSeconds).toBe(left - 86_400)
  })

  it('R-EVAL-4: leaves only license management when used up, until the device registers', async () => {
    const agent = await world.open()
    await advance(world, agent, 91 * DAY)
    expect(agent.status()).toMatchObject({
      state: 'unregistered',
      functionality: 'license-management-only',
      evaluation: { expired: true, remainingSeconds: 0, running: false },
      authorization: { status: 'evaluation-expired' },
    })
    const denied = agent.allows('host-meeting')
    expect(denied.allowed).toBe(false)
    expect(denied.reason).toMatch(/evaluation/)
    expect(agent.allows('license-register')).toEqual({ allowed: true, reason: null })
    await agent.register(await world.token())
    expect(agent.status()).toMatchObject({ state: 'authorized', functionality: 'full' })
    expect(agent.allows('host-meeting').allowed).toBe(true)
    await agent.deregister()
    expect(agent.status()).toMatchObject({ state: 'unregistered', functionality: 'license-management-only' })
  })

  it('R-EVAL-1: warns once at each threshold before its end', async () => {
    const agent = await world.open()
    for (let hour = 0; hour < 90 * 24 + 1; hour++) {
      world.clock.advance(HOUR)
      agent.tick()
    }
    const said = agent.history(1000).flatMap(({ notices }) => JSON.parse(notices) as { notice: string }[])
    expect(said.filter(({ notice }) => notice === 'EVAL_EXPIRED_WARNING')).toHaveLength(5)
    expect(said.filter(({ notice }) => notice === 'EVAL_EXPIRED')).toHaveLength(1)
  })
})

describe('the device clock', () => {
  it('gains no evaluation time when set back, and is reported with the reason', async () => {
    const agent = await world.open()
    await advance(world, agent, 20 * DAY)
    const left = agent.status().evaluation.remainingSeconds
    world.clock.setWall(world.clock.wall() - 10 * DAY)
    await advance(world, agent, MINUTE)
    const { clock, evaluation } = agent.status()
    expect(evaluation.remainingSeconds).toBe(left - 60)
    expect(clock.trusted).toBe(false)
    expect(clock.reason).toMatch(/set back by 10 days/)
    expect(agent.history().some(({ notices }) => notices.includes('SYSTEM_CLOCK_CHANGED'))).toBe(true)
  })

  it('is reported at the next open when set back while the agent was off', async () => {
    await (await world.open()).close()
    world.clock.reboot(-10 * DAY)
    const agent = await world.open()
    expect(agent.status().clock.trusted).toBe(false)
  })

  it('does not delay the deadlines of a registered device when set back', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    await advance(world, agent, 20 * DAY)
    world.network.down = true
    world.clock.setWall(world.clock.wall() - 50 * DAY)
    for (let day = 0; day < 71; day++) await advance(world, agent, DAY)
    expect(agent.status().state).toBe('auth-expired')
  })

  it('is reported when far from the authority’s time, until the clock is corrected', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    expect(agent.status().clock).toEqual({ trusted: true, reason: null })
    world.clock.setWall(world.clock.wall() - 3 * HOUR)
    await advance(world, agent, MINUTE)
    expect(agent.status().clock.trusted).toBe(false)
    world.clock.setWall(world.clock.wall() + 3 * HOUR)
    await advance(world, agent, MINUTE)
    await agent.renewAuthorization()
    expect(agent.status().clock).toEqual({ trusted: true, reason: null })
  })
})
