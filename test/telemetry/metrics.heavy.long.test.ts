import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import { errorTable } from '../../src/core/errors.ts'
import type { Status } from '../../src/index.ts'
import { Authority } from '../../src/authority/index.ts'
import { DAY } from '../../src/core/time.ts'
import { AgentMetrics } from '../../src/telemetry/agent-metrics.ts'
import { AuthorityMetrics } from '../../src/telemetry/authority-metrics.ts'
import { createPrograms, type Programs } from '../support/programs.ts'
import { parseMetrics, findValue } from '../support/prometheus.ts'
import { createTestEnvironment, advance, type TestEnvironment } from '../support/test-environment.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(2)

const scrape = async (url: string) => {
  const answer = await fetch(`${url}/metrics`)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  const text = await answer.text()
  return { text, ...parseMetrics(text) }
}

describe('the metrics of both programs', () => {
  let programs: Programs
  beforeEach(() => {
    programs = createPrograms()
  })
  afterEach(async () => {
    await programs.close()
  })

  it('have the Prometheus format, count events, report current values, and contain no secret', async () => {
    const { agent, good, dataDir, serve } = programs
    await programs.initAuthority()
    const server = await serve('smart-authority', [
      '--data-dir',
      dataDir('authority'),
      'serve',
      '--json',
      '--listen',
      '127.0.0.1:0',
      '--metrics',
      '0',
    ])
    const { listening, metrics } = JSON.parse(server.line) as { listening: string; metrics: string }
    expect(metrics).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    await programs.initDevice(listening)
    await programs.order(3)
    const daemon = programs.start('smart-agent', ['--data-dir', dataDir(), 'run', '--json', '--metrics', '0'])
    let said = ''
    daemon.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text))
    while (!said.endsWith('}\n')) await new Promise((resolve) => setImmediate(resolve))
    const deviceMetrics = (JSON.parse(said) as { metrics: string }).metrics

    const token = await programs.token()
    await good<Status>(agent(['register', token, '--json']))
    await good(agent(['usage', 'set', 'HOST', '5', '--json']))
    await good(agent(['renew', 'authorization', '--json']))
    await agent(['register', `${token.slice(0, -43)}${'A'.repeat(43)}`, '--force', '--json'])

    const there = await scrape(metrics)
    const value = (name: string, labels: Record<string, string> = {}) =>
      findValue(there.samples, `smart_authority_${name}`, labels)
    expect(value('exchanges_total', { type: 'register', outcome: 'accepted', code: '' })).toBe(1)
    expect(value('exchanges_total', { type: 'authorize', outcome: 'accepted' })).toBeGreaterThanOrEqual(1)
    expect(value('exchange_duration_seconds_count', { type: 'register' })).toBeGreaterThanOrEqual(1)
    expect(value('transaction_duration_seconds_count')).toBeGreaterThan(3)
    expect(value('instances', { status: 'active' })).toBe(1)
    const pool = { account: 'acme.example', virtual_account: 'Default', tag: 'HOST' }
    expect([
      value('licenses_owned', pool),
      value('licenses_in_use', pool),
      value('licenses_reserved', pool),
    ]).toEqual([3, 5, 0])
    expect(value('alerts', { severity: 'major' })).toBe(1)
    for (const kind of ['mail', 'webhook']) expect(value('deliveries_waiting', { kind })).toBe(0)
    for (const certificate of ['root', 'issuing-ca', 'answer-signer', 'tls'])
      expect(value('certificate_remaining_seconds', { certificate })).toBeGreaterThan(DAY / 1000)
    expect([value('ready'), value('database_up'), value('connections_limit')]).toEqual([1, 1, 20_000])
    expect(findValue(there.samples, 'process_resident_memory_bytes')).toBeGreaterThan(0)

    const here = await scrape(deviceMetrics)
    const own = (name: string, labels: Record<string, string> = {}) =>
      findValue(here.samples, `smart_agent_${name}`, labels)
    expect(own('state', { state: 'out-of-compliance' })).toBe(1)
    expect(own('state', { state: 'evaluation' })).toBe(0)
    expect(own('authorization_remaining_seconds')).toBeGreaterThan((89 * DAY) / 1000)
    expect(own('registration_remaining_seconds')).toBeGreaterThan((360 * DAY) / 1000)
    expect(own('evaluation_remaining_seconds')).toBeGreaterThan(0)
    expect(own('entitlement_count', { tag: 'HOST' })).toBe(5)
    expect(own('entitlement_status', { tag: 'HOST', status: 'out-of-compliance' })).toBe(1)
    expect(own('requests_total', { kind: 'register', outcome: 'accepted', code: '' })).toBe(1)
    expect(own('link', { link: 'up' })).toBe(1)
    expect([own('ready'), own('clock_trusted'), own('fully_functional')]).toEqual([1, 1, 1])

    for (const { types, text } of [there, here]) {
      for (const [name, type] of [...types].filter(([one]) => one.startsWith('smart_')))
        if (type === 'counter') expect(name).toMatch(/_total$/)
        else expect(name).not.toMatch(/_total$/)
      expect(text).not.toContain(token.split('.').at(-1))
      expect(text).not.toMatch(/SLT1|PRIVATE KEY|password/i)
    }
    // Each alert rule uses existing metrics.
    const rules = readFileSync(new URL('../../deploy/prometheus/alerts.yml', import.meta.url), 'utf8')
    const names = new Set([...there.types.keys(), ...here.types.keys()])
    const asked = [...rules.matchAll(/smart_(?:authority|agent)_\w+/g)].map(([name]) => name)
    expect(asked.length).toBeGreaterThan(15)
    expect(asked.map((name) => name.replace(/_bucket$/, '')).filter((name) => !names.has(name))).toEqual([])
    // The alert for internal failures covers all their codes.
    const inside = new RegExp(`^(?:${/code=~"([^"]+)"/.exec(rules)?.[1] ?? ''})$`)
    const codes = Object.keys(errorTable).filter((code) => /^(?:INTERNAL$|STORE_|DATABASE_)/.test(code))
    expect(codes.filter((code) => !inside.test(code))).toEqual([])
    daemon.kill('SIGTERM')
    await new Promise((resolve) => daemon.once('close', resolve))
    expect(daemon.exitCode).toBe(0)
  })

  it('are off by default, and listen on the loopback address unless a host is given', async () => {
    await programs.initAuthority()
    const { dataDir, serve, run } = programs
    const words = ['--data-dir', dataDir('authority'), 'serve', '--json', '--listen', '127.0.0.1:0']
    const without = await serve('smart-authority', words)
    expect(JSON.parse(without.line)).not.toHaveProperty('metrics')
    await without.stop()
    const everywhere = await serve('smart-authority', [...words, '--metrics', '0.0.0.0:0'])
    expect((JSON.parse(everywhere.line) as { metrics: string }).metrics).toMatch(/^http:\/\/0\.0\.0\.0:/)
    // The service files and the container use existing options.
    for (const [file, program] of [
      ['systemd/smart-authority.service', 'smart-authority'],
      ['systemd/smart-agent.service', 'smart-agent'],
      ['container/Containerfile', 'smart-authority'],
    ] as const) {
      const text = readFileSync(new URL(`../../deploy/${file}`, import.meta.url), 'utf8')
      const command = /^(?:ExecStart|CMD \[).*$/m.exec(text)?.[0] ?? ''
      const { stdout } = await run(program, [program === 'smart-agent' ? 'run' : 'serve', '--help'])
      const options = [...command.matchAll(/--[a-z-]+/g)].map(([option]) => option)
      expect(options).toContain('--metrics')
      for (const option of options) expect(stdout).toContain(`${option} `)
    }
    const wrong = await run('smart-authority', [...words, '--metrics', 'somewhere'])
    expect(wrong.code).toBe(2)
  })
})

