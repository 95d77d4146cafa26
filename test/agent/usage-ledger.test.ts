import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LicensingError, type SmartAgent } from '../../src/index.ts'
import { AgentStore } from '../../src/agent/store.ts'
import { conferencing, conferencingProfile } from '../../src/conferencing/index.ts'
import {
  getErrorCode,
  createTestEnvironment,
  advance,
  type TestEnvironment,
} from '../support/test-environment.ts'
import { copyDirectory } from '../../tools/copy-directory.ts'
import { Database } from '../support/sqlite.ts'

const HOUR = 3_600_000
const LARGE = { pid: 'CWMS-K9', version: '4.0', serial: 'DEVICE' } as const

let world: TestEnvironment
let agent: SmartAgent
beforeEach(async () => {
  world = await createTestEnvironment()
  agent = await world.open('device', { product: LARGE, module: conferencing({ size: 'large' }) })
})
afterEach(() => world.close())

const count = (of: SmartAgent, tag = 'HOST') =>
  of.status().entitlements.find((one) => one.tag === tag)?.count ?? 0
const inTime = (work: () => unknown) => getErrorCode(Promise.resolve().then(work))
const denied = () => agent.usage.denials().map(({ code, what }) => `${code}: ${what}`)
/** Makes all writes fail until the returned function is called. */
function fullDisk(): () => void {
  const write = vi.spyOn(AgentStore.prototype, 'write').mockImplementation((name) => {
    throw Object.assign(new Error(name), { code: 'SQLITE_FULL' })
  })
  return () => {
    write.mockRestore()
  }
}
async function reopened(): Promise<void> {
  await agent.close()
  agent = await world.open('device', { product: LARGE, module: conferencing({ size: 'large' }) })
}

describe('declared usage', () => {
  it('R-EVAL-4: may stay or decrease after the evaluation; an increase is refused and recorded', async () => {
    agent.setUsage('HOST', 4)
    await advance(world, agent, 91 * 24 * HOUR)
    agent.setUsage('HOST', 4)
    expect(denied()).toEqual([])
    expect(await inTime(() => agent.setUsage('HOST', 5))).toBe('EVALUATION_EXPIRED')
    expect(denied()).toEqual(['EVALUATION_EXPIRED: use 5 of HOST'])
    agent.setUsage('HOST', 3)
    expect(count(agent)).toBe(3)
  })

  it('of an unknown tag is refused with a list of the tags', () => {
    const tags = conferencingProfile.tags.map(({ tag }) => tag).join(', ')
    const refused = (tag: string) =>
      expect(() => agent.setUsage(tag, 1)).toThrow(
        new LicensingError(
          'UNKNOWN_TAG',
          `The product has no entitlement tag "${tag.slice(0, 64)}". Its tags are ${tags}.`,
        ),
      )
    refused('NOTHING')
    refused('X'.repeat(100))
  })

  it('stays unchanged if it cannot be written', async () => {
    agent.setUsage('HOST', 4)
    const restoreDisk = fullDisk()
    expect(await inTime(() => agent.setUsage('HOST', 9))).toBe('STORE_FULL')
    restoreDisk()
    agent.setUsage('MDC-LARGE', 1)
    expect(count(agent)).toBe(4)
    await agent.module.hosts.assign('ann')
    expect(count(agent)).toBe(5)
  })

  it('is initially the usage in the machine', async () => {
    agent.setUsage('HOST', 4)
    await agent.close()
    const db = new Database(join(world.directory, 'device', 'agent.db'))
    expect(db.prepare("delete from documents where name = 'declared'").run().changes).toBe(1)
    db.close()
    agent = await world.open('device', { product: LARGE, module: conferencing({ size: 'large' }) })
    await agent.module.hosts.assign('ann')
    expect(count(agent)).toBe(5)
  })

  it('is in the history of its hour, also after a restart', async () => {
    agent.setUsage('HOST', 4)
    agent.setUsage('HOST', 1)
    await reopened()
    const [hour] = agent.usage.periods({ by: 'hour', last: 1 }).filter(({ tag }) => tag === 'HOST')
    expect(hour).toMatchObject({ peak: 4 })
  })
})

