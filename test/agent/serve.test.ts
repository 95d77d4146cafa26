import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type IntervalHistogram, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import WebSocket from 'ws'
import { SmartAgent, type Status } from '../../src/index.ts'
import { edgeRouter, tunnels } from '../../examples/edge-router/tunnels.ts'
import { send, signInFirst } from '../support/pages.ts'
import { createPrograms, parseError, type Programs } from '../support/programs.ts'
import { createTestEnvironment, getErrorCode, type TestEnvironment } from '../support/test-environment.ts'

const ANY_PORT = { host: '127.0.0.1', port: 0 }

let world: TestEnvironment
let programs: Programs
let agent: SmartAgent
let dataDir: string
beforeEach(async () => {
  world = await createTestEnvironment()
  programs = createPrograms()
  agent = await world.open()
  dataDir = join(world.directory, 'device')
})
afterEach(async () => {
  await programs.close()
  await world.close()
})

const run = (...words: string[]) => programs.run('smart-agent', ['--data-dir', dataDir, ...words])

describe('an embedded agent that serves its control socket (R-EMB-3)', () => {
  it('runs the commands of administrators while the product runs', async () => {
    await agent.serve({ control: true })
    agent.setUsage('HOST', 2)
    const { good } = programs
    expect(await good<Status>(run('status', '--json'))).toMatchObject({
      state: 'evaluation',
      entitlements: [{ tag: 'HOST', count: 2 }],
    })
    await world.authority.orders.create({ tag: 'HOST', quantity: 5 })
    expect(await good(run('register', await world.token(), '--json'))).toMatchObject({ state: 'authorized' })
    expect(agent.status().state).toBe('authorized')
    expect((await run('why')).stdout).toContain('authorized')
    expect((await run('show', 'tech')).code).toBe(0)
    expect((await run('events')).stdout).toContain('Registration with the licensing authority succeeded')
    expect(await good(run('host', 'assign', 'ann', '--json'))).toMatchObject({ user: 'ann' })
    expect(agent.module.hosts.list()).toMatchObject([{ user: 'ann' }])
  })

  it('streams its state to `watch`', async () => {
    await agent.serve({ control: true })
    const child = programs.start('smart-agent', ['--data-dir', dataDir, 'watch', '--json'])
    let output = ''
    const says = (text: string) =>
      new Promise<void>((resolve) => {
        child.stdout?.on('data', (part: string) => {
          output += part
          if (output.includes(text)) resolve()
        })
      })
    const first = says('"state":"evaluation"')
    const registered = says('"state":"authorized"')
    await first
    await agent.register(await world.token())
    await registered
  })

  it('refuses a second control socket with ALREADY_SERVED until the first is closed', async () => {
    const served = await agent.serve({ control: true })
    expect(await getErrorCode(agent.serve({ control: true }))).toBe('ALREADY_SERVED')
    await served.close()
    await served.close()
    expect(existsSync(join(dataDir, 'agent.sock'))).toBe(false)
    await agent.serve({ control: true })
    expect(await getErrorCode(agent.serve({ control: true }))).toBe('ALREADY_SERVED')
  })

  it('answers the commands of its own module', async () => {
    dataDir = join(world.directory, 'router')
    const router = await SmartAgent.open({
      dataDir,
      product: { pid: 'EDGE-9', version: '1.0', serial: 'R1' },
      profile: edgeRouter,
      module: tunnels(),
      clock: world.clock,
      heartbeat: false,
    })
    const served = await router.serve({ control: true, console: ANY_PORT })
    await router.module.open('east')
    expect((await programs.good<{ state: string }>(run('status', '--json'))).state).toBe('evaluation')
    const refused = await run('host', 'list', '--json')
    expect([refused.code, parseError(refused).code]).toEqual([2, 'USAGE'])
    const visitor = await signInFirst(served.console ?? '', served.firstPasswordFile)
    expect(await visitor.query('status')).toMatchObject({ status: 200 })
    expect(await visitor.query('system')).toMatchObject({ code: 'MODULE_UNAVAILABLE' })
    await router.close()
  })
})

