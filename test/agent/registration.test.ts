import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DAY, HOUR, MINUTE, SECOND } from '../../src/core/time.ts'
import {
  getErrorCode,
  createTestEnvironment,
  advance,
  type TestEnvironment,
} from '../support/test-environment.ts'

let world: TestEnvironment
beforeEach(async () => {
  world = await createTestEnvironment()
})
afterEach(async () => {
  await world.close()
})

describe('a device', () => {
  it('R-REG-1, R-AUTH-2: registers with a token, is authorized, and is listed in its account by its UDI', async () => {
    const agent = await world.open()
    await world.authority.orders.create({ tag: 'HOST', quantity: 10 })
    agent.setUsage('HOST', 4)
    const status = await agent.register(await world.token())
    expect(status.state).toBe('authorized')
    expect(status.registration).toMatchObject({
      status: 'registered',
      smartAccount: 'acme.example',
      virtualAccount: 'Default',
    })
    expect(await world.authority.instances.list()).toMatchObject([
      {
        udi: { pid: 'CWMS-K9', serial: 'DEVICE' },
        entitlements: [{ tag: 'HOST', count: 4, status: 'in-compliance' }],
      },
    ])
  })

  it('R-TOK-4: is refused with expired, revoked, exhausted, unknown and foreign tokens, by distinct codes', async () => {
    const agent = await world.open()
    const expired = await world.token({ days: 1 })
    const revoked = await world.token()
    const exhausted = await world.token({ maxUses: 1 })
    const other = await createTestEnvironment({ account: 'other.example' })
    const foreign = await other.token()
    await other.close()
    await world.authority.tokens.revoke(revoked)
    await (await world.open('first')).register(exhausted)
    const unknown = `${exhausted.slice(0, -43)}${'A'.repeat(43)}`
    world.clock.advance(2 * DAY)
    const codes = []
    for (const token of [expired, revoked, exhausted, unknown, foreign])
      codes.push(await getErrorCode(agent.register(token)))
    expect(codes).toEqual([
      'TOKEN_EXPIRED',
      'TOKEN_REVOKED',
      'TOKEN_EXHAUSTED',
      'TOKEN_UNKNOWN',
      'TOKEN_WRONG_ACCOUNT',
    ])
    expect(agent.status()).toMatchObject({ state: 'evaluation', registration: { status: 'failed' } })
  })

  it('R-AUTH-1, R-AUTH-2: reports usage within 60 s, is out of compliance with too few licenses, and recovers with more', async () => {
    const agent = await world.open()
    await world.authority.orders.create({ tag: 'HOST', quantity: 3 })
    await agent.register(await world.token())
    agent.setUsage('HOST', 5)
    await advance(world, agent, 60 * SECOND)
    const since = agent.status().authorization.since
    expect(agent.status().state).toBe('out-of-compliance')
    await advance(world, agent, 13 * HOUR)
    expect(agent.status().authorization).toMatchObject({ status: 'out-of-compliance', since })
    await world.authority.orders.create({ tag: 'HOST', quantity: 2 })
    await advance(world, agent, 13 * HOUR)
    expect(agent.status().state).toBe('authorized')
  })

  it('R-AUTH-3: loses the authorization after 90 days without contact, and restores it by one contact', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    world.network.down = true
    for (let day = 0; day < 91; day++) await advance(world, agent, DAY)
    expect(agent.status()).toMatchObject({ state: 'auth-expired', transport: { link: 'down' } })
    expect(agent.history(1000).filter(({ notices }) => notices.includes('COMM_FAILED'))).toHaveLength(1)
    world.network.down = false
    await advance(world, agent, DAY)
    expect(agent.status()).toMatchObject({ state: 'authorized', transport: { link: 'up' } })
    expect(agent.history(1000).filter(({ notices }) => notices.includes('COMM_RESTORED'))).toHaveLength(1)
  })
})

