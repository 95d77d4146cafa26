import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect } from 'vitest'
import { parseError, createPrograms, type Programs } from '../support/programs.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(3)

interface Span {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly attributes: { key: string; value: { stringValue?: string } }[]
}

/** Collector that stores received spans (OTLP over HTTP, as JSON). */
async function collector() {
  const spans: (Span & { service: string })[] = []
  const bodies: string[] = []
  const server: Server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      bodies.push(body)
      const { resourceSpans } = JSON.parse(body) as {
        resourceSpans: {
          resource: { attributes: Span['attributes'] }
          scopeSpans: { spans: Span[] }[]
        }[]
      }
      for (const { resource, scopeSpans } of resourceSpans) {
        const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? ''
        for (const one of scopeSpans.flatMap((scope) => scope.spans)) spans.push({ ...one, service })
      }
      response.setHeader('content-type', 'application/json')
      response.end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, spans, bodies, close: () => server.close() }
}

let programs: Programs
let receiver: Awaited<ReturnType<typeof collector>>
beforeEach(async () => {
  programs = createPrograms()
  receiver = await collector()
})
afterEach(async () => {
  await programs.close()
  receiver.close()
})

describe('traces of both programs', () => {
  it('contain a device’s request and its exchange with each step, without secrets', async () => {
    const { agent, good, dataDir, serve } = programs
    await programs.initAuthority()
    const server = await serve('smart-authority', [
      '--data-dir',
      dataDir('authority'),
      'serve',
      '--json',
      '--listen',
      '127.0.0.1:0',
      '--traces',
      receiver.url,
      '--log-level',
      'debug',
    ])
    const { listening } = JSON.parse(server.line) as { listening: string }
    await programs.initDevice(listening)
    const daemon = await serve('smart-agent', [
      '--data-dir',
      dataDir(),
      'run',
      '--traces',
      `${receiver.url}/v1/traces`,
    ])
    const token = await programs.token()
    await good(agent(['register', token, '--json']))
    // A program exports the remaining spans before it ends.
    expect([await daemon.stop(), await server.stop()]).toEqual([0, 0])

    const asked = receiver.spans.find(({ name }) => name === 'request register')
    expect(asked?.service).toBe('smart-agent')
    const exchange = receiver.spans.find(({ name }) => name === 'exchange register')
    expect(exchange).toMatchObject({
      service: 'smart-authority',
      traceId: asked?.traceId,
      parentSpanId: asked?.spanId,
    })
    expect(exchange?.attributes.find(({ key }) => key === 'smart_licensing.outcome')?.value.stringValue).toBe(
      'accepted',
    )
    const steps = receiver.spans.filter(({ parentSpanId }) => parentSpanId === exchange?.spanId)
    expect(steps.map(({ name }) => name)).toEqual(['receive', 'decide', 'commit', 'seal'])
    expect(receiver.spans.some(({ name }) => name === 'exchange authorize')).toBe(true)
    const secret = token.split('.').at(-1) ?? ''
    expect(receiver.bodies.join()).not.toContain(secret)
    // Each log line about the request contains the trace id.
    for (const of of ['"type":"register"', '"route":"/smart-agent/v1/register"']) {
      const line = server
        .log()
        .split('\n')
        .find((one) => one.includes(of))
      expect(JSON.parse(line ?? '')).toMatchObject({
        traceId: asked?.traceId,
        requestId: expect.any(String) as unknown,
      })
    }
  })

  it('refuse an invalid address, and do not affect the program if the collector is unreachable', async () => {
    const { authority, good, dataDir, serve, run } = programs
    await programs.initAuthority()
    const words = [
      '--data-dir',
      dataDir('authority'),
      'serve',
      '--json',
      '--listen',
      '127.0.0.1:0',
      '--traces',
    ]
    for (const address of ['nowhere', 'ftp://host', 'http://user:pass@host']) {
      const ended = await run('smart-authority', [...words, address])
      expect([ended.code, parseError(ended).code]).toEqual([2, 'INVALID_ARGUMENT'])
      expect(ended.stderr).not.toContain('pass@')
    }
    const server = await serve('smart-authority', [...words, 'http://127.0.0.1:1'])
    const { listening } = JSON.parse(server.line) as { listening: string }
    await programs.initDevice(listening)
    await good(programs.agent(['register', await programs.token(), '--json']))
    expect(await server.stop()).toBe(0)
    await good(authority(['instance', 'list', '--json']))
    // The log reports lost traces once.
    expect(server.log().match(/"message":"trace export failed; traces are lost"/g)).toHaveLength(1)
  })

  it('do not prevent a program from stopping if the collector never answers', async () => {
    const { good, agent, dataDir, serve } = programs
    const silent = createServer(() => undefined)
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    try {
      await programs.initAuthority()
      const { port } = silent.address() as AddressInfo
      const words = ['--data-dir', dataDir('authority'), 'serve', '--json', '--listen', '127.0.0.1:0']
      const server = await serve('smart-authority', [...words, '--traces', `http://127.0.0.1:${port}`])
      await programs.initDevice((JSON.parse(server.line) as { listening: string }).listening)
      await good(agent(['register', await programs.token(), '--json']))
      const endedAt = performance.now()
      expect(await server.stop()).toBe(0)
      expect(performance.now() - endedAt).toBeLessThan(8000)
    } finally {
      silent.closeAllConnections()
      silent.close()
    }
  })
})
