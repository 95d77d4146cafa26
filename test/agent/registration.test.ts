import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DAY, HOUR, SECOND } from '../../src/domain/instant.ts'
import { codeOf, makeWorld, pass, type World } from '../support/world.ts'

let world: World
beforeEach(async () => {
  world = await makeWorld()
})
afterEach(async () => {
  await world.close()
})

describe('registration', () => {
  it('R-REG-1, R-AUTH-2: a box registers with a token, is authorized, and stands in the account by its UDI', async () => {
    const agent = await world.open()
    await world.authority.order({ tag: 'HOST', quantity: 10 })
    agent.report('HOST', 4)
    const status = await agent.register(await world.token())
    expect(status.state).toBe('authorized')
    expect(status.registration).toMatchObject({
      status: 'registered',
      smartAccount: 'acme.example',
      virtualAccount: 'Default',
    })
    expect(await world.authority.instances()).toMatchObject([
      {
        udi: { pid: 'CWMS-K9', serial: 'BOX' },
        entitlements: [{ tag: 'HOST', count: 4, status: 'in-compliance' }],
      },
    ])
  })

  it('R-TOK-4: expired, revoked, exhausted, unknown and foreign tokens are refused, each with its own code', async () => {
    const agent = await world.open()
    const expired = await world.token({ days: 1 })
    const revoked = await world.token()
    const exhausted = await world.token({ maxUses: 1 })
    const other = await makeWorld({ account: 'other.example' })
    const foreign = await other.token()
    await other.close()
    await world.authority.revokeToken(revoked)
    await (await world.open('first')).register(exhausted)
    const unknown = `${exhausted.slice(0, -43)}${'A'.repeat(43)}`
    world.clock.advance(2 * DAY)
    const codes = []
    for (const token of [expired, revoked, exhausted, unknown, foreign])
      codes.push(await codeOf(agent.register(token)))
    expect(codes).toEqual([
      'TOKEN_EXPIRED',
      'TOKEN_REVOKED',
      'TOKEN_EXHAUSTED',
      'TOKEN_UNKNOWN',
      'TOKEN_WRONG_ACCOUNT',
    ])
    expect(agent.status()).toMatchObject({ state: 'evaluation', registration: { status: 'failed' } })
  })

  it('R-AUTH-1, R-AUTH-2: usage is reported within 60 s; too few licences is out of compliance, more mend it', async () => {
    const agent = await world.open()
    await world.authority.order({ tag: 'HOST', quantity: 3 })
    await agent.register(await world.token())
    agent.report('HOST', 5)
    await pass(world, agent, 60 * SECOND)
    const since = agent.status().authorization.since
    expect(agent.status().state).toBe('out-of-compliance')
    await pass(world, agent, 13 * HOUR)
    expect(agent.status().authorization).toMatchObject({ status: 'out-of-compliance', since })
    await world.authority.order({ tag: 'HOST', quantity: 2 })
    await pass(world, agent, 13 * HOUR)
    expect(agent.status().state).toBe('authorized')
  })

  it('R-AUTH-3: 90 days without contact expire the authorization, and one contact mends it', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    world.road.down = true
    for (let day = 0; day < 91; day++) await pass(world, agent, DAY)
    expect(agent.status()).toMatchObject({ state: 'auth-expired', transport: { link: 'down' } })
    expect(agent.history(1000).filter(({ notices }) => notices.includes('COMM_FAILED'))).toHaveLength(1)
    world.road.down = false
    await pass(world, agent, DAY)
    expect(agent.status()).toMatchObject({ state: 'authorized', transport: { link: 'up' } })
    expect(agent.history(1000).filter(({ notices }) => notices.includes('COMM_RESTORED'))).toHaveLength(1)
  })
})