describe('a registered device', () => {
  it('R-REG-2: has a certificate for a year and renews it every 180 days', async () => {
    const agent = await world.open()
    const start = world.clock.wall()
    await agent.register(await world.token())
    const days = (at: string | null) => (Date.parse(at ?? '') - start) / DAY
    expect(days(agent.status().registration.nextRenewalAt)).toBe(180)
    // The authority dates its certificates five minutes back.
    expect(days(agent.status().registration.expiresAt)).toBeCloseTo(365 - 5 / 1440, 6)
    for (let day = 0; day < 181; day++) await advance(world, agent, DAY)
    const { lastRenewal, expiresAt, instanceId } = agent.status().registration
    expect(lastRenewal).toMatchObject({ outcome: 'succeeded' })
    expect(days(expiresAt)).toBeGreaterThan(540)
    expect((await world.authority.instances.list())[0]?.id).toBe(instanceId)
    for (let day = 0; day < 600; day++) await advance(world, agent, DAY)
    expect(agent.status().registration.status).toBe('registered')
  })

  it('R-REG-2, R-AUTH-1: renews registration and authorization on request', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    const before = agent.status()
    await advance(world, agent, 10 * DAY)
    const renewed = await agent.renewRegistration()
    expect(Date.parse(renewed.registration.expiresAt ?? '')).toBe(
      Date.parse(before.registration.expiresAt ?? '') + 10 * DAY,
    )
    const authorized = await agent.renewAuthorization()
    expect(Date.parse(authorized.authorization.deadlineAt ?? '')).toBe(
      Date.parse(before.authorization.deadlineAt ?? '') + 10 * DAY,
    )
    expect(authorized.authorization.since).toBe(before.authorization.since)
  })

  it('R-REG-2: can renew, and an unregistered one cannot', async () => {
    const agent = await world.open()
    expect(await getErrorCode(agent.renewRegistration())).toBe('NOT_REGISTERED')
    expect(await getErrorCode(agent.renewAuthorization())).toBe('NOT_REGISTERED')
    expect(await getErrorCode(agent.deregister())).toBe('NOT_REGISTERED')
    expect(world.network.sent).toEqual([])
  })

  it('R-REG-3: is registered once; overwriting replaces the instance, and the old device learns of it', async () => {
    const product = { pid: 'CWMS-K9', version: '4.0', serial: 'SAME' }
    const old = await world.open('old', { product })
    const fresh = await world.open('new', { product })
    await old.register(await world.token())
    expect(await getErrorCode(fresh.register(await world.token()))).toBe('INSTANCE_ALREADY_REGISTERED')
    expect(fresh.status()).toMatchObject({ state: 'evaluation', registration: { status: 'failed' } })
    await fresh.register(await world.token(), { force: true })
    expect(fresh.status().state).toBe('authorized')
    expect(await world.authority.instances.list()).toHaveLength(1)
    expect(await getErrorCode(old.renewAuthorization())).toBe('INSTANCE_REPLACED')
    expect(old.status()).toMatchObject({
      state: 'evaluation',
      registration: { status: 'failed', failure: { code: 'INSTANCE_REPLACED' } },
    })
  })

  it('R-REG-3: immediately refuses to register without force', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    const sent = world.network.sent.length
    expect(await getErrorCode(agent.register(await world.token()))).toBe('ALREADY_REGISTERED')
    expect(world.network.sent).toHaveLength(sent)
    expect(agent.status().state).toBe('authorized')
  })

  it('R-REG-4: moves with a new token to another virtual account, and keeps its usage', async () => {
    const agent = await world.open()
    await world.authority.orders.create({ tag: 'HOST', quantity: 5 })
    agent.setUsage('HOST', 5)
    await agent.register(await world.token())
    await world.authority.accounts.addVirtualAccount('Branch')
    await world.authority.orders.create({ tag: 'HOST', quantity: 9, virtualAccount: 'Branch' })
    const token = await world.token({ virtualAccount: 'Branch' })
    // Planning guide: without "overwrite", an existing instance is an error.
    expect(await getErrorCode(agent.reregister(token))).toBe('INSTANCE_ALREADY_REGISTERED')
    expect(agent.status()).toMatchObject({ state: 'authorized', registration: { virtualAccount: 'Default' } })
    const status = await agent.reregister(token, { force: true })
    expect(status).toMatchObject({
      state: 'authorized',
      registration: { virtualAccount: 'Branch' },
      entitlements: [{ tag: 'HOST', count: 5, status: 'in-compliance' }],
    })
    const licenses = await world.authority.licenses.list()
    expect(licenses.map(({ virtualAccount, inUse }) => [virtualAccount, inUse]).sort()).toEqual([
      ['Branch', 5],
      ['Default', 0],
    ])
    expect(await world.authority.instances.list()).toHaveLength(1)
  })

  it('R-REG-4: keeps the previous registration after a refused reregistration', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    const before = agent.status().registration.instanceId
    const revoked = await world.token()
    await world.authority.tokens.revoke(revoked)
    expect(await getErrorCode(agent.reregister(revoked))).toBe('TOKEN_REVOKED')
    expect(agent.status()).toMatchObject({ state: 'authorized', registration: { instanceId: before } })
    await agent.renewAuthorization()
  })

  it('R-REG-5: releases all licenses when it deregisters', async () => {
    const agent = await world.open()
    await world.authority.orders.create({ tag: 'HOST', quantity: 5 })
    agent.setUsage('HOST', 5)
    await agent.register(await world.token())
    await agent.deregister()
    expect(agent.status()).toMatchObject({
      state: 'evaluation',
      registration: { status: 'unregistered', instanceId: null, exportControlled: false },
    })
    expect(await world.authority.instances.list()).toEqual([])
    expect(await world.authority.licenses.list()).toMatchObject([{ inUse: 0 }])
  })

  it('R-REG-5: deregisters locally and reports it when the authority is unreachable', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    world.network.down = true
    expect(await getErrorCode(agent.deregister())).toBe('CONNECTION_REFUSED')
    expect(agent.status()).toMatchObject({ state: 'evaluation', registration: { status: 'unregistered' } })
    expect(agent.history().some(({ notices }) => notices.includes('AGENT_DEREG_FAILED'))).toBe(true)
    // An administrator removes the stale instance at the authority, or it is overwritten.
    world.network.down = false
    expect(await getErrorCode(agent.register(await world.token()))).toBe('INSTANCE_ALREADY_REGISTERED')
    expect((await agent.register(await world.token(), { force: true })).state).toBe('authorized')
  })

  it('R-REG-6: loses the registration without a renewal within a year, and continues its evaluation', async () => {
    const agent = await world.open()
    await advance(world, agent, DAY)
    await agent.register(await world.token())
    const left = agent.status().evaluation.remainingSeconds
    world.network.down = true
    for (let day = 0; day < 365; day++) await advance(world, agent, DAY)
    expect(agent.status()).toMatchObject({
      state: 'evaluation',
      registration: { status: 'expired', failure: { code: 'REGISTRATION_EXPIRED' } },
    })
    expect(agent.status().evaluation.remainingSeconds).toBeLessThanOrEqual(left)
    expect(agent.status().evaluation.remainingSeconds).toBeGreaterThan(left - 86_401)
    world.network.down = false
    expect((await agent.register(await world.token(), { force: true })).state).toBe('authorized')
  })

  it('R-REG-1: has a UDI that is unique in its smart account, but not across accounts', async () => {
    const other = await createTestEnvironment({ account: 'other.example' })
    const product = { pid: 'CWMS-K9', version: '4.0', serial: 'SAME' }
    await (await world.open('a', { product })).register(await world.token())
    await (await other.open('a', { product })).register(await other.token())
    expect(await other.authority.instances.list()).toHaveLength(1)
    await other.close()
  })

  it('gets export control from the token, until the registration ends', async () => {
    const agent = await world.open()
    await agent.register(await world.token({ exportControlled: true }))
    expect(agent.status().registration.exportControlled).toBe(true)
    await agent.reregister(await world.token({ exportControlled: false }), { force: true })
    expect(agent.status().registration.exportControlled).toBe(false)
    await agent.deregister()
    expect(agent.status().registration.exportControlled).toBe(false)
  })

  it('retries an unanswered registration as the same registration', async () => {
    const agent = await world.open()
    const token = await world.token({ maxUses: 1 })
    world.network.loseAnswers = true
    expect(await getErrorCode(agent.register(token))).toBe('CONNECTION_RESET')
    expect(agent.status().registration.status).toBe('retrying')
    expect(await getErrorCode(agent.register(token))).toBe('CONNECTION_RESET')
    world.network.loseAnswers = false
    await advance(world, agent, HOUR)
    expect(agent.status().state).toBe('authorized')
    expect(await world.authority.tokens.list()).toMatchObject([{ uses: 1 }])
    expect(await world.authority.instances.list()).toHaveLength(1)
  })

  it('can cancel a registration attempt that waits for a retry', async () => {
    const agent = await world.open()
    world.network.down = true
    await getErrorCode(agent.register(await world.token()))
    expect((await agent.deregister()).registration.status).toBe('unregistered')
    world.network.down = false
    await advance(world, agent, DAY)
    expect(agent.status().registration.status).toBe('unregistered')
    expect(await world.authority.instances.list()).toEqual([])
  })
})

