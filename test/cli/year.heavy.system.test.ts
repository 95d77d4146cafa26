import { afterEach, beforeEach, expect } from 'vitest'
import type { Explanation, Status } from '../../src/index.ts'
import { parseError, createPrograms, type Programs } from '../support/programs.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(3)

let programs: Programs
beforeEach(() => {
  programs = createPrograms()
})
afterEach(async () => {
  await programs.close()
})

const DAY = 86_400_000

describe('an agent and its authority as programs', () => {
  it('register, become out of compliance, recover and deregister (R-UI-3, R-REG-1, R-AUTH-2, R-REG-5)', async () => {
    const { agent, good, status, token, order } = programs
    await programs.initAuthority()
    const { url } = await programs.serveAuthority()
    await programs.initDevice(url)
    expect(await status()).toMatchObject({ state: 'evaluation', transport: { kind: 'direct', url } })

    const registered = await good<Status>(agent(['register', await token(), '--json']))
    expect(registered.state).toBe('authorized')

    await order(3)
    const short = await good<Status>(agent(['usage', 'set', 'HOST', '5', '--json']))
    expect(short).toMatchObject({
      state: 'out-of-compliance',
      functionality: 'full',
      entitlements: [{ tag: 'HOST', name: 'Host License', count: 5, status: 'out-of-compliance' }],
    })
    await order(2)
    // The next command, 13 hours later, first runs the due poll.
    const recovered = await good<Status>(agent(['usage', 'set', 'HOST', '5', '--json'], { time: '+13h' }))
    expect(recovered.state).toBe('authorized')

    const before = (await status()).evaluation.remainingSeconds
    const left = await good<Status>(agent(['deregister', '--yes', '--json']))
    expect(left).toMatchObject({ state: 'evaluation', registration: { status: 'unregistered' } })
    expect(left.evaluation.remainingSeconds).toBeLessThanOrEqual(before)
    expect(left.evaluation.remainingSeconds).toBeGreaterThan(before - 300)
    expect(await good(programs.authority(['instance', 'list', '--json']))).toEqual({ instances: [] })
  })

  it('refuse each invalid token with its own code and exit code 1 (R-TOK-4, R-TOK-5)', async () => {
    const { agent, token } = programs
    await programs.initAuthority()
    const { url } = await programs.serveAuthority()
    await programs.initDevice(url)
    await programs.initDevice(url, 'second')
    const revoked = await token()
    await programs.authority(['token', 'revoke', revoked])
    const exhausted = await token('--max-uses', '1')
    await agent(['register', exhausted], { device: 'second' })
    const unknown = `${exhausted.slice(0, -43)}${'A'.repeat(43)}`
    const foreign = `SLT1.${'A'.repeat(11)}.${'B'.repeat(16)}.${'C'.repeat(43)}`
    const expected: [string, string][] = [
      [revoked, 'TOKEN_REVOKED'],
      [exhausted, 'TOKEN_EXHAUSTED'],
      [unknown, 'TOKEN_UNKNOWN'],
      [foreign, 'TOKEN_WRONG_ACCOUNT'],
      ['3901J4FFA0B', 'TOKEN_IS_ACTIVATION_KEY'],
      ['gibberish', 'TOKEN_MALFORMED'],
    ]
    for (const [text, code] of expected) {
      const ended = await agent(['register', text, '--json'])
      expect([ended.code, parseError(ended).code, ended.stdout]).toEqual([1, code, ''])
      expect(ended.stderr).not.toContain(text)
      expect(parseError(ended).remedy).not.toBe('')
    }
  })

  it('refuse a token that has expired by the authority’s clock with TOKEN_EXPIRED (R-TOK-4)', async () => {
    const { agent, token } = programs
    await programs.initAuthority()
    const first = await programs.serveAuthority()
    await programs.initDevice(first.url)
    const expired = await token()
    await first.stop()
    await programs.serveAuthority(first.port, { time: '+31d' })
    expect(parseError(await agent(['register', expired, '--json'])).code).toBe('TOKEN_EXPIRED')
  })

  it('renew after a month, recover from an expired authorization, and end after a year (R-AUTH-1, R-AUTH-3, R-REG-6)', async () => {
    const { agent, good, status, token } = programs
    await programs.initAuthority()
    const first = await programs.serveAuthority()
    await programs.initDevice(first.url)
    await good(agent(['register', await token(), '--json']))
    const before = await status()

    const renewed = await good<Status>(agent(['usage', 'set', 'HOST', '0', '--json'], { time: '+31d' }))
    expect(renewed.authorization.lastAttempt?.outcome).toBe('succeeded')
    expect(Date.parse(renewed.authorization.lastAttempt?.at ?? '')).toBeGreaterThan(
      Date.parse(before.authorization.lastAttempt?.at ?? ''),
    )

    await first.stop()
    const expired = await status({ time: '+130d' })
    expect(expired).toMatchObject({ state: 'auth-expired', registration: { status: 'registered' } })
    const second = await programs.serveAuthority(first.port, { time: '+131d' })
    const back = await good<Status>(agent(['renew', 'authorization', '--json'], { time: '+131d' }))
    expect(back).toMatchObject({
      state: 'authorized',
      registration: { instanceId: before.registration.instanceId },
    })
    await second.stop()

    const over = await status({ time: '+366d' })
    expect(over).toMatchObject({
      state: 'evaluation',
      registration: { status: 'expired', failure: { code: 'REGISTRATION_EXPIRED' } },
      evaluation: { running: true },
    })
    const lost = before.evaluation.remainingSeconds - over.evaluation.remainingSeconds
    expect(lost).toBeLessThan(DAY / 1000)
  })

  it('gain no evaluation time from a clock set back, and report it (R-EVAL-1)', async () => {
    const { status } = programs
    await programs.initAuthority()
    await programs.initDevice('https://localhost:1')
    const before = await status()
    const after = await status({ time: '-10d' })
    expect(after.evaluation.remainingSeconds).toBeLessThan(before.evaluation.remainingSeconds)
    expect(after.clock.trusted).toBe(false)
    expect(after.clock.reason).toMatch(/set back/)
    // A clock set forward costs nothing either, because only time in use counts.
    expect((await status({ time: '+400d' })).state).toBe('evaluation')
  })
})

describe('why', () => {
  it('names the expiry that caused the state, not its consequences (R-UI-3, R-EVAL-4)', async () => {
    await programs.initAuthority()
    const { url } = await programs.serveAuthority()
    await programs.initDevice(url)
    await programs.good(programs.agent(['register', await programs.token(), '--json']))
    const { stdout } = await programs.agent(['why', '--json'], { time: '+366d' })
    const why = JSON.parse(stdout) as Explanation
    expect(why.state).toBe('evaluation')
    expect(why.cause).toMatchObject({ from: 'authorized', label: 'time passed' })
    expect(why.cause?.fact).toMatch(/ID certificate has expired/)
    expect(why.problems).toMatchObject([{ code: 'REGISTRATION_EXPIRED' }])
    expect(why.wouldChange.map(({ event, state }) => [event, state])).toEqual([
      ['registering with a token', 'authorized'],
      ['reserving licenses, for a device that makes no connections', 'reserved'],
      ['using up the evaluation period', 'unregistered'],
    ])
  })
})