describe('metrics in one process', () => {
  let world: TestEnvironment
  beforeEach(async () => {
    world = await createTestEnvironment()
  })
  afterEach(async () => {
    await world.close()
  })

  it('of an agent count failures by code, and measure deadlines by its own clock', async () => {
    const agent = await world.open()
    const metrics = new AgentMetrics(agent, {
      notReadyReasons: () => Promise.resolve([]),
      connections: () => null,
    })
    const read = async () => parseMetrics((await metrics.render()).text).samples
    expect(findValue(await read(), 'smart_agent_authorization_remaining_seconds')).toBeUndefined()
    await agent.register(await world.token())
    const before = findValue(await read(), 'smart_agent_authorization_remaining_seconds') ?? 0
    world.network.down = true
    await advance(world, agent, 31 * DAY)
    const samples = await read()
    expect(
      findValue(samples, 'smart_agent_requests_total', {
        kind: 'authorize',
        outcome: 'failed',
        code: 'CONNECTION_REFUSED',
      }),
    ).toBeGreaterThan(0)
    expect(before - (findValue(samples, 'smart_agent_authorization_remaining_seconds') ?? 0)).toBeCloseTo(
      (31 * DAY) / 1000,
      -2,
    )
    expect(findValue(samples, 'smart_agent_link', { link: 'down' })).toBe(1)
  })

  it('of an authority count refusals and failures by code, and unknown codes create no series', async () => {
    const metrics = new AuthorityMetrics()
    const authority = await Authority.open({
      dataDir: join(world.directory, 'authority'),
      clock: world.clock,
      observer: metrics,
    })
    try {
      metrics.attach(authority.operations)
      const agent = await world.open('other', { createTransport: () => world.transport(authority) })
      const token = await world.token({ maxUses: 1 })
      await agent.register(token)
      const second = await world.open('third', { createTransport: () => world.transport(authority) })
      await second.register(token).catch(() => undefined)
      await authority.operations.endpoint.handle('authorize', { no: 'message' }).catch(() => undefined)
      for (let i = 0; i < 1000; i++)
        metrics.exchange('register').end({ outcome: 'refused', code: `MADE_UP_${i}` })
      const { samples } = parseMetrics((await metrics.render()).text)
      const count = (labels: Record<string, string>) =>
        findValue(samples, 'smart_authority_exchanges_total', labels)
      expect(count({ type: 'register', outcome: 'refused', code: 'TOKEN_EXHAUSTED' })).toBe(1)
      expect(count({ type: 'authorize', outcome: 'failed', code: 'REQUEST_MALFORMED' })).toBe(1)
      expect(count({ type: 'register', outcome: 'refused', code: 'OTHER' })).toBe(1000)
      expect(samples.length).toBeLessThan(500)
    } finally {
      await authority.close()
    }
  })

  it('of an authority with many pools include five hundred, and the number of the others', async () => {
    const metrics = new AuthorityMetrics()
    const pool = { account: 'a', tag: 'HOST', quantity: 1, inUse: 0, reserved: 0 }
    metrics.attach({
      server: { connections: null, notReadyReasons: () => Promise.resolve([]) },
      stats: {
        collect: () =>
          Promise.resolve({
            instances: {
              active: 0,
              removed: 0,
              replaced: 0,
              deregistered: 0,
              expired: 0,
              reserved: 0,
              satellite: 0,
            },
            pools: Array.from({ length: 700 }, (_, i) => ({ ...pool, virtualAccount: `"V\\${i}\n` })),
            alerts: { informational: 0, minor: 0, major: 0 },
            waiting: { mail: 0, webhook: 0 },
            certificates: {},
          }),
      },
    })
    const { samples } = parseMetrics((await metrics.render()).text)
    expect(samples.filter(({ name }) => name === 'smart_authority_licenses_owned')).toHaveLength(500)
    expect(findValue(samples, 'smart_authority_pools_left_out')).toBe(200)
  })

  it('of an authority whose database does not answer report that, without stale values', async () => {
    const metrics = new AuthorityMetrics()
    metrics.attach({
      server: { connections: null, notReadyReasons: () => Promise.resolve(['database']) },
      stats: { collect: () => Promise.reject(new Error('gone')) },
    })
    const { samples } = parseMetrics((await metrics.render()).text)
    expect(findValue(samples, 'smart_authority_database_up')).toBe(0)
    expect(findValue(samples, 'smart_authority_ready')).toBe(0)
    expect(samples.some(({ name }) => name === 'smart_authority_instances')).toBe(false)
  })
})
