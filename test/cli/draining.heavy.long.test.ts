import { Agent, request } from 'node:https'
import { afterEach, beforeEach, expect } from 'vitest'
import type { Status } from '../../src/index.ts'
import { type HelloResult, sendHello } from '../support/hello.ts'
import { signInFirst } from '../support/pages.ts'
import { createPrograms, type Programs } from '../support/programs.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(3)

let programs: Programs
beforeEach(() => {
  programs = createPrograms()
})
afterEach(async () => {
  await programs.close()
})

const ready = async (url: string): Promise<[number, unknown]> => {
  const answer = await fetch(`${url}/ready`)
  return [answer.status, await answer.json()]
}

/** Waits until the metrics show `number` connections at a stage. */
async function connected({ metrics }: { metrics: string }, stage: string, number: number): Promise<void> {
  const scrape = async () => (await fetch(`${metrics}/metrics`)).text()
  while (!(await scrape()).includes(`connections{stage="${stage}"} ${number}`));
}

/** Serves an authority with metrics and optional faults, such as a delay. */
async function slowAuthority(chaos?: string) {
  const { authority, good, serve, dataDir } = programs
  await good(
    authority([
      'init',
      '--account',
      'acme.example',
      '--accept-agreement',
      '--allow-fault-injection',
      '--json',
    ]),
  )
  const server = await serve('smart-authority', [
    '--data-dir',
    dataDir('authority'),
    'serve',
    '--json',
    '--listen',
    '127.0.0.1:0',
    '--metrics',
    '0',
    ...(chaos === undefined ? [] : ['--chaos', chaos]),
  ])
  const { listening, metrics, firstPasswordFile } = JSON.parse(server.line) as {
    listening: string
    metrics: string
    firstPasswordFile: string
  }
  return { ...server, url: listening, metrics, firstPasswordFile }
}

describe('an authority that receives a shutdown signal', () => {
  it('fails no request under load and exits with 0', async () => {
    const server = await slowAuthority()
    const agents = Array.from({ length: 20 }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
    const ended: HelloResult[] = []
    const work = async (agent: Agent) => {
      for (;;) {
        const result = await sendHello(server.url, agent)
        ended.push(result)
        if (result === 'not sent') return
      }
    }
    const working = agents.map(work)
    while (ended.length < 200) await new Promise((resolve) => setImmediate(resolve))
    const before = ended.length
    const code = await server.stop('SIGTERM')
    await Promise.all(working)
    expect(code).toBe(0)
    expect(ended.filter((result) => result === 'failed')).toEqual([])
    const answered = ended.filter((result) => typeof result === 'object')
    expect(answered.every(({ status }) => status === 200)).toBe(true)
    // Requests sent while draining are answered with `connection: close`.
    expect(answered.length).toBeGreaterThan(before)
    expect(answered.slice(-10).some(({ connection }) => connection === 'close')).toBe(true)
    for (const agent of agents) agent.destroy()
  })

  it('reports draining at /ready, answers pending requests and ends event streams', async () => {
    const server = await slowAuthority('delay=3s')
    expect(await ready(server.metrics)).toEqual([200, { status: 'ready' }])
    const admin = await signInFirst(server.url, server.firstPasswordFile)
    const { ended: streamed } = await admin.subscribe()
    const underWay = sendHello(server.url, new Agent())
    await connected(server, 'response', 2)
    const stopped = server.stop('SIGTERM')
    expect((await streamed).status).toBe(200)
    expect(await ready(server.metrics)).toEqual([503, { status: 'not-ready', reasons: ['draining'] }])
    expect(await underWay).toMatchObject({ status: 200, connection: 'close' })
    expect(await stopped).toBe(0)
  })

  it('exits at once on a second signal of any kind', async () => {
    const server = await slowAuthority('delay=30s')
    const underWay = sendHello(server.url, new Agent())
    await connected(server, 'response', 1)
    void server.stop('SIGTERM')
    while ((await ready(server.metrics))[0] === 200);
    expect(await server.stop('SIGINT')).toBe(1)
    expect(await underWay).toBe('failed')
  })

  it('exits at once on a second signal while a request body is incomplete', async () => {
    const server = await slowAuthority()
    const { hostname, port } = new URL(server.url)
    const held = request({
      hostname,
      port,
      path: '/smart-agent/v1/hello',
      method: 'POST',
      rejectUnauthorized: false,
      agent: false,
      headers: { 'content-type': 'application/json', 'content-length': '1000' },
    })
    const broken = new Promise((resolve) => held.on('error', resolve))
    held.write('{')
    await connected(server, 'body', 1)
    void server.stop('SIGTERM')
    while ((await ready(server.metrics))[0] === 200);
    expect(await server.stop('SIGTERM')).toBe(1)
    expect(await broken).toBeInstanceOf(Error)
  })

  it('also stops on SIGHUP', async () => {
    const server = await slowAuthority()
    expect(await server.stop('SIGHUP')).toBe(0)
  })
})

describe('a daemon that receives a shutdown signal', () => {
  it('answers the pending command and exits with 0', async () => {
    const { agent, good } = programs
    const server = await slowAuthority('delay=2s')
    await programs.initDevice(server.url)
    const daemon = await programs.daemon()
    const registering = good<Status>(agent(['register', await programs.token(), '--json']))
    while ((await programs.status()).registration.status !== 'registering');
    expect(await daemon.stop('SIGTERM')).toBe(0)
    expect((await registering).registration.status).toBe('registered')
  })
})
