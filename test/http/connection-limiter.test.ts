import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { HOUR, SECOND } from '../../src/core/time.ts'
import { ConnectionGuard, type ConnectionLimits } from '../../src/http/connection-limiter.ts'
import { createGuardedServer } from '../../src/http/create-server.ts'
import { listenOn } from '../../src/http/listen.ts'

/** The machine's uptime, as far as these tests know. */
let uptime = 0
let closing: (() => unknown)[] = []
beforeEach(() => {
  uptime = 1_000_000
  closing = []
  // The program's own clock: it goes as a test lets it.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(async () => {
  vi.useRealTimers()
  for (const close of closing) await close()
})

async function serve(limits: Partial<ConnectionLimits> = {}) {
  const guard = new ConnectionGuard(limits, () => uptime)
  const server = createGuardedServer({ tls: null, guard, largest: 256 * 1024 })
  server.post('/take', (request) => ({ took: JSON.stringify(request.body).length }))
  server.get('/much', () => 'x'.repeat(32 * 1024 * 1024))
  let begun = 0
  server.get('/late', () => {
    begun++
    return new Promise(() => undefined)
  })
  const port = await listenOn(server, { host: '127.0.0.1', port: 0 })
  closing.push(async () => {
    guard.abort()
    await server.close()
  })
  return { guard, port, begun: () => begun }
}

/** Somebody who speaks by hand. */
async function caller(port: number) {
  const socket: Socket = connect(port, '127.0.0.1')
  let said = ''
  let gone = false
  socket.on('error', () => undefined)
  socket.on('close', () => (gone = true))
  socket.setEncoding('utf8').on('data', (text: string) => (said += text))
  await new Promise((resolve) => socket.once('connect', resolve))
  return { socket, said: () => said, gone: () => gone }
}

/** What the system has to do meanwhile is done. */
const settle = async (so: () => boolean) => {
  while (!so()) await new Promise((resolve) => setImmediate(resolve))
}
/** Lets real time pass, and the connections be looked at. */
const pass = async (milliseconds: number) => {
  uptime += milliseconds
  await vi.advanceTimersByTimeAsync(SECOND)
}

