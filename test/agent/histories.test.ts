import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { SmartAgent } from '../../src/index.ts'
import { Authority } from '../../src/authority/index.ts'
import { DAY, HOUR, MINUTE, SECOND } from '../../src/core/time.ts'
import { VirtualClock } from '../../mocks/testing.ts'
import { Database } from '../support/sqlite.ts'
import {
  getErrorCode,
  createTestEnvironment,
  advance,
  type TestEnvironment,
} from '../support/test-environment.ts'

// Regression tests: late, repeated or reordered answers, wrong clocks, and full disks.
let world: TestEnvironment
beforeEach(async () => {
  world = await createTestEnvironment()
})
afterEach(async () => {
  vi.restoreAllMocks()
  await world.close()
})

const said = (agent: SmartAgent): string[] =>
  agent
    .history(10_000)
    .flatMap(({ notices }) => (JSON.parse(notices) as { notice: string }[]).map(({ notice }) => notice))

/** Makes the database report a full disk. */
function fillDisk() {
  return vi.spyOn(Database.prototype, 'transaction').mockImplementation((() => ({
    immediate: () => {
      throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' })
    },
  })) as never)
}

describe('a device with a wrong clock', () => {
  let clock: VirtualClock
  const both = (milliseconds: number) => {
    world.clock.advance(milliseconds)
    clock.advance(milliseconds)
  }
  const live = async (agent: SmartAgent, milliseconds: number) => {
    both(milliseconds)
    agent.tick()
    await agent.idle()
  }
  /** Returns a registered device whose clock is off by some milliseconds, a day later. */
  const registered = async (off = 0) => {
    clock = new VirtualClock(world.clock.wall() + off)
    const agent = await world.open('device', { clock })
    await agent.register(await world.token())
    await live(agent, DAY)
    return agent
  }

  it.each([3 * SECOND, 10 * MINUTE])(
    'R-REG-6: counts no extra day after a restart with a reset clock, corrected to %d ms behind the authority',
    async (behind) => {
      await (await registered(-behind)).close()
      clock.reboot()
      both(2 * MINUTE)
      const right = clock.wall()
      clock.setWall(0)
      const agent = await world.open('device', { clock })
      expect(agent.status().clock.trusted).toBe(false)
      both(5 * SECOND)
      clock.setWall(right + 5 * SECOND)
      agent.tick()
      expect(agent.status()).toMatchObject({ state: 'authorized', clock: { trusted: true } })
    },
  )

  it('counts no extra day when its clock is set back by a year and corrected while the agent runs', async () => {
    const agent = await registered(-3 * SECOND)
    world.network.down = true
    clock.setWall(clock.wall() - 400 * DAY)
    await live(agent, MINUTE)
    clock.setWall(clock.wall() + 400 * DAY)
    await live(agent, MINUTE)
    expect(agent.status()).toMatchObject({ state: 'authorized', registration: { status: 'registered' } })
  })

  it('R-AUTH-3, R-AUTH-4: still retries and recovers after its clock was far ahead while offline', async () => {
    const agent = await registered()
    world.network.down = true
    clock.setWall(clock.wall() + 100 * DAY)
    for (let i = 0; i < 12; i++) await live(agent, 5 * MINUTE)
    clock.setWall(clock.wall() - 100 * DAY)
    await live(agent, MINUTE)
    expect(agent.status().state).toBe('auth-expired')
    world.network.down = false
    await live(agent, 5 * HOUR)
    expect(agent.status().state).toBe('authorized')
  })

  it('R-AUTH-3: makes a due request immediately after another exchange corrected its clock', async () => {
    const agent = await registered()
    world.network.down = true
    clock.setWall(clock.wall() + 200 * DAY)
    for (let i = 0; i < 30; i++) await live(agent, 5 * MINUTE)
    expect(agent.status().state).toBe('auth-expired')
    world.network.down = false
    await agent.renewRegistration()
    await live(agent, MINUTE)
    expect(agent.status().state).toBe('authorized')
  })

  it('R-AUTH-3: counts the time between two processes in one boot, whatever the wall clock says', async () => {
    await (await registered()).close()
    world.network.down = true
    const stopped = clock.wall()
    both(100 * DAY)
    clock.setWall(stopped)
    const agent = await world.open('device', { clock })
    expect(agent.status()).toMatchObject({ state: 'auth-expired', clock: { trusted: false } })
  })

  it('reports a clock that is a year ahead, and accepts its correction', async () => {
    const agent = await registered(365 * DAY)
    expect(agent.status().clock).toEqual({
      trusted: false,
      reason: expect.stringMatching(/365 days ahead of the authority/) as string,
    })
    clock.setWall(world.clock.wall())
    await live(agent, MINUTE)
    expect(agent.status().clock).toEqual({ trusted: true, reason: null })
  })

  it('R-REG-6: does not renew an expired identity, and holds no licenses with it', async () => {
    const first = await registered()
    await world.authority.orders.create({ tag: 'HOST', quantity: 5 })
    first.setUsage('HOST', 3)
    await live(first, MINUTE)
    await first.close()
    const off = clock.wall()
    clock.reboot(400 * DAY)
    world.clock.advance(400 * DAY)
    expect(await world.authority.instances.list()).toEqual([])
    expect(await world.authority.licenses.list()).toMatchObject([{ tag: 'HOST', inUse: 0 }])
    clock.setWall(off + SECOND)
    const agent = await world.open('device', { clock })
    expect(await getErrorCode(agent.renewRegistration())).toBe('INSTANCE_EXPIRED')
    expect(agent.status()).toMatchObject({ state: 'evaluation', registration: { status: 'failed' } })
    await agent.register(await world.token())
    expect(agent.status().state).toBe('authorized')
  })
})

