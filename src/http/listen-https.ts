import type { FastifyInstance } from 'fastify'
import type { NetworkList } from '../core/ip-address.ts'
import { formatUrlHost } from '../core/host-name.ts'
import { ConnectionLimiter } from './connection-limiter.ts'
import { createHardenedServer } from './create-server.ts'
import { listen } from './listen.ts'

/** Enough for a console: browsers use a few connections each. */
const MAX_CONNECTIONS = 500
const MAX_BODY_BYTES = 256 * 1024
const MAX_INFLIGHT_BODY_BYTES = 16 * 1024 * 1024

/** Server for browsers and programs of administrators. */
export interface ListeningServer {
  readonly url: string
  readonly server: FastifyInstance['server']
  readonly connections: ConnectionLimiter
  /** Stops accepting connections, and resolves after the requests in progress are answered. */
  readonly drain: () => Promise<void>
  readonly close: () => Promise<void>
}

/** Serves routes over HTTPS, with the limits for a console. @throws LicensingError ADDRESS_IN_USE */
export async function listenHttps(
  options: {
    host: string
    port: number
    tls: { cert: string; key: string }
    trustedProxies: NetworkList
  },
  routes: (server: FastifyInstance) => Promise<void>,
): Promise<ListeningServer> {
  const { host, port, tls, trustedProxies } = options
  const connections = new ConnectionLimiter({
    maxConnections: MAX_CONNECTIONS,
    maxInflightBodyBytes: MAX_INFLIGHT_BODY_BYTES,
  })
  const server = createHardenedServer({
    tls,
    limiter: connections,
    bodyLimit: MAX_BODY_BYTES,
    trustedProxies,
  })
  await server.register(routes)
  const bound = await listen(server, { host, port })
  return {
    url: `https://${formatUrlHost(host)}:${bound}`,
    server: server.server,
    connections,
    drain: () => server.close(),
    close: async () => {
      connections.abort()
      await server.close()
    },
  }
}
