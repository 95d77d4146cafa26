import { spawn } from 'node:child_process'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createInterceptionCredential } from '../../mocks/network/interception-certificate.ts'
import { createMockAuthority, type MockAuthority } from '../../mocks/index.ts'
import { DAY } from '../../src/core/time.ts'
import { createHttpsTransport } from '../../src/transports/https.ts'
import { toTlsOptions } from '../../src/pki/certificate-generation.ts'
import type { ConnectionOptions } from '../../src/transports/connection-options.ts'
import { getErrorCode } from '../support/test-environment.ts'

/** Authority whose certificates the peers of the tests use. The fault catalog cannot simulate these peers. */
let mock: MockAuthority
const ends: (() => unknown)[] = []
beforeEach(async () => {
  mock = await createMockAuthority()
})
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
  await mock.close()
})

const post = (url: string, more: Partial<ConnectionOptions> = {}) => {
  const transport = createHttpsTransport({
    url,
    proxy: null,
    anchors: [mock.trustAnchor],
    ...more,
  })
  ends.push(() => {
    transport.close()
  })
  return transport.post('/x', '{}')
}
const credential = async () => {
  const now = Date.now()
  return toTlsOptions(
    await mock.authority.operations.server.createTestTls({
      notBefore: now - DAY,
      notAfter: now + DAY,
      hosts: ['localhost', '::1'],
    }),
  )
}
const listen = async (server: ReturnType<typeof createServer>, host = '127.0.0.1'): Promise<number> => {
  await new Promise<void>((resolve) => {
    server.listen(0, host, () => {
      resolve()
    })
  })
  ends.push(() => server.close())
  return (server.address() as AddressInfo).port
}