describe('an unexpected outcome of a request', () => {
  it('R-REG-4: registers when a reregistration is answered just after the old certificate expired', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    world.network.refuse = 'renew'
    const end = Date.parse(agent.status().registration.expiresAt ?? '')
    while (world.clock.wall() < end - DAY) await advance(world, agent, DAY)
    await advance(world, agent, end - 10 * SECOND - world.clock.wall())
    world.network.onAnswer = (type, body) => {
      if (type === 'register') world.clock.advance(15 * SECOND)
      return body
    }
    const token = await world.token()
    await agent.reregister(token, { force: true })
    expect(agent.status()).toMatchObject({ state: 'authorized', registration: { status: 'registered' } })
    await agent.renewAuthorization()
    await agent.deregister()
    expect(await world.authority.instances.list()).toEqual([])
  })

  it('R-REG-2: settles a renewal with a lost answer by the next request', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    for (let day = 0; day < 179; day++) await advance(world, agent, DAY)
    world.network.onAnswer = (type, body) => {
      if (type === 'renew') throw new Error('lost')
      return body
    }
    await advance(world, agent, DAY)
    expect(agent.status().registration.lastRenewal?.outcome).toBe('failed')
    world.network.onAnswer = (_, body) => body
    agent.setUsage('HOST', 0)
    await agent.renewAuthorization()
    await agent.idle()
    const { lastRenewal, expiresAt } = agent.status().registration
    expect(lastRenewal?.outcome).toBe('succeeded')
    expect(Date.parse(expiresAt ?? '') - world.clock.wall()).toBeGreaterThan(364 * DAY)
  })

  it('R-ACC-4: ends registration and license when a repeated renewal reports a removal', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    world.network.refuse = 'renew'
    await expect(agent.renewRegistration()).rejects.toMatchObject({ code: 'CONNECTION_REFUSED' })
    const [instance] = await world.authority.instances.list()
    await world.authority.instances.remove(instance?.id ?? '')
    world.network.refuse = null
    expect(await getErrorCode(agent.renewAuthorization())).toBe('INSTANCE_REMOVED')
    expect(agent.status()).toMatchObject({ state: 'evaluation', registration: { status: 'failed' } })
  })

  it('R-AUTH-2: does not use a decision of three months ago as the current one', async () => {
    const agent = await world.open()
    await world.authority.orders.create({ tag: 'HOST', quantity: 5 })
    agent.setUsage('HOST', 5)
    await agent.register(await world.token())
    for (let day = 0; day < 29; day++) await advance(world, agent, DAY)
    world.network.loseAnswers = true
    await advance(world, agent, DAY)
    world.network.loseAnswers = false
    world.network.down = true
    for (let day = 0; day < 95; day++) await advance(world, agent, DAY)
    world.network.down = false
    const other = await world.open('other')
    other.setUsage('HOST', 3)
    await other.register(await world.token())
    await agent.renewAuthorization()
    const { state, authorization } = agent.status()
    expect(state).toBe('out-of-compliance')
    expect(Date.parse(authorization.deadlineAt ?? '') - world.clock.wall()).toBeGreaterThan(89 * DAY)
  })

  it('R-REG-5: repeats after a crash the deregistration that was decided before', async () => {
    const first = await world.open()
    await first.register(await world.token())
    let arrive: () => void = () => undefined
    const asked = new Promise<void>((heard) => {
      world.network.onAnswer = (type, body) =>
        type === 'deregister'
          ? new Promise((answer) => {
              arrive = () => {
                answer(body)
              }
              heard()
            })
          : body
    })
    await first.deregister({ wait: false })
    void first.idle()
    await asked
    await first.close()
    arrive()
    world.network.onAnswer = (_, body) => body
    const agent = await world.open()
    await agent.idle()
    expect(said(agent)).toContain('AGENT_DEREG_SUCCESS')
    expect(said(agent)).not.toContain('AGENT_DEREG_FAILED')
  })

  it('R-ACC-4: ends the registration when an acknowledgement reports a removal', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    world.network.onAnswer = async (type, body) => {
      const [instance] = await world.authority.instances.list()
      if (type === 'renew' && instance) await world.authority.instances.remove(instance.id)
      return body
    }
    await agent.renewRegistration()
    await agent.idle()
    expect(agent.status()).toMatchObject({
      state: 'evaluation',
      registration: { failure: { code: 'INSTANCE_REMOVED' } },
    })
  })

  it('rejects a waiting renewal when the registration ends first', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    world.network.down = true
    expect(await getErrorCode(agent.renewAuthorization())).toBe('CONNECTION_REFUSED')
    world.network.down = false
    const [instance] = await world.authority.instances.list()
    await world.authority.instances.remove(instance?.id ?? '')
    expect(await getErrorCode(agent.renewRegistration())).toBe('INSTANCE_REMOVED')
    await expect(agent.renewRegistration()).rejects.toMatchObject({
      code: 'NOT_REGISTERED',
      message: expect.stringMatching(/removed at the authority/) as string,
    })
  })

  it('is processed even if a listener throws', async () => {
    const agent = await world.open()
    agent.on('state', () => {
      throw new Error('a bug of the product')
    })
    await agent.register(await world.token())
    expect(agent.status().state).toBe('authorized')
  })
})

