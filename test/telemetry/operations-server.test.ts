import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type OperationsServer, serveOperations } from '../../src/telemetry/operations-server.ts'

let server: OperationsServer
beforeAll(async () => {
  server = await serveOperations({
    host: '127.0.0.1',
    port: 0,
    hosts: ['authority.monitoring.example'],
    render: () => Promise.resolve({ contentType: 'text/plain', text: 'up 1\n' }),
    notReadyReasons: () => Promise.resolve([]),
  })
})
afterAll(async () => {
  await server.close()
})

/** Returns the status line and the body of the answer to a raw request. */
async function ask(request: string): Promise<string> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  let received = ''
  socket.setEncoding('utf8').on('data', (text: string) => (received += text))
  await once(socket, 'connect')
  socket.write(request)
  await once(socket, 'close')
  return received
}
const get = (path: string, host: string) =>
  ask(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)

describe('the server for metrics and health', () => {
  it.each(['/metrics', '/health', '/ready'])(
    'answers %s without a Host header, as the health checks of HAProxy send it (R-OPS-4)',
    async (path) => {
      expect(await ask(`GET ${path} HTTP/1.0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 200 /)
    },
  )
  it.each(['127.0.0.1', '10.1.2.3:9090', '[::1]:9090', 'localhost', 'AUTHORITY.monitoring.example:9090'])(
    'answers the metrics for the host %s',
    async (host) => {
      expect(await get('/metrics', host)).toMatch(/up 1\n$/)
    },
  )
  it('refuses the metrics for another host name, which a page of another site may have (DNS rebinding)', async () => {
    for (const host of [
      'evil.example',
      'evil.example:9090',
      'monitoring.example',
      '127.0.0.1.evil.example',
    ]) {
      const answer = await get('/metrics', host)
      expect(answer).toMatch(/^HTTP\/1\.1 421 .*HOST_REFUSED.*--metrics-host/s)
      expect(answer).not.toContain('up 1')
    }
  })
  it('answers health checks for every host name', async () => {
    expect(await get('/ready', 'balancer.example')).toContain('{"status":"ready"}')
  })
})