describe('R-NET-1: a connection', () => {
  it('fails with CONNECT_TIMED_OUT or PROXY_UNREACHABLE if a host drops packets', async () => {
    // The process accepts no connections. Once its queue is full, the kernel drops further attempts.
    const script = `
      const server = require('node:net').createServer().listen(0, '127.0.0.1', 1, () => {
        require('node:fs').writeSync(1, String(server.address().port))
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000)
      })`
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] })
    ends.push(() => child.kill('SIGKILL'))
    const port = await new Promise<number>((resolve) => {
      child.stdout.once('data', (text: Buffer) => {
        resolve(Number(text.toString()))
      })
    })
    const fill: Socket[] = Array.from({ length: 4 }, () =>
      connect(port, '127.0.0.1').on('error', () => undefined),
    )
    ends.push(() => {
      for (const socket of fill) socket.destroy()
    })
    await new Promise((resolve) => fill[0]?.once('connect', resolve))
    const deadlines = { connect: 300, proxy: 300, tls: 300 }
    expect(await getErrorCode(post(`https://127.0.0.1:${port}`, { deadlines }))).toBe('CONNECT_TIMED_OUT')
    const proxy = { url: new URL(`http://127.0.0.1:${port}`), username: null, password: null }
    expect(await getErrorCode(post('https://localhost:1', { proxy, deadlines }))).toBe('PROXY_UNREACHABLE')
  })

  it('fails with DNS_FAILED for an unknown name, and with PROXY_UNREACHABLE for that of a proxy', async () => {
    expect(await getErrorCode(post('https://unknown.invalid'))).toBe('DNS_FAILED')
    const proxy = { url: new URL('http://unknown.invalid:3128'), username: null, password: null }
    expect(await getErrorCode(post('https://localhost:1', { proxy }))).toBe('PROXY_UNREACHABLE')
  })

  it('fails with TLS_FAILED if the server has no TLS 1.2', async () => {
    const server = createTlsServer({
      ...(await credential()),
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT:@SECLEVEL=0',
    })
    server.on('tlsClientError', () => undefined)
    expect(await getErrorCode(post(`https://localhost:${await listen(server)}`))).toBe('TLS_FAILED')
  })

  it('fails with TLS_INSPECTED and a sanitized issuer name', async () => {
    const inspecting = await createInterceptionCredential(Date.now(), {
      company: [{ CN: ['Evil\u001b[2J\u001b]0;pwned\u0007\nerror: all is well'] }, { O: ['x'.repeat(5000)] }],
    })
    const server = createTlsServer(toTlsOptions(inspecting))
    server.on('tlsClientError', () => undefined)
    const failed = await post(`https://localhost:${await listen(server)}`).catch((error: unknown) => error)
    expect(failed).toMatchObject({ code: 'TLS_INSPECTED' })
    expect((failed as Error).message).toMatch(/Evil/)
    expect((failed as Error).message).not.toMatch(/\p{Cc}/u)
    expect((failed as Error).message.length).toBeLessThan(500)
  })

  it('fails with PROXY_FAILED if the proxy opens a tunnel and answers itself', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        socket.once('data', () =>
          socket.end('HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<title>Sign in</title>'),
        )
      })
    })
    const proxy = { url: new URL(`http://127.0.0.1:${await listen(server)}`), username: null, password: null }
    expect(await getErrorCode(post('https://localhost:1', { proxy }))).toBe('PROXY_FAILED')
  })

  it('fails with PROXY_AUTHENTICATION_REFUSED if the proxy does not offer Basic authentication', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () =>
        socket.end(
          'HTTP/1.1 407 No\r\nproxy-authenticate: Digest realm="x", nonce="y"\r\nproxy-authenticate: NTLM\r\ncontent-length: 0\r\n\r\n',
        ),
      )
    })
    const proxy = {
      url: new URL(`http://127.0.0.1:${await listen(server)}`),
      username: 'bob',
      password: 'right',
    }
    await expect(post('https://localhost:1', { proxy })).rejects.toMatchObject({
      code: 'PROXY_AUTHENTICATION_REFUSED',
      message: expect.stringContaining('requires Digest or NTLM') as string,
    })
  })

  it('fails with ANSWER_NOT_HTTP if a server with a valid certificate speaks another protocol', async () => {
    const server = createTlsServer(await credential(), (socket) => {
      socket.on('error', () => undefined)
      socket.write('220 mail.example ESMTP ready\r\n')
    })
    expect(await getErrorCode(post(`https://localhost:${await listen(server)}`))).toBe('ANSWER_NOT_HTTP')
  })

  it('supports an IPv6 address and a path prefix', async () => {
    const paths: string[] = []
    const { createServer: createHttps } = await import('node:https')
    const server = createHttps(await credential(), (request, response) => {
      paths.push(request.url ?? '')
      response.setHeader('content-type', 'application/json').end('{}')
    })
    const port = await listen(server, '::1')
    expect(await post(`https://[::1]:${port}/licensing`)).toBe('{}')
    expect(paths).toEqual(['/licensing/x'])
  })

  it('is opened again at once if the server closed the kept one', async () => {
    const { createServer: createHttps } = await import('node:https')
    const sockets = new Set<Socket>()
    const server = createHttps(await credential(), (_, response) => {
      response.setHeader('content-type', 'application/json').end('{}')
    })
    server.on('connection', (socket: Socket) => sockets.add(socket))
    const port = await listen(server)
    const transport = createHttpsTransport({
      url: `https://localhost:${port}`,
      proxy: null,
      anchors: [mock.trustAnchor],
    })
    ends.push(() => {
      transport.close()
    })
    await transport.post('/x', '{}')
    for (const socket of sockets) socket.destroy()
    expect(await transport.post('/x', '{}')).toBe('{}')
    expect(sockets.size).toBe(2)
  })
})

describe('a TLS session', () => {
  it('is resumed after the authority closed the connection, and discarded after any failure', async () => {
    const reused: boolean[] = []
    let garble = false
    const server = createTlsServer(await credential(), (socket) => {
      reused.push(socket.isSessionReused())
      socket.on('error', () => undefined)
      socket.once('data', () => {
        socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}')
      })
    })
    const port = await listen(server)
    const front = createServer((socket) => {
      if (garble) socket.end('not TLS')
      else {
        const onward = connect(port, '127.0.0.1')
        onward.on('error', () => socket.destroy())
        socket.on('error', () => onward.destroy())
        socket.pipe(onward).pipe(socket)
      }
    })
    const transport = createHttpsTransport({
      url: `https://localhost:${await listen(front, 'localhost')}`,
      proxy: null,
      anchors: [mock.trustAnchor],
    })
    ends.push(() => {
      transport.close()
    })
    await transport.post('/x', '{}')
    await transport.post('/x', '{}')
    expect(reused).toEqual([false, true])
    garble = true
    expect(await getErrorCode(transport.post('/x', '{}'))).not.toBe('no error')
    garble = false
    await transport.post('/x', '{}')
    await transport.post('/x', '{}')
    expect(reused).toEqual([false, true, false, true])
  })
})