describe('a full disk', () => {
  it('R-EVAL-1: delays the charge of evaluation time and loses none', async () => {
    const agent = await world.open()
    await advance(world, agent, DAY)
    const before = agent.status().evaluation.remainingSeconds
    const full = fillDisk()
    for (let day = 0; day < 30; day++) {
      world.clock.advance(DAY)
      expect(() => {
        agent.tick()
      }).toThrow(/disk is full/)
    }
    full.mockRestore()
    await advance(world, agent, MINUTE)
    expect(before - agent.status().evaluation.remainingSeconds).toBe((30 * DAY + MINUTE) / SECOND)
  })

  it('does not end the process at a tick', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'] })
    try {
      const errors: string[] = []
      const quiet = () => undefined
      const logger = { error: (text: string) => errors.push(text), warn: quiet, info: quiet, debug: quiet }
      const agent = await world.open('device', { heartbeat: true, logger })
      agent.setUsage('HOST', 1)
      world.network.down = true
      await agent.register(await world.token(), { wait: false })
      await agent.idle()
      const full = fillDisk()
      vi.advanceTimersByTime(2 * MINUTE)
      expect(errors).toContain('a tick could not be stored')
      full.mockRestore()
    } finally {
      vi.useRealTimers()
    }
  })

  it('leaves a data directory that can be opened later', async () => {
    const device = join(world.directory, 'half')
    mkdirSync(device, { mode: 0o700 })
    writeFileSync(join(device, 'agent.db'), '', { mode: 0o600 })
    expect(await getErrorCode(SmartAgent.open({ dataDir: device }))).toBe('DATA_DIR_MISSING')
    const product = { pid: 'CWMS-K9', serial: '1', version: '4.0' }
    await SmartAgent.init({ dataDir: device, product })
    expect(await getErrorCode(SmartAgent.init({ dataDir: device, product }))).toBe('DATA_DIR_EXISTS')

    const dataDir = join(world.directory, 'half-authority')
    mkdirSync(dataDir, { mode: 0o700 })
    writeFileSync(join(dataDir, 'authority.db'), '', { mode: 0o600 })
    expect(await getErrorCode(Authority.open({ dataDir }))).toBe('DATA_DIR_MISSING')
    const made = { dataDir, account: 'acme.example', acceptAgreement: true }
    await Authority.init(made)
    expect(await getErrorCode(Authority.init(made))).toBe('DATA_DIR_EXISTS')
  })
})

