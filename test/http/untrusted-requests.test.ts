import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { parseNetworks } from '../../src/core/ip-address.ts'
import { ConnectionLimiter } from '../../src/http/connection-limiter.ts'
import { createHardenedServer } from '../../src/http/create-server.ts'
import { listen } from '../../src/http/listen.ts'
import { createSelfSigned, toTlsOptions } from '../../src/pki/certificate-generation.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing) await close()
  closing = []
})

async function serve(
  trustedProxies: readonly string[] = [],
  tls: { cert: string; key: string } | null = null,
) {
  const limiter = new ConnectionLimiter()
  const server = createHardenedServer({
    tls,
    limiter,
    bodyLimit: 1_000,
    trustedProxies: parseNetworks(trustedProxies),
  })
  server.get('/address', (request) => ({ address: request.clientAddress }))
  server.post('/length', (request) => ({ length: JSON.stringify(request.body).length }))
  const port = await listen(server, { host: '127.0.0.1', port: 0 })
  closing.push(async () => {
    limiter.abort()
    await server.close()
  })
  return port
}

/**
 * Sends raw bytes, as many clients do before they read, and returns everything that the server answers until it closes
 * the connection.
 */
async function exchange(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let received = ''
  socket.on('error', (error) => (received += error.message))
  await once(socket, 'connect')
  await new Promise<void>((resolve, reject) =>
    socket.write(bytes, (error) => {
      if (error) reject(error)
      else resolve()
    }),
  )
  socket.setEncoding('utf8').on('data', (text: string) => (received += text))
  await once(socket, 'close')
  return received
}
const statusOf = (answer: string) => answer.split(' ', 2)[1]

describe('the Host header of a request', () => {
  const getAddress = (version: string, ...hosts: string[]) =>
    `GET /address HTTP/${version}\r\n${hosts.map((host) => `Host: ${host}\r\n`).join('')}Connection: close\r\n\r\n`

  it.each([
    ['twice', ['localhost', 'evil.example']],
    ['twice with one value', ['localhost', 'localhost']],
    ['with user information', ['localhost:80@evil.example']],
    ['with a user', ['user@localhost']],
    ['with a path', ['localhost/path']],
    ['with two ports', ['localhost:1:2']],
    ['missing in HTTP/1.1', []],
  ])('is refused with 400: %s (R-OPS-4)', async (_, hosts) => {
    const answer = await exchange(await serve(), getAddress('1.1', ...hosts))
    expect(statusOf(answer)).toBe('400')
    expect(answer).toContain('REQUEST_MALFORMED')
  })

  it.each([['localhost'], ['localhost:8443'], ['[::1]:8443'], ['127.0.0.1'], ['xn--bcher-kva.example']])(
    'may be %s',
    async (host) => {
      expect(statusOf(await exchange(await serve(), getAddress('1.1', host)))).toBe('200')
    },
  )

  it('may be missing in HTTP/1.0, as in the health checks of HAProxy (R-OPS-4)', async () => {
    expect(statusOf(await exchange(await serve(), getAddress('1.0')))).toBe('200')
  })

  it('may be missing in HTTP/1.0 over TLS from a client that offers no other version', async () => {
    const at = Date.now()
    const credential = await createSelfSigned({
      name: 'localhost',
      notBefore: at - 1_000,
      notAfter: at + 60_000,
      hosts: ['localhost'],
    })
    const socket = connectTls({
      port: await serve([], toTlsOptions(credential)),
      host: '127.0.0.1',
      ca: [...credential.certificates],
      servername: 'localhost',
      ALPNProtocols: ['http/1.0'],
    })
    let received = ''
    socket.setEncoding('utf8').on('data', (text: string) => (received += text))
    socket.write(getAddress('1.0'))
    await once(socket, 'close')
    expect(statusOf(received)).toBe('200')
  })
})

describe('a body beyond the limit', () => {
  const head = 'POST /length HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'

  it('is answered with 413 before the connection ends, while the client still sends', async () => {
    const body = 'x'.repeat(8_000_000)
    const answer = await exchange(
      await serve(),
      `${head}Connection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    expect(statusOf(answer)).toBe('413')
    expect(answer).toMatch(/"code":"FST_ERR_CTP_BODY_TOO_LARGE".*\}$/)
  })

  it('is answered with 413 where its length is not announced', async () => {
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`
    const answer = await exchange(
      await serve(),
      `${head}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(128)}0\r\n\r\n`,
    )
    expect(statusOf(answer)).toBe('413')
    expect(answer).toMatch(/"code":"FST_ERR_CTP_BODY_TOO_LARGE".*\}$/)
  })
})

describe('the address of a client', () => {
  const ask = async (trusted: string[], ...forwarded: string[]) => {
    const answer = await exchange(
      await serve(trusted),
      `GET /address HTTP/1.1\r\nHost: x\r\n${forwarded.map((line) => `X-Forwarded-For: ${line}\r\n`).join('')}Connection: close\r\n\r\n`,
    )
    return (JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))) as { address: string }).address
  }

  it('is that of its connection, whatever X-Forwarded-For says, without a trusted proxy (R-OPS-4)', async () => {
    expect(await ask([], '203.0.113.7')).toBe('127.0.0.1')
    expect(await ask(['10.0.0.0/8'], '203.0.113.7')).toBe('127.0.0.1')
  })
  it('is the one that a trusted proxy names, read from right to left (R-OPS-4)', async () => {
    expect(await ask(['127.0.0.1'], '198.51.100.1, 203.0.113.7')).toBe('203.0.113.7')
    expect(await ask(['127.0.0.0/8', '10.0.0.0/8'], '198.51.100.1, 203.0.113.7, 10.1.2.3')).toBe(
      '203.0.113.7',
    )
    expect(await ask(['127.0.0.1'], '198.51.100.1', '203.0.113.7')).toBe('203.0.113.7')
    expect(await ask(['127.0.0.1'], '2001:DB8::0007')).toBe('2001:db8::7')
  })
  it('is read without the port that some proxies add', async () => {
    expect(await ask(['127.0.0.1'], '203.0.113.7:4711')).toBe('203.0.113.7')
    expect(await ask(['127.0.0.1'], '[2001:db8::7]:4711')).toBe('2001:db8::7')
    expect(await ask(['127.0.0.1'], '::ffff:203.0.113.7')).toBe('203.0.113.7')
  })
  it('is that of the proxy where the entry is no address', async () => {
    expect(await ask(['127.0.0.1'], 'unknown')).toBe('127.0.0.1')
    expect(await ask(['127.0.0.1'], '203.0.113.7, _hidden')).toBe('127.0.0.1')
    expect(await ask(['127.0.0.1'], '')).toBe('127.0.0.1')
  })
})
