import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SECOND } from '../../src/core/time.ts'
import {
  closeOnShutdown,
  ConnectionLimiter,
  type ConnectionLimits,
  type DisconnectReason,
} from '../../src/http/connection-limiter.ts'
import { createHardenedServer, type ServerTimeouts } from '../../src/http/create-server.ts'
import { listen } from '../../src/http/listen.ts'
import { createSelfSigned, toTlsOptions } from '../../src/pki/certificate-generation.ts'

let closing: (() => unknown)[] = []
beforeEach(() => {
  closing = []
})
afterEach(async () => {
  for (const close of closing) await close()
})

const SHORT_MS = 300

async function serve(
  limits: Partial<ConnectionLimits> = {},
  timeouts: Partial<ServerTimeouts> = {},
  tls: { cert: string; key: string } | null = null,
) {
  const limiter = new ConnectionLimiter(limits)
  const server = createHardenedServer({
    tls,
    limiter,
    bodyLimit: 256 * 1024,
    timeouts: { connectionsCheckingInterval: 50, ...timeouts },
  })
  server.post('/length', (request) => ({ length: JSON.stringify(request.body).length }))
  server.get('/large', () => 'x'.repeat(32 * 1024 * 1024))
  server.get('/stream', (_request, reply) => {
    reply.hijack()
    closeOnShutdown(reply.raw)
    reply.raw.writeHead(200)
    reply.raw.write('begun')
  })
  let pending = 0
  server.get('/never', () => {
    pending++
    return new Promise(() => undefined)
  })
  const port = await listen(server, { host: '127.0.0.1', port: 0 })
  closing.push(async () => {
    limiter.abort()
    await server.close()
  })
  return { limiter, port, pending: () => pending }
}

/** Creates a client that writes raw HTTP. */
async function openClient(port: number) {
  const socket: Socket = connect(port, '127.0.0.1')
  let received = ''
  let isClosed = false
  socket.on('error', () => undefined)
  socket.on('close', () => (isClosed = true))
  socket.setEncoding('utf8').on('data', (text: string) => (received += text))
  await once(socket, 'connect')
  return { socket, received: () => received, isClosed: () => isClosed }
}

const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}
const disconnected = (limiter: ConnectionLimiter, reason: DisconnectReason) =>
  limiter.countDisconnects().get(reason) ?? 0
const HEAD = 'POST /length HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'