describe('after the authority ended a registration', () => {
  const registrations = () => world.network.sent.filter(({ type }) => type === 'register')

  it('R-TOK-2: a replayed registration request changes nothing', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    await agent.reregister(await world.token(), { force: true })
    const captured = registrations().at(-1)?.body ?? ''
    await agent.reregister(await world.token(), { force: true })
    const before = [
      await world.authority.instances.list(),
      (await world.authority.tokens.list()).map(({ uses }) => uses),
    ]
    await world.authority.operations.endpoint.handle('register', JSON.parse(captured))
    expect([
      await world.authority.instances.list(),
      (await world.authority.tokens.list()).map(({ uses }) => uses),
    ]).toEqual(before)
    await agent.renewAuthorization()
    expect(agent.status().state).toBe('authorized')
  })

  it('R-REG-5: a replayed registration request does not register a deregistered device', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    const captured = registrations().at(-1)?.body ?? ''
    await agent.deregister()
    await world.authority.operations.endpoint.handle('register', JSON.parse(captured))
    expect(await world.authority.instances.list()).toEqual([])
    await agent.register(await world.token())
    expect(agent.status().state).toBe('authorized')
  })

  it('R-ACC-4: a removed instance does not get its last answer again', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    world.network.loseAnswers = true
    expect(await getErrorCode(agent.renewAuthorization())).toBe('CONNECTION_RESET')
    world.network.loseAnswers = false
    const [instance] = await world.authority.instances.list()
    await world.authority.instances.remove(instance?.id ?? '')
    expect(await getErrorCode(agent.renewAuthorization())).toBe('INSTANCE_REMOVED')
    expect(agent.status().state).toBe('evaluation')
  })

  it('R-TOK-2: a repeated registration with another token uses the virtual account of that token', async () => {
    await world.authority.accounts.addVirtualAccount('Labs')
    const agent = await world.open()
    world.network.loseAnswers = true
    expect(await getErrorCode(agent.register(await world.token()))).toBe('CONNECTION_RESET')
    world.network.loseAnswers = false
    await agent.register(await world.token({ virtualAccount: 'Labs', exportControlled: true }))
    expect(agent.status().registration).toMatchObject({ virtualAccount: 'Labs', exportControlled: true })
    expect(await world.authority.instances.list()).toHaveLength(1)
  })

  it('R-ACC-1: an empty virtual account can be removed', async () => {
    await world.authority.accounts.addVirtualAccount('Labs')
    const agent = await world.open()
    const token = await world.token({ virtualAccount: 'Labs' })
    await agent.register(token)
    expect(await getErrorCode(world.authority.accounts.removeVirtualAccount('Labs'))).toBe(
      'VIRTUAL_ACCOUNT_IN_USE',
    )
    await agent.deregister()
    await world.authority.tokens.revoke(token)
    await world.authority.accounts.removeVirtualAccount('Labs')
    expect((await world.authority.accounts.listVirtualAccounts()).map(({ name }) => name)).toEqual([
      'Default',
    ])
  })

  it('an unknown tag is reported and creates no pool', async () => {
    const profile = { name: 'other', tags: [{ tag: 'STRANGE', name: 'Strange', description: '' }] }
    const agent = await world.open('device', { profile })
    agent.setUsage('STRANGE', 2)
    await agent.register(await world.token())
    expect(agent.status()).toMatchObject({
      state: 'out-of-compliance',
      entitlements: [{ tag: 'STRANGE', status: 'invalid-tag' }],
    })
    expect(said(agent)).toContain('INVALID_TAG')
    expect(await world.authority.licenses.list()).toEqual([])
  })
})

it('R-EVAL-1: the evaluation warns before its end also while the first authorization is retried', async () => {
  const agent = await world.open()
  world.network.refuse = 'authorize'
  expect(await getErrorCode(agent.register(await world.token()))).toBe('CONNECTION_REFUSED')
  for (let day = 0; day < 91; day++) await advance(world, agent, DAY)
  expect(said(agent).filter((notice) => notice.startsWith('EVAL_EXPIRED'))).toEqual([
    ...Array.from({ length: 5 }, () => 'EVAL_EXPIRED_WARNING'),
    'EVAL_EXPIRED',
  ])
})

it('a canceled registration deletes its token from the device', async () => {
  const agent = await world.open()
  world.network.down = true
  expect(await getErrorCode(agent.register(await world.token()))).toBe('CONNECTION_REFUSED')
  const secrets = () => readdirSync(join(world.directory, 'device', 'secrets'))
  expect(secrets()).toHaveLength(2)
  await agent.deregister()
  expect(secrets()).toEqual([])
})