describe('a registration token', () => {
  it('R-TOK-1, R-TOK-3: has a description, expiry, uses and export control, which are stored, listed and checked', async () => {
    const made = await world.authority.tokens.create({
      days: 10,
      maxUses: 3,
      description: 'for the branch',
      exportControlled: true,
    })
    expect(await world.authority.tokens.list()).toMatchObject([
      {
        token: made.token,
        description: 'for the branch',
        maxUses: 3,
        uses: 0,
        exportControlled: true,
        status: 'valid',
        expiresAt: new Date(world.clock.wall() + 10 * DAY).toISOString(),
      },
    ])
    for (const wrong of [
      { days: 0 },
      { days: 366 },
      { days: 1.5 },
      { days: 1, maxUses: 0 },
      { days: 1, maxUses: 4001 },
      { days: 1, description: 'a\nb' },
    ])
      expect(await getErrorCode(world.authority.tokens.create(wrong))).toBe('INVALID_ARGUMENT')
    expect(await world.authority.tokens.list()).toHaveLength(1)
  })

  it('R-TOK-2: registers several devices, which stay registered after its revocation', async () => {
    const token = await world.token()
    const first = await world.open('first')
    const second = await world.open('second')
    await first.register(token)
    await second.register(token)
    await world.authority.tokens.revoke(token)
    expect(await world.authority.tokens.list()).toMatchObject([{ uses: 2, status: 'revoked' }])
    await first.renewAuthorization()
    await second.renewRegistration()
    expect(await getErrorCode((await world.open('third')).register(token))).toBe('TOKEN_REVOKED')
  })

  it('R-TOK-5: is distinguished from an activation key or license file, which are refused with a remedy', async () => {
    const agent = await world.open()
    const pak = await agent.register('3901J4FFA0B').catch((error: unknown) => error)
    expect(pak).toMatchObject({ code: 'TOKEN_IS_ACTIVATION_KEY' })
    expect((pak as { remedy: string }).remedy).toMatch(/token/)
    expect(
      await getErrorCode(
        agent.register('INCREMENT CWMS cisco 4.0 permanent 50 VENDOR_STRING=x HOSTID=ANY SIGN="ABCD"'),
      ),
    ).toBe('TOKEN_IS_LICENSE_FILE')
    expect(world.network.sent).toEqual([])
    expect(agent.status().registration.status).toBe('unregistered')
  })

  it('R-TOK-4: is refused without a request if malformed', async () => {
    const agent = await world.open()
    for (const text of ['', '   ', 'hello', 'SLT1.a.b', `${await world.token()}x`])
      expect(['TOKEN_MALFORMED', 'TOKEN_MISSING']).toContain(await getErrorCode(agent.register(text)))
    expect(world.network.sent).toEqual([])
  })

  it('is accepted with line breaks from an e-mail', async () => {
    const token = await world.token()
    const agent = await world.open()
    await agent.register(`  ${token.slice(0, 30)}\n${token.slice(30)}\r\n`)
    expect(agent.status().state).toBe('authorized')
  })

  it('is deleted after a final outcome, and its secret is never sent', async () => {
    const agent = await world.open()
    const token = await world.token()
    await agent.register(token)
    const secret = token.split('.').at(-1) ?? ''
    expect(
      world.network.sent
        .map(({ body }) => Buffer.from(JSON.parse(body).payload, 'base64url').toString())
        .join(),
    ).not.toContain(secret)
    const files = readdirSync(join(world.directory, 'device'), { recursive: true, withFileTypes: true })
    for (const file of files.filter((one) => one.isFile())) {
      expect(readFileSync(join(file.parentPath, file.name)).includes(secret)).toBe(false)
    }
  })
})