describe('a hardened server', () => {
  it('closes a connection that sends nothing after a response (keepAliveTimeout)', async () => {
    const { limiter, port } = await serve({}, { keepAliveTimeout: SHORT_MS })
    const client = await openClient(port)
    client.socket.write('GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(client.isClosed)
    expect(client.received()).toMatch(/^HTTP\/1\.1 404 /)
    expect(disconnected(limiter, 'keep_alive_timeout')).toBe(1)
  })

  it.each([
    ['nothing', ''],
    ['headers without an end', 'GET /large HTTP/1.1\r\nHost: x\r\n'],
  ])('answers 408 to a new connection that sends %s (headersTimeout)', async (_what, text) => {
    const { limiter, port } = await serve({}, { headersTimeout: SHORT_MS })
    const client = await openClient(port)
    client.socket.write(text)
    await until(client.isClosed)
    expect(client.received()).toMatch(/^HTTP\/1\.1 408 /)
    expect(disconnected(limiter, 'headers_timeout')).toBe(1)
  })

  it('answers 408 to a slow body (requestTimeout)', async () => {
    const { limiter, port } = await serve({}, { headersTimeout: SHORT_MS, requestTimeout: SHORT_MS })
    const client = await openClient(port)
    client.socket.write(`${HEAD}Content-Length: 100000\r\n\r\n"`)
    const drip = setInterval(() => client.socket.write('x'), 20)
    await until(client.isClosed)
    clearInterval(drip)
    expect(client.received()).toMatch(/^HTTP\/1\.1 408 /)
    expect(disconnected(limiter, 'body_timeout')).toBe(1)
  })

  it('applies the same time limit to the body of a pipelined request', async () => {
    const { limiter, port } = await serve({}, { headersTimeout: SHORT_MS, requestTimeout: SHORT_MS })
    const client = await openClient(port)
    client.socket.write(`${HEAD}Content-Length: 2\r\n\r\n{}${HEAD}Content-Length: 100\r\n\r\n{`)
    await until(client.isClosed)
    expect(client.received()).toMatch(/^HTTP\/1\.1 200 /)
    expect(disconnected(limiter, 'body_timeout')).toBe(1)
  })

  it('closes a connection whose client does not read the response (writeStallTimeout)', async () => {
    const { limiter, port } = await serve({}, { writeStallTimeout: SHORT_MS })
    const client = await openClient(port)
    client.socket.pause()
    client.socket.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(() => limiter.countByStage().response === 1)
    await until(() => limiter.countByStage().response === 0)
    expect(disconnected(limiter, 'write_stall_timeout')).toBe(1)
  })

  it('keeps a connection whose response is not ready or whose stream is idle', async () => {
    const { limiter, port } = await serve({}, { writeStallTimeout: SHORT_MS })
    const waiting = await openClient(port)
    waiting.socket.write('GET /never HTTP/1.1\r\nHost: x\r\n\r\n')
    const listening = await openClient(port)
    listening.socket.write('GET /stream HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(() => listening.received().includes('begun'))
    await new Promise((resolve) => setTimeout(resolve, 4 * SHORT_MS))
    expect([waiting.isClosed(), listening.isClosed()]).toEqual([false, false])
    expect(limiter.countByStage().response).toBe(2)
  })

  it('closes a connection that does not complete TLS (handshakeTimeout)', async () => {
    const day = 24 * 60 * 60 * SECOND
    const certificate = await createSelfSigned({
      name: 'localhost',
      notBefore: Date.now() - day,
      notAfter: Date.now() + day,
      hosts: ['localhost'],
    })
    const { limiter, port } = await serve({}, { handshakeTimeout: SHORT_MS }, toTlsOptions(certificate))
    const client = await openClient(port)
    await until(() => limiter.countByStage().tls_handshake === 1)
    await until(client.isClosed)
    expect(client.received()).toBe('')
    expect(disconnected(limiter, 'handshake_timeout')).toBe(1)
  })
})

describe('a connection limiter', () => {
  it('evicts the longest idle connection for a new one, and refuses the new one if none is idle', async () => {
    const { limiter, port } = await serve({ maxConnections: 3 })
    const first = await openClient(port)
    await until(() => limiter.countByStage().idle === 1)
    const busy = await openClient(port)
    busy.socket.write('GET /never HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(() => limiter.countByStage().response === 1)
    const second = await openClient(port)
    await until(() => limiter.countByStage().idle === 2)
    const third = await openClient(port)
    await until(first.isClosed)
    expect([busy.isClosed(), second.isClosed(), third.isClosed()]).toEqual([false, false, false])
    for (const client of [second, third]) client.socket.write('GET /never HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(() => limiter.countByStage().response === 3)
    const refused = await openClient(port)
    await until(refused.isClosed)
    expect(limiter.countByStage().response).toBe(3)
    expect(disconnected(limiter, 'max_connections')).toBe(2)
  })

  it('evicts a connection with a slow body for a new one if none is idle', async () => {
    const { limiter, port } = await serve({ maxConnections: 2 })
    const busy = await openClient(port)
    busy.socket.write('GET /never HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(() => limiter.countByStage().response === 1)
    const slow = await openClient(port)
    slow.socket.write(`${HEAD}Content-Length: 100000\r\n\r\n"`)
    await until(() => limiter.countByStage().body === 1)
    const next = await openClient(port)
    next.socket.write('GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(() => next.received().includes('404'))
    await until(slow.isClosed)
    expect(busy.isClosed()).toBe(false)
  })

  it('ends the connection with the oldest body if all bodies in flight take too much memory', async () => {
    const { limiter, port } = await serve({ maxInflightBodyBytes: 500_000 })
    const clients: Awaited<ReturnType<typeof openClient>>[] = []
    const begin = async (announced: string, sent: string) => {
      const client = await openClient(port)
      clients.push(client)
      client.socket.write(`${HEAD}${announced}\r\n\r\n`)
      client.socket.write(sent)
    }
    const large = 'x'.repeat(190_000)
    for (let i = 1; i <= 3; i++) {
      await begin('Content-Length: 200000', large)
      await until(() => limiter.countByStage().body === i || clients[0]?.isClosed() === true)
    }
    await until(() => clients[0]?.isClosed() === true)
    expect(clients.map(({ isClosed }) => isClosed())).toEqual([true, false, false])
    expect(disconnected(limiter, 'max_inflight_body_bytes')).toBe(1)
    // A body without an announced length also counts by its received bytes.
    await begin('Transfer-Encoding: chunked', `30000\r\n${large}`)
    await until(() => clients[1]?.isClosed() === true)
    expect(clients.map(({ isClosed }) => isClosed())).toEqual([true, true, false, false])
  })

  it('keeps the connection of a body while other bodies only announce large lengths', async () => {
    const { limiter, port } = await serve({ maxInflightBodyBytes: 500_000 })
    const slow = await openClient(port)
    slow.socket.write(`${HEAD}Content-Length: 200000\r\n\r\n"${'x'.repeat(150_000)}`)
    await until(() => limiter.countByStage().body === 1)
    for (let i = 2; i <= 20; i++) {
      const other = await openClient(port)
      other.socket.write(`${HEAD}Content-Length: 200000\r\n\r\n"`)
      await until(() => limiter.countByStage().body === i || slow.isClosed())
    }
    await new Promise((resolve) => setTimeout(resolve, SHORT_MS))
    slow.socket.write(`${'x'.repeat(200_000 - 150_002)}"`)
    await until(() => slow.received().includes('length') || slow.isClosed())
    expect([slow.isClosed(), disconnected(limiter, 'max_inflight_body_bytes')]).toEqual([false, 0])
  })

  it('ends a connection with too many pipelined requests and processes none of the rest', async () => {
    const { limiter, port, pending } = await serve({ maxPipelinedRequests: 4 })
    const patient = await openClient(port)
    const request = 'GET /never HTTP/1.1\r\nHost: x\r\n\r\n'
    patient.socket.write(request.repeat(4))
    await until(() => pending() === 4)
    const flood = await openClient(port)
    flood.socket.write(request.repeat(400))
    await until(flood.isClosed)
    expect(pending()).toBe(8)
    expect(patient.isClosed()).toBe(false)
    expect(disconnected(limiter, 'max_pipelined_requests')).toBe(1)
    expect(limiter.countByStage().response).toBe(1)
  })

  it('answers the requests in progress when it drains, ends streams, and refuses new connections', async () => {
    const { limiter, port } = await serve()
    const recent = await openClient(port)
    const stream = await openClient(port)
    stream.socket.write('GET /stream HTTP/1.1\r\nHost: x\r\n\r\n')
    const busy = await openClient(port)
    busy.socket.write(`${HEAD}Content-Length: 4\r\n\r\n"a`)
    await until(() => {
      const { body, idle, response } = limiter.countByStage()
      return body === 1 && idle === 1 && response === 1
    })
    const drained = limiter.drain()
    await until(() => stream.received().endsWith('0\r\n\r\n'))
    expect(recent.isClosed()).toBe(false)
    const refused = connect(port, '127.0.0.1')
    const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNREFUSED')
    recent.socket.write('GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(() => recent.received().includes('404'))
    busy.socket.write('b"')
    await until(() => busy.received().includes('length'))
    await drained
    expect(Object.values(limiter.countByStage())).toEqual([0, 0, 0, 0, 0])
  })
})
