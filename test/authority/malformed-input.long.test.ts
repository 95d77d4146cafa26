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
/** All of them are opened within the time that a connection may say nothing: many more take a quick machine. */
const IDLE = Number(process.env.HARM_CONNECTIONS ?? selectScale(1_000, 3_000))
const SLOW = IDLE / 10
/** Files and connections that a process may have open here: more than the connections of a flood. */
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
    ['--data-dir', programs.box('authority'), 'serve', '--json', '--listen', '127.0.0.1:0', '--metrics', '0'],
    { descriptors: DESCRIPTORS },
  )
  const said = JSON.parse(server.line) as { listening: string; metrics: string }
  url = said.listening
  metrics = said.metrics
  pid = server.child.pid ?? 0
})
afterAll(async () => {
  await programs.close()
})

/** Sends what somebody wrote by hand, and gives back all that is said until the connection is closed. */
const write = (...parts: string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    const { hostname: host, port } = new URL(url)
    const socket = connect({ host, port: Number(port), rejectUnauthorized: false }, () => {
      for (const part of parts) socket.write(part)
    })
    let said = ''
    socket.setEncoding('utf8').on('data', (text: string) => (said += text))
    socket.on('error', reject)
    socket.on('close', () => {
      resolve(said)
    })
  })
const statusOf = (said: string): number => Number(/^HTTP\/1\.1 (\d{3}) /.exec(said)?.[1])
const bodyOf = (said: string): unknown => JSON.parse(said.slice(said.indexOf('\r\n\r\n') + 4))

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
const cases: readonly (readonly [what: string, request: string, status: number])[] = [
  ['a body that is no JSON', post('{"a":'), 400],
  ['no body', post(''), 400],
  ['JSON of another kind', post('42'), 400],
  ['JSON a hundred thousand deep', post(deep), 400],
  ['JSON thirty-three deep', post(`${'{"a":'.repeat(33)}1${'}'.repeat(33)}`), 400],
  ['a prototype', post('{"__proto__":{"direction":"request"}}'), 400],
  ['a body that is longer than any message', post(`"${'x'.repeat(300_000)}"`), 413],
  ['another content type', post('direction=request', { 'Content-Type': 'text/plain' }), 415],
  ['no content type', post('{}', { 'Content-Type': '' }), 415],
  ['XML', post('<a/>', { 'Content-Type': 'application/xml' }), 415],
  ['a form', post('a=b', { 'Content-Type': 'application/x-www-form-urlencoded' }), 415],
  [
    'a path that leads out',
    'GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n',
    404,
  ],
  [
    'the same, encoded',
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
  ['two lengths', post('{}', { 'Content-Length': '2\r\nContent-Length: 3' }), 400],
  ['a length and chunks', post('0\r\n\r\n', { 'Transfer-Encoding': 'chunked' }), 400],
  ['what is no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 400],
]

describe('R-NET-5: what strangers send to an authority', () => {
  it.each(cases)('%s is refused, in the form of every refusal', async (_what, request, status) => {
    const said = await write(request)
    expect(statusOf(said)).toBe(status)
    expect(bodyOf(said)).toMatchObject({
      error: { code: expect.stringMatching(/^(REQUEST_|PROTOCOL_|HOST_)/) as unknown },
    })
    expect(said).not.toMatch(/node_modules|at .*\.js|SyntaxError|FST_/)
  })

  it.each([
    ['too large', post(`"${'x'.repeat(300_000)}"`), /larger/],
    ['no JSON by its type', post('<a/>', { 'Content-Type': 'application/xml' }), /application\/json/],
    [
      'headers that are too long',
      `GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      /headers/,
    ],
  ])('%s is told so', async (_what, request, words) => {
    const said = JSON.stringify(bodyOf(await write(request)))
    expect(said).toMatch(words)
    expect(said).not.toContain('Update the agent')
  })

  it('a header that would be given back is not: an answer’s headers are its own', async () => {
    const said = await write(
      post('{}', {
        'X-Request-Id': 'mine',
        traceparent: '00-zz\tset-cookie: a=b',
        Origin: 'https://evil.example',
      }),
    )
    expect(said).not.toMatch(/mine|set-cookie|evil/i)
  })

  it('requests one behind the other on a connection are all answered, as many as may be unanswered', async () => {
    const one = post(createHello(), { Connection: 'keep-alive' })
    const said = await write(
      one.repeat(DEFAULT_CONNECTION_LIMITS.maxPipelinedRequests - 1),
      post(createHello()),
    )
    expect(said.match(/HTTP\/1\.1 200 /g)).toHaveLength(DEFAULT_CONNECTION_LIMITS.maxPipelinedRequests)
  })

  it(`${IDLE} connections that say nothing and ${SLOW} slow bodies: others are served, within bounds of memory`, async () => {
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
      // Some 32 KiB for a connection, and as much again, beside what the program needs itself.
      expect(readMemoryMebibytes(pid)).toBeLessThan(200 + (IDLE + SLOW) / 16)
    } finally {
      flood.kill('SIGKILL')
    }
  })
})