describe('a guard of connections', () => {
  it('ends a connection that is idle too long, and none before', async () => {
    const { guard, port } = await serve()
    const one = await caller(port)
    await settle(() => guard.counts().waiting === 1)
    await pass(74 * SECOND)
    expect(guard.counts().waiting).toBe(1)
    await pass(2 * SECOND)
    await settle(one.gone)
    expect(guard.ended().get('idle')).toBe(1)
  })

  it('headers that do not come to an end are answered 408 and closed', async () => {
    const { guard, port } = await serve()
    const one = await caller(port)
    one.socket.write('GET /much HTTP/1.1\r\nHost: x\r\n')
    await settle(() => guard.counts().waiting === 1)
    // Within what idle connections have: it is the first bytes that begin the time of headers.
    while (guard.counts().head === 0) await pass(10)
    await pass(14 * SECOND)
    expect(one.gone()).toBe(false)
    await pass(2 * SECOND)
    await settle(one.gone)
    expect(one.said()).toMatch(/^HTTP\/1\.1 408 /)
    expect(guard.ended().get('head')).toBe(1)
  })

  it('a body a byte at a time is ended; one that flows may take as long as it needs', async () => {
    const { guard, port } = await serve({ bodyRate: 1024 })
    const slow = await caller(port)
    const steady = await caller(port)
    const head =
      'POST /take HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100002\r\n\r\n'
    slow.socket.write(`${head}"`)
    steady.socket.write(`${head}"`)
    await settle(() => guard.counts().body === 2)
    steady.socket.write('x'.repeat(60_000))
    await settle(() => steady.socket.writableLength === 0)
    await pass(40 * SECOND)
    await settle(slow.gone)
    expect(slow.said()).toMatch(/^HTTP\/1\.1 408 /)
    steady.socket.write(`${'x'.repeat(40_000)}"`)
    await settle(() => steady.said().includes('took'))
    expect(steady.said()).toMatch(/^HTTP\/1\.1 200 /)
    expect(guard.ended().get('body')).toBe(1)
  })

  it('an answer that nobody takes is given up', async () => {
    const { guard, port } = await serve()
    const one = await caller(port)
    one.socket.pause()
    one.socket.write('GET /much HTTP/1.1\r\nHost: x\r\n\r\n')
    await settle(() => guard.counts().answering === 1)
    await pass(SECOND)
    await pass(60 * SECOND)
    expect(guard.counts().answering).toBe(1)
    await pass(61 * SECOND)
    expect(guard.counts().answering).toBe(0)
    expect(guard.ended().get('stalled')).toBe(1)
  })

  it('one too many: the longest idle gives way; where none is idle, the new one is not taken', async () => {
    const { guard, port } = await serve({ connections: 3 })
    const first = await caller(port)
    await settle(() => guard.counts().waiting === 1)
    const busy = await caller(port)
    busy.socket.write('GET /late HTTP/1.1\r\nHost: x\r\n\r\n')
    await settle(() => guard.counts().answering === 1)
    const second = await caller(port)
    await settle(() => guard.counts().waiting === 2)
    const third = await caller(port)
    await settle(first.gone)
    expect([busy.gone(), second.gone(), third.gone()]).toEqual([false, false, false])
    for (const one of [second, third]) one.socket.write('GET /late HTTP/1.1\r\nHost: x\r\n\r\n')
    await settle(() => guard.counts().answering === 3)
    const refused = await caller(port)
    await settle(refused.gone)
    expect(guard.counts().answering).toBe(3)
    expect(guard.ended().get('connections')).toBe(2)
  })

  it('bodies under way take no more memory than they may: the one that has been coming longest gives way', async () => {
    const { guard, port } = await serve({ unread: 500_000 })
    const callers: Awaited<ReturnType<typeof caller>>[] = []
    const begin = async (announced: string, sent: string) => {
      const one = await caller(port)
      callers.push(one)
      one.socket.write(
        `POST /take HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${announced}\r\n\r\n`,
      )
      one.socket.write(sent)
    }
    const large = 'x'.repeat(190_000)
    for (let i = 1; i <= 3; i++) {
      await begin('Content-Length: 200000', large)
      await settle(() => guard.counts().body === i || callers[0]?.gone() === true)
    }
    while (!callers[0]?.gone()) await pass(SECOND)
    expect(callers.map(({ gone }) => gone())).toEqual([true, false, false])
    expect(guard.ended().get('unread')).toBe(1)
    // A body that is not announced counts by what came of it, too.
    await begin('Transfer-Encoding: chunked', `30000\r\n${large}`)
    while (!callers[1]?.gone()) await pass(SECOND)
    expect(callers.map(({ gone }) => gone())).toEqual([true, true, false, false])
  })

  it('bodies that announce much and send little take nobody else’s place', async () => {
    const { guard, port } = await serve({ unread: 500_000 })
    const head =
      'POST /take HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 200000\r\n\r\n'
    const slow = await caller(port)
    slow.socket.write(`${head}"${'x'.repeat(150_000)}`)
    await settle(() => guard.counts().body === 1)
    for (let i = 2; i <= 20; i++) {
      const stranger = await caller(port)
      stranger.socket.write(`${head}"`)
      await settle(() => guard.counts().body === i || slow.gone())
    }
    await pass(SECOND)
    slow.socket.write(`${'x'.repeat(200_000 - 150_002)}"`)
    await settle(() => slow.said().includes('took') || slow.gone())
    expect([slow.gone(), guard.ended().get('unread')]).toEqual([false, undefined])
  })

  it('a body behind another request on the same connection has no more time than any', async () => {
    const { guard, port } = await serve()
    const one = await caller(port)
    const head = 'POST /take HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
    one.socket.write(`${head}Content-Length: 2\r\n\r\n{}${head}Content-Length: 100\r\n\r\n{`)
    await settle(() => one.said().includes('took'))
    await settle(() => guard.counts().body === 1)
    await pass(29 * SECOND)
    expect(one.gone()).toBe(false)
    await pass(2 * SECOND)
    await settle(one.gone)
    expect(guard.ended().get('body')).toBe(1)
  })

  it('whoever sends requests without waiting for answers is let go, and what comes after is not begun', async () => {
    const { guard, port, begun } = await serve({ pipelined: 4 })
    const patient = await caller(port)
    const request = 'GET /late HTTP/1.1\r\nHost: x\r\n\r\n'
    patient.socket.write(request.repeat(4))
    await settle(() => begun() === 4)
    const flood = await caller(port)
    flood.socket.write(request.repeat(400))
    await settle(flood.gone)
    expect(begun()).toBe(8)
    expect(patient.gone()).toBe(false)
    expect(guard.ended().get('pipelined')).toBe(1)
    expect(guard.counts().answering).toBe(1)
  })

  it('a clock that runs hours ahead ends nothing: only the machine’s own time counts', async () => {
    const { guard, port } = await serve()
    const one = await caller(port)
    await settle(() => guard.counts().waiting === 1)
    for (let i = 0; i < 20; i++) await vi.advanceTimersByTimeAsync(HOUR / 60)
    one.socket.write(
      'POST /take HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n"a',
    )
    await settle(() => guard.counts().body === 1)
    for (let i = 0; i < 20; i++) await vi.advanceTimersByTimeAsync(HOUR / 60)
    one.socket.write('b"')
    await settle(() => one.said().includes('took'))
    expect([...guard.ended()]).toEqual([])
  })

  it('draining: what is under way is answered and its connection closed; what was idle for long is closed at once', async () => {
    const { guard, port } = await serve()
    const idle = await caller(port)
    await settle(() => guard.counts().waiting === 1)
    await pass(30 * SECOND)
    const recent = await caller(port)
    const busy = await caller(port)
    busy.socket.write(
      'POST /take HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n"a',
    )
    await settle(() => guard.counts().body === 1 && guard.counts().waiting === 2)
    vi.useRealTimers()
    const drained = guard.drain()
    await settle(idle.gone)
    expect(recent.gone()).toBe(false)
    const late = await new Promise<string>((resolve) => {
      connect(port, '127.0.0.1').once('error', (thrown) => {
        resolve(String((thrown as NodeJS.ErrnoException).code))
      })
    })
    expect(late).toBe('ECONNREFUSED')
    busy.socket.write('b"')
    await settle(() => busy.said().includes('took'))
    recent.socket.destroy()
    busy.socket.destroy()
    await drained
    expect(Object.values(guard.counts())).toEqual([0, 0, 0, 0, 0])
  })
})