describe('the servers of an embedded agent (R-EMB-3)', () => {
  it('are the web console, metrics and the inspector, with their addresses', async () => {
    const served = await agent.serve({ console: ANY_PORT, metrics: ANY_PORT, inspect: ANY_PORT })
    expect(served).toMatchObject({
      console: expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+$/) as string,
      metrics: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) as string,
      inspect: expect.stringMatching(/^ws:\/\/127\.0\.0\.1:\d+$/) as string,
      fingerprint: expect.stringMatching(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/) as string,
    })
    const visitor = await signInFirst(served.console ?? '', served.firstPasswordFile)
    expect(await visitor.query('status')).toMatchObject({ status: 200 })
    const metrics = await (await fetch(`${served.metrics ?? ''}/metrics`)).text()
    expect(metrics).toContain('smart_agent_state{state="evaluation"} 1')
    const inspector = new WebSocket(served.inspect ?? '')
    const message = await new Promise<Buffer>((resolve) => inspector.once('message', resolve))
    expect(message.toString()).toContain('@xstate.actor')
    inspector.terminate()
  })

  it('have no address if they were not started', async () => {
    expect(await agent.serve({ control: true })).toMatchObject({
      console: null,
      fingerprint: null,
      firstPasswordFile: null,
      metrics: null,
      inspect: null,
    })
  })

  it('are not ready while they drain, and close without closing the agent', async () => {
    const served = await agent.serve({ control: true, metrics: ANY_PORT })
    const { metrics } = served
    expect((await fetch(`${metrics ?? ''}/ready`)).status).toBe(200)
    await served.drain()
    expect(await (await fetch(`${metrics ?? ''}/ready`)).json()).toMatchObject({ reasons: ['draining'] })
    await served[Symbol.asyncDispose]()
    await expect(fetch(`${metrics ?? ''}/ready`)).rejects.toThrow()
    expect(agent.status().state).toBe('evaluation')
  })

  it('close with the agent (R-EMB-6)', async () => {
    const first = await agent.serve({ control: true, metrics: ANY_PORT })
    const second = await agent.serve({ console: ANY_PORT, inspect: ANY_PORT })
    await agent.close()
    for (const url of [first.metrics, second.inspect?.replace('ws:', 'http:')])
      await expect(fetch(url ?? '')).rejects.toThrow()
    await expect(send(second.console ?? '', '/')).rejects.toThrow()
    expect(existsSync(join(dataDir, 'agent.sock'))).toBe(false)
    expect(await getErrorCode(agent.serve({ control: true }))).toBe('AGENT_CLOSED')
  })

  it('close when the agent was closed while they started (R-EMB-6)', async () => {
    const served = getErrorCode(agent.serve({ control: true, metrics: ANY_PORT }))
    await agent.close()
    expect(await served).toBe('AGENT_CLOSED')
    expect(existsSync(join(dataDir, 'agent.sock'))).toBe(false)
  })

  it('stop their observers of the process when they close (R-EMB-6)', async () => {
    const lag = Object.getPrototypeOf(monitorEventLoopDelay()) as IntervalHistogram
    const [observe, disconnect, enable, disable] = [
      vi.spyOn(PerformanceObserver.prototype, 'observe'),
      vi.spyOn(PerformanceObserver.prototype, 'disconnect'),
      vi.spyOn(lag, 'enable'),
      vi.spyOn(lag, 'disable'),
    ]
    try {
      const served = await agent.serve({ metrics: ANY_PORT })
      const text = await (await fetch(`${served.metrics ?? ''}/metrics`)).text()
      for (const name of [
        'process_cpu_seconds_total',
        'nodejs_eventloop_lag_p99_seconds',
        'nodejs_gc_duration_seconds',
      ])
        expect(text).toContain(`# TYPE ${name} `)
      expect([observe.mock.calls.length, enable.mock.calls.length]).toEqual([1, 1])
      expect([disconnect.mock.calls.length, disable.mock.calls.length]).toEqual([0, 0])
      await served.close()
      expect(disconnect.mock.contexts).toEqual(observe.mock.contexts)
      expect(disable.mock.contexts).toEqual(enable.mock.contexts)
    } finally {
      vi.restoreAllMocks()
    }
  })

  it('leave nothing open if one of them cannot start', async () => {
    const { metrics } = await agent.serve({ metrics: ANY_PORT })
    const port = Number(new URL(metrics ?? '').port)
    const failed = agent.serve({ control: true, inspect: ANY_PORT, metrics: { host: '127.0.0.1', port } })
    expect(await getErrorCode(failed)).toBe('ADDRESS_IN_USE')
    expect(existsSync(join(dataDir, 'agent.sock'))).toBe(false)
    await agent.serve({ control: true })
  })
})

/** Loader that prints the URL of every module that Node loads. */
const LOADER = `
  import { writeSync } from 'node:fs'
  export const load = (url, context, next) => {
    writeSync(2, url + ' ')
    return next(url, context)
  }
`

it('an embedded agent loads the code of a server only when it starts one (R-EMB-3)', async () => {
  const loads = async (serve: string): Promise<string[]> => {
    const entry = new URL('../../dist/src/index.js', import.meta.url).href
    const script = `
      const { SmartAgent } = await import(${JSON.stringify(entry)})
      const agent = await SmartAgent.open({
        dataDir: ${JSON.stringify(join(world.directory, 'other'))},
        product: { pid: 'CWMS-K9', version: '4.0', serial: 'X' },
      })
      ${serve}
      await agent.close()
    `
    const loader = join(world.directory, 'loader.mjs')
    writeFileSync(loader, LOADER)
    const child = spawn(process.execPath, ['--loader', loader, '--input-type=module', '--eval', script])
    let loaded = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (loaded += text))
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0)
    return ['zod', 'fastify', 'prom-client', 'ws'].filter((name) => loaded.includes(`/node_modules/${name}/`))
  }
  expect(await loads('')).toEqual(['zod'])
  expect(await loads('await agent.serve({ control: true })')).toEqual(['zod'])
  expect(await loads('await agent.serve({ metrics: { host: "127.0.0.1", port: 0 } })')).toEqual([
    'zod',
    'fastify',
    'prom-client',
  ])
})
