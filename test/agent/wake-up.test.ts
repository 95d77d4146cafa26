import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { SmartAgent } from '../../src/index.ts'
import { createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'

/** Test timeout. No timer of the agent fires in these tests, so only a lost wake-up takes this long. */
const HANGS_MS = 20_000

let world: TestEnvironment
let agent: SmartAgent
/** Token that is created before, so that nothing is awaited between the two calls. */
let token: string
beforeEach(async () => {
  // Ticks would hide a request that was not sent.
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval'] })
  world = await createTestEnvironment()
  await world.authority.orders.create({ tag: 'HOST', quantity: 100 })
  agent = await world.open('device', { heartbeat: true })
  await agent.register(await world.token())
  token = await world.token()
})
afterEach(async () => {
  vi.useRealTimers()
  await world.close()
})

const inUse = async (): Promise<number | undefined> => {
  const [instance] = await world.authority.instances.list()
  return instance?.entitlements.find(({ tag }) => tag === 'HOST')?.count
}
const setSameTransport = () => {
  agent.transport.set({ kind: 'direct', url: 'https://authority.test' })
}

const firsts: readonly (readonly [string, () => void])[] = [
  [
    'a usage report',
    () => {
      agent.setUsage('HOST', 7)
    },
  ],
  [
    'a tick',
    () => {
      agent.tick()
    },
  ],
  ['a change of transport', setSameTransport],
]
const requests = [
  ['renewing the authorization', () => agent.renewAuthorization()],
  ['renewing the registration', () => agent.renewRegistration()],
  ['deregistering', () => agent.deregister()],
  ['registering again', () => agent.reregister(token, { force: true })],
] as const

describe('R-EMB-5 R-AUTH-1: with automatic ticks, a request in the same turn as', () => {
  for (const [first, begin] of firsts)
    for (const [request, ask] of requests)
      it(
        `${first} is sent immediately: ${request}`,
        async () => {
          begin()
          await expect(ask()).resolves.toMatchObject({ product: { pid: 'CWMS-K9' } })
        },
        HANGS_MS,
      )

  it(
    'a usage report: the authority has the count when `flushUsage` resolves',
    async () => {
      agent.setUsage('HOST', 7)
      await agent.flushUsage()
      expect(await inUse()).toBe(7)
    },
    HANGS_MS,
  )

  it.each([1, 2, 3, 5, 8])(
    'the end of another request, %i microtasks later, is sent',
    async (microtasks) => {
      agent.setUsage('HOST', 3)
      for (let i = 0; i < microtasks; i++) await Promise.resolve()
      agent.setUsage('HOST', 4)
      await agent.flushUsage()
      expect(await inUse()).toBe(4)
    },
    HANGS_MS,
  )

  it(
    'an answer reports the count that changed meanwhile',
    async () => {
      let changed = false
      world.network.onAnswer = (_, body) => {
        if (!changed) agent.setUsage('HOST', 9)
        changed = true
        return body
      }
      agent.setUsage('HOST', 8)
      await agent.flushUsage()
      expect(await inUse()).toBe(9)
    },
    HANGS_MS,
  )

  it(
    'an outcome is sent if a listener of that outcome made it',
    async () => {
      const done: Promise<unknown>[] = []
      const stop = agent.on('transition', ({ event }) => {
        if (event.type !== 'authorize.accepted' || done.length > 0) return
        done.push(Promise.resolve().then(() => agent.renewRegistration()))
      })
      await agent.renewAuthorization()
      stop()
      expect(done).toHaveLength(1)
      await Promise.all(done)
    },
    HANGS_MS,
  )
})