describe('a refused operation', () => {
  it('is recorded if a rule refused it, but not if it was invalid or failed', async () => {
    expect(await getErrorCode(agent.module.hosts.assign(''))).toBe('INVALID_ARGUMENT')
    const past = { id: 'm', host: 'ann', endsAt: world.clock.wall() - HOUR }
    expect(await getErrorCode(agent.module.meetings.schedule(past))).toBe('INVALID_ARGUMENT')
    await agent.register(await world.token())
    world.network.down = true
    expect(await getErrorCode(agent.module.system.extend())).toBe('CONNECTION_REFUSED')
    expect(denied()).toEqual([])
    world.network.down = false
    expect(await getErrorCode(agent.module.system.extend())).toBe('LICENSES_REQUIRED')
    expect(denied()).toEqual(['LICENSES_REQUIRED: extend the system'])
  })

  it('R-EVAL-4: includes the license of an alternate host who would take over after the evaluation', async () => {
    await advance(world, agent, 90 * 24 * HOUR - HOUR)
    await agent.module.meetings.schedule({ id: 'm', host: 'ann', alternates: ['bob'] })
    await agent.module.meetings.start('m')
    await agent.module.meetings.join('m', 'bob')
    await advance(world, agent, 2 * HOUR)
    expect(agent.status().functionality).toBe('license-management-only')
    await agent.module.meetings.leave('m', 'ann')
    expect(agent.module.meetings.show('m')).toMatchObject({ actingHost: 'ann' })
    expect(agent.module.hosts.list().map(({ user }) => user)).toEqual(['ann'])
  })

  it('R-SYS-3: in a joined data center is one that consumes licenses, not one that releases them', async () => {
    await agent.module.system.joinTo('dc1')
    const refused = await agent.module.hosts.assign('ann').catch((error: unknown) => error)
    expect(refused).toMatchObject({
      code: 'SYSTEM_NOT_ALLOWED',
      message: 'The primary data center dc1 holds the licenses.',
      remedy: 'Run the command at the primary data center.',
    })
    expect(await getErrorCode(agent.module.hosts.deactivate('bob'))).not.toBe('SYSTEM_NOT_ALLOWED')
    await agent.module.system.leave()
    await agent.module.hosts.assign('ann')
  })
})

describe('licenses held before use', () => {
  const XL = 'SYS-XL'
  beforeEach(async () => {
    await agent.register(await world.token())
    await world.authority.orders.create({ tag: XL, quantity: 1 })
  })
  /** Starts an extension that waits for its answer. The returned function lets it continue. */
  async function extending(): Promise<{ done: Promise<unknown>; answer: () => void }> {
    let answer: () => void = () => undefined
    const waits = new Promise<void>((resolve) => (answer = resolve))
    const asked = new Promise<void>((resolve) => {
      world.network.onAnswer = async (_, body) => {
        resolve()
        await waits
        return body
      }
    })
    const done = agent.module.system.extend()
    await asked
    return { done, answer }
  }

  it('R-SYS-2: are counted exactly once when they are used', async () => {
    const counts: number[] = []
    agent.on('state', () => counts.push(count(agent, XL)))
    await agent.module.system.extend()
    expect(Math.max(...counts)).toBe(1)
    expect(count(agent, XL)).toBe(1)
    expect(agent.usage.periods({ by: 'hour', last: 1 }).find(({ tag }) => tag === XL)?.peak).toBe(1)
  })

  it('R-SYS-2: are released after a crash', async () => {
    const { done, answer } = await extending()
    copyDirectory(join(world.directory, 'device'), join(world.directory, 'crashed'))
    answer()
    await done
    const crashed = await world.open('crashed', { product: LARGE, module: conferencing({ size: 'large' }) })
    expect(crashed.module.system.show().extended).toBe(false)
    expect(count(crashed, XL)).toBe(0)
  })

  it('R-SYS-2: are not requested after a temporary write failure', async () => {
    vi.spyOn(AgentStore.prototype, 'write').mockImplementationOnce((name) => {
      throw Object.assign(new Error(name), { code: 'SQLITE_FULL' })
    })
    expect(await getErrorCode(agent.module.system.extend())).toBe('STORE_FULL')
    expect(agent.module.system.show().extended).toBe(false)
    await agent.module.system.extend()
    await reopened()
    expect(agent.module.system.show().extended).toBe(true)
    expect(count(agent, XL)).toBe(1)
  })

  it('R-SYS-2: are not requested if they cannot be written, and the system stays unchanged', async () => {
    const restoreDisk = fullDisk()
    expect(await getErrorCode(agent.module.system.extend())).toBe('STORE_FULL')
    restoreDisk()
    expect(count(agent, XL)).toBe(0)
    agent.setUsage('HOST', 1)
    expect(count(agent, XL)).toBe(0)
    const { done, answer } = await extending()
    // The answer arrives, but the change that it allows cannot be written.
    const write = vi.spyOn(AgentStore.prototype, 'write').mockImplementation(function (
      this: AgentStore,
      name,
    ) {
      if (name === 'conferencing/system') throw Object.assign(new Error(name), { code: 'SQLITE_FULL' })
    })
    answer()
    expect(await getErrorCode(done)).toBe('STORE_FULL')
    write.mockRestore()
    expect(agent.module.system.show().extended).toBe(false)
  })
})

it('R-HOST-2: an operation that cannot be written fails with all others of its transaction', async () => {
  const put = vi.spyOn(AgentStore.prototype, 'write')
  const failing = agent.module.hosts.assign('ann')
  const beside = agent.module.hosts.assign('bob')
  put.mockImplementation((name) => {
    throw Object.assign(new Error(name), { code: 'SQLITE_FULL' })
  })
  expect([await getErrorCode(failing), await getErrorCode(beside)]).toEqual(['STORE_FULL', 'STORE_FULL'])
  put.mockRestore()
  expect(agent.module.hosts.list({ all: true })).toEqual([])
})
