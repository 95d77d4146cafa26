// Measures the exchanges of an agent. The baseline is Node's own `https.Agent`.
import { Agent, createServer, request } from 'node:https'
import { createMockAuthority } from '../../dist/mocks/index.js'
import { startFaultNetwork } from '../../dist/mocks/network/fault-network.js'
import { createHttpsTransport } from '../../dist/src/transports/https.js'
import { toTlsOptions } from '../../dist/src/pki/certificate-generation.js'
import { perSecond } from '../table.mjs'

const EXCHANGES = 1000

/** Measures 1,000 sequential exchanges, direct and through a proxy. */
export async function transports(row) {
  const mock = await createMockAuthority()
  const now = Date.now()
  const tls = await mock.authority.operations.server.createTestTls({
    notBefore: now - 60_000,
    notAfter: now + 86_400_000,
    hosts: ['localhost'],
  })
  const server = createServer({ ...toTlsOptions(tls), keepAliveTimeout: 60_000 }, (request, response) => {
    request
      .resume()
      .once('end', () => response.setHeader('content-type', 'application/json').end('{"ok":true}'))
  })
  let handshakes = 0
  server.on('secureConnection', () => handshakes++)
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
  const network = await startFaultNetwork(server.address().port, (facts) =>
    mock.authority.operations.server.createTestTls(facts),
  )
  const body = JSON.stringify({ hello: 'x'.repeat(1000) })
  const { url, via } = network.settings('proxy')

  const bare = new Agent({ keepAlive: true, maxSockets: 1, ca: mock.trustAnchor })
  const ask = () =>
    new Promise((resolve, reject) => {
      const clientRequest = request(
        `${url}/x`,
        { method: 'POST', agent: bare, headers: { 'content-type': 'application/json' } },
        (response) => {
          let text = ''
          response
            .setEncoding('utf8')
            .on('data', (part) => (text += part))
            .once('end', () => resolve(text))
        },
      )
      clientRequest.once('error', reject)
      clientRequest.end(body)
    })
  const timed = async (exchange) => {
    handshakes = 0
    const start = performance.now()
    for (let i = 0; i < EXCHANGES; i++) await exchange()
    return { rate: (1000 * EXCHANGES) / (performance.now() - start), handshakes }
  }
  await timed(ask)
  const floor = await timed(ask)
  bare.destroy()
  for (const [name, proxy] of [
    ['direct', null],
    ['through a proxy', { url: new URL(via), username: null, password: null }],
  ]) {
    const transport = createHttpsTransport({ url, proxy, anchors: [mock.trustAnchor] })
    const { rate, handshakes: count } = await timed(() => transport.post('/x', body))
    transport.close()
    row(
      `${EXCHANGES} exchanges ${name}, ${count} TLS handshake${count === 1 ? '' : 's'}`,
      perSecond(rate),
      `${perSecond(floor.rate)} bare https.Agent`,
      floor.rate / rate,
      '',
    )
  }
  await network.close()
  server.closeAllConnections()
  server.close()
  await mock.close()
}