describe('a license pool', () => {
  it('R-ACC-1, R-ACC-2: belongs to a virtual account and serves all its instances', async () => {
    await world.authority.accounts.addVirtualAccount('Branch')
    await world.authority.orders.create({ tag: 'HOST', quantity: 10 })
    const [a, b, c] = [await world.open('a'), await world.open('b'), await world.open('c')]
    a.setUsage('HOST', 6)
    b.setUsage('HOST', 4)
    c.setUsage('HOST', 1)
    await a.register(await world.token())
    await b.register(await world.token())
    await c.register(await world.token({ virtualAccount: 'Branch' }))
    expect([a.status().state, b.status().state, c.status().state]).toEqual([
      'authorized',
      'authorized',
      'out-of-compliance',
    ])
    expect(await world.authority.accounts.listVirtualAccounts()).toMatchObject([
      { name: 'Branch', isDefault: false },
      { name: 'Default', isDefault: true },
    ])
    await world.authority.accounts.setDefaultVirtualAccount('Branch')
    expect(await getErrorCode(world.authority.accounts.removeVirtualAccount('Branch'))).toBe(
      'VIRTUAL_ACCOUNT_IS_DEFAULT',
    )
    expect(await getErrorCode(world.authority.accounts.removeVirtualAccount('Default'))).toBe(
      'VIRTUAL_ACCOUNT_IN_USE',
    )
  })

  it('R-ACC-2: is out of compliance for all instances until fewer licenses are used or more are bought', async () => {
    await world.authority.orders.create({ tag: 'HOST', quantity: 10 })
    const [a, b] = [await world.open('a'), await world.open('b')]
    a.setUsage('HOST', 8)
    await a.register(await world.token())
    b.setUsage('HOST', 8)
    await b.register(await world.token())
    await a.renewAuthorization()
    expect([a.status().state, b.status().state]).toEqual(['out-of-compliance', 'out-of-compliance'])
    b.setUsage('HOST', 2)
    await advance(world, b, MINUTE)
    expect(b.status().state).toBe('authorized')
    await advance(world, a, 12 * HOUR)
    expect(a.status().state).toBe('authorized')
  })

  it('R-ACC-4: gets the licenses of a removed instance back, whose device learns of it at the next contact', async () => {
    const agent = await world.open()
    await world.authority.orders.create({ tag: 'HOST', quantity: 5 })
    agent.setUsage('HOST', 5)
    await agent.register(await world.token())
    const [instance] = await world.authority.instances.list()
    await world.authority.instances.remove(instance?.id ?? '')
    expect(await world.authority.licenses.list()).toMatchObject([{ inUse: 0 }])
    await advance(world, agent, 30 * DAY)
    expect(agent.status()).toMatchObject({
      state: 'evaluation',
      registration: { status: 'failed', failure: { code: 'INSTANCE_REMOVED' } },
    })
  })

  it('R-AUTH-2: counts a term license until its end', async () => {
    const agent = await world.open()
    await world.authority.orders.create({ tag: 'HOST', quantity: 5, termDays: 60 })
    agent.setUsage('HOST', 5)
    await agent.register(await world.token())
    await advance(world, agent, 45 * DAY)
    expect(agent.status().state).toBe('authorized')
    await advance(world, agent, 30 * DAY)
    expect(agent.status().state).toBe('out-of-compliance')
  })
})

