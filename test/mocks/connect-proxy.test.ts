import { once } from 'node:events'
import { createServer } from 'node:https'
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CLOUD_HOSTS, type ConnectProxy, startConnectProxy } from '../../mocks/index.ts'
import { DAY } from '../../src/core/time.ts'
import { createSelfSigned, toTlsOptions } from '../../src/pki/certificate-generation.ts'

const logger = { info: () => undefined, error: () => undefined }
const authority = { host: '127.0.0.1', port: 0, trust: '' }
let proxy: ConnectProxy
let port: number
let close: () => Promise<void>

beforeEach(async () => {
  const now = Date.now()
  const dates = { notBefore: now - DAY, notAfter: now + DAY }
  const certificate = await createSelfSigned({ name: 'localhost', hosts: ['localhost'], ...dates })
  const server = createServer(toTlsOptions(certificate), (_request, response) =>
    response.end('the authority'),
  )
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const trust = certificate.certificates.join('\n')
  const options = { ...authority, port: (server.address() as AddressInfo).port, trust }
  const started = await startConnectProxy({ host: '127.0.0.1', port: 0, authority: options, at: now, logger })
  proxy = started.proxy
  port = Number(new URL(started.url).port)
  close = async () => {
    await proxy.close()
    server.closeAllConnections()
    server.close()
  }
})
afterEach(() => close())

async function connectTo(target: string): Promise<{ socket: Socket; status: string }> {
  const socket = connectTcp(port, '127.0.0.1')
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  return { socket, status: answer.toString().slice(9, 12) }
}

describe('the CONNECT proxy', () => {
  it('redirects the cloud hosts to the authority with certificates of its own CA', async () => {
    const [servername = ''] = CLOUD_HOSTS
    const { socket, status } = await connectTo(`${servername}:443`)
    expect(status).toBe('200')
    const secure = connectTls({ socket, servername, ca: proxy.caCertificate })
    secure.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    let received = ''
    for await (const data of secure) received += String(data)
    expect(received).toContain('the authority')
  })

  it.each(['example.com:443', 'swapi.cisco.com:8443'])('refuses to connect to %s', async (target) => {
    const { socket, status } = await connectTo(target)
    expect(status).toBe('403')
    socket.destroy()
  })

  it.each([
    ['another address than a loopback one', { host: '0.0.0.0' }],
    ['an invalid host name', { hosts: ['*.cisco.com'] }],
  ])('refuses %s with INVALID_ARGUMENT', async (_what, wrong) => {
    const options = { host: '127.0.0.1', port: 0, authority, at: Date.now(), logger, ...wrong }
    await expect(startConnectProxy(options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})
