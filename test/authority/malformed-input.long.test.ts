import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent } from 'node:https'
import { connect } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DEFAULT_CONNECTION_LIMITS } from '../../src/http/connection-limiter.ts'
import { sendHello, createHello } from '../support/hello.ts'
import { createPrograms, readMemoryMebibytes, type Programs } from '../support/programs.ts'
import { selectScale } from '../support/scale.ts'

const FLOOD = fileURLToPath(new URL('../support/flood.mjs', import.meta.url))
/** Number of idle connections. All must be opened within the idle timeout, so a larger number needs a fast machine. */
const IDLE = Number(process.env.HARM_CONNECTIONS ?? selectScale(1_000, 3_000))
const SLOW = IDLE / 10
/** Limit of open files for a process, above the number of connections of the flood. */
const DESCRIPTORS = 16_384
const HELLO = '/smart-agent/v1/hello'

let programs: Programs
let url: string
let metrics: string
let pid: number
beforeAll(async () => {
  programs = createPrograms()
  await programs.initAuthority()
  const server = await programs.serve(
    'smart-authority',
    [
      '--data-dir',
      programs.dataDir('authority'),
      'serve',
      '--json',
      '--listen',
      '127.0.0.1:0',
      '--metrics',
      '0',
    ],
    { descriptors: DESCRIPTORS },
  )
  const output = JSON.parse(server.line) as { listening: string; metrics: string }
  url = output.listening
  metrics = output.metrics
  pid = server.child.pid ?? 0
})
afterAll(async () => {
  await programs.close()
})

/** Sends raw text over TLS and returns everything received until the connection closes. */
const write = (...parts: string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    const { hostname: host, port } = new URL(url)
    const socket = connect({ host, port: Number(port), rejectUnauthorized: false }, () => {
      for (const part of parts) socket.write(part)
    })
    let received = ''
    socket.setEncoding('utf8').on('data', (text: string) => (received += text))
    socket.on('error', reject)
    socket.on('close', () => {
      resolve(received)
    })
  })
const statusOf = (response: string): number => Number(/^HTTP\/1\.1 (\d{3}) /.exec(response)?.[1])
const bodyOf = (response: string): unknown => JSON.parse(response.slice(response.indexOf('\r\n\r\n') + 4))

const post = (body: string, headers: Record<string, string> = {}, path = HELLO): string => {
  const all = {
    Host: '127.0.0.1',
    Connection: 'close',
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(body)),
    ...headers,
  }
  const lines = Object.entries(all).flatMap(([name, value]) => (value === '' ? [] : [`${name}: ${value}`]))
  return [`POST ${path} HTTP/1.1`, ...lines, '', body].join('\r\n')
}

const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
const cases: readonly (readonly [name: string, request: string, status: number])[] = [
  ['a body that is not JSON', post('{"a":'), 400],
  ['no body', post(''), 400],
  ['JSON that is not an object', post('42'), 400],
  ['JSON of depth 100,000', post(deep), 400],
  ['JSON of depth 33', post(`${'{"a":'.repeat(33)}1${'}'.repeat(33)}`), 400],
  ['a __proto__ member', post('{"__proto__":{"direction":"request"}}'), 400],
  ['a body longer than any message', post(`"${'x'.repeat(300_000)}"`), 413],
  ['another content type', post('direction=request', { 'Content-Type': 'text/plain' }), 415],
  ['no content type', post('{}', { 'Content-Type': '' }), 415],
  ['XML', post('<a/>', { 'Content-Type': 'application/xml' }), 415],
  ['a form', post('a=b', { 'Content-Type': 'application/x-www-form-urlencoded' }), 415],
  [
    'a path outside the root',
    'GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n',
    404,
  ],
  [
    'an encoded path outside the root',
    'GET /assets/..%2f..%2f..%2fauthority.db HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n',
    404,
  ],
  ['a path that cannot be decoded', 'GET /%zz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n', 400],
  [
    'a zero byte in the path',
    'GET /assets/a%00b HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n',
    403,
  ],
  [
    'another method',
    'DELETE /smart-agent/v1/hello HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n',
    404,
  ],
  ['no host', 'GET /health HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
  ['a header with a bare line feed', 'GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\nb\r\n\r\n', 400],
  [
    'headers that are too long',
    `GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
    431,
  ],
  ['two content lengths', post('{}', { 'Content-Length': '2\r\nContent-Length: 3' }), 400],
  ['a content length and chunked encoding', post('0\r\n\r\n', { 'Transfer-Encoding': 'chunked' }), 400],
  ['text that is not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 400],
]

describe('malformed requests to an authority (R-NET-5)', () => {
  it.each(cases)('%s is refused with the standard error body', async (_case, request, status) => {
    const response = await write(request)
    expect(statusOf(response)).toBe(status)
    expect(bodyOf(response)).toMatchObject({
      error: { code: expect.stringMatching(/^(REQUEST_|PROTOCOL_|HOST_)/) as unknown },
    })
    expect(response).not.toMatch(/node_modules|at .*\.js|SyntaxError|FST_/)
  })

  it.each([
    ['a body that is too large', post(`"${'x'.repeat(300_000)}"`), /too large/],
    [
      'a content type other than JSON',
      post('<a/>', { 'Content-Type': 'application/xml' }),
      /application\/json/,
    ],
    [
      'headers that are too long',
      `GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      /headers/,
    ],
  ])('%s is named in the error message', async (_case, request, words) => {
    const body = JSON.stringify(bodyOf(await write(request)))
    expect(body).toMatch(words)
    expect(body).not.toContain('Update the agent')
  })

  it('request headers are never reflected in the response', async () => {
    const response = await write(
      post('{}', {
        'X-Request-Id': 'mine',
        traceparent: '00-zz\tset-cookie: a=b',
        Origin: 'https://evil.example',
      }),
    )
    expect(response).not.toMatch(/mine|set-cookie|evil/i)
  })

  it('pipelined requests are all answered, up to the limit', async () => {
    const request = post(createHello(), { Connection: 'keep-alive' })
    const response = await write(
      request.repeat(DEFAULT_CONNECTION_LIMITS.maxPipelinedRequests - 1),
      post(createHello()),
    )
    expect(response.match(/HTTP\/1\.1 200 /g)).toHaveLength(DEFAULT_CONNECTION_LIMITS.maxPipelinedRequests)
  })

  it(`other clients are served within memory limits beside ${IDLE} idle connections and ${SLOW} slow bodies`, async () => {
    const flood = spawn(
      'sh',
      [
        '-c',
        'ulimit -n "$0" && exec "$@"',
        String(DESCRIPTORS),
        process.execPath,
        FLOOD,
        url,
        String(IDLE),
        String(SLOW),
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    )
    try {
      const [first] = (await once(flood.stdout, 'data')) as [Buffer]
      expect(JSON.parse(first.toString())).toEqual({ idle: IDLE, slow: SLOW, ended: 0 })
      const scraped = await (await fetch(`${metrics}/metrics`)).text()
      expect(Number(/connections\{stage="idle"\} (\d+)/.exec(scraped)?.[1])).toBeGreaterThanOrEqual(IDLE)
      const agent = new Agent()
      for (let i = 0; i < 20; i++) expect(await sendHello(url, agent)).toMatchObject({ status: 200 })
      expect((await fetch(`${metrics}/ready`)).status).toBe(200)
      // A connection takes about 32 KiB. The limit allows 64 KiB each, plus 200 MiB for the program.
      expect(readMemoryMebibytes(pid)).toBeLessThan(200 + (IDLE + SLOW) / 16)
    } finally {
      flood.kill('SIGKILL')
    }
  })
})