describe('an agent', () => {
  it('R-AUTH-1: collects changes of usage and reports them once within a minute', async () => {
    const agent = await world.open()
    await world.authority.orders.create({ tag: 'HOST', quantity: 100 })
    await agent.register(await world.token())
    const sent = world.network.sent.length
    for (let count = 1; count <= 50; count++) agent.setUsage('HOST', count)
    await agent.idle()
    expect(world.network.sent).toHaveLength(sent)
    await advance(world, agent, MINUTE)
    expect(world.network.sent).toHaveLength(sent + 1)
    expect(await world.authority.licenses.list()).toMatchObject([{ inUse: 50 }])
    agent.setUsage('HOST', 50)
    await advance(world, agent, MINUTE)
    expect(world.network.sent).toHaveLength(sent + 1)
  })

  it('does not request authorization for a count of 0', async () => {
    const agent = await world.open()
    agent.setUsage('HOST', 0)
    expect(agent.status().entitlements).toMatchObject([{ tag: 'HOST', name: null, status: 'not-in-use' }])
    await agent.register(await world.token())
    expect(agent.status().state).toBe('authorized')
  })

  it('refuses bad input with a reason, and changes nothing', async () => {
    const agent = await world.open()
    agent.setUsage('HOST', 3)
    const before = JSON.stringify(agent.status())
    for (const count of [-1, 1.5, Number.NaN, Infinity, 2 ** 53])
      expect(() => {
        agent.setUsage('HOST', count)
      }).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error)
    expect(() => {
      agent.setUsage('NO-SUCH-TAG', 1)
    }).toThrow(expect.objectContaining({ code: 'UNKNOWN_TAG' }) as Error)
    for (const url of [
      'http://a.example',
      'ftp://a.example',
      'https://',
      'https://u:p@a.example',
      'nonsense',
    ])
      expect(() => agent.transport.set({ kind: 'direct', url })).toThrow(
        expect.objectContaining({ code: 'TRANSPORT_URL_INVALID' }) as Error,
      )
    expect(await getErrorCode(agent.trust.install('not a certificate'))).toBe('TRUST_ANCHOR_INVALID')
    expect(JSON.stringify(agent.status())).toBe(before)
  })

  it('R-UI-3: explains its state, functionality, next events and possible changes', async () => {
    const agent = await world.open()
    await world.authority.orders.create({ tag: 'HOST', quantity: 1 })
    await agent.register(await world.token())
    agent.setUsage('HOST', 2)
    await advance(world, agent, MINUTE)
    const why = agent.explain()
    expect(why.state).toBe('out-of-compliance')
    expect(why.cause).toMatchObject({
      at: new Date(world.clock.wall()).toISOString(),
      event: 'authorize.accepted',
      from: 'authorized',
    })
    expect(why.next.map(({ what }) => what)).toEqual([
      'the authorization is renewed',
      'the authorization expires unless the authority is reached before then',
      'the registration is renewed',
      'the registration expires unless it is renewed before then',
    ])
    expect(why.wouldChange.map(({ state }) => state)).toEqual([
      'authorized',
      'evaluation',
      'evaluation',
      'auth-expired',
      'evaluation',
    ])
    expect(why.problems).toEqual([])
  })
})
