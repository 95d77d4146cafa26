import { isIP } from 'node:net'
import { LicensingError } from '../core/errors.ts'
import { ConnectionLimiter } from '../http/connection-limiter.ts'
import { createHardenedServer } from '../http/create-server.ts'
import { toErrorStatus } from '../http/error-status.ts'
import { formatUrlHost } from '../core/host-name.ts'
import { readHostName } from '../http/host-header.ts'
import { listHostNames } from '../http/listen-self-signed.ts'
import { listen } from '../http/listen.ts'

/** Enough for a scraper and a few administrators with curl. */
const MAX_CONNECTIONS = 100
const MAX_BODY_BYTES = 1024

/** Running server for metrics and health checks. */
export interface OperationsServer {
  readonly url: string
  readonly close: () => Promise<void>
}

/**
 * Serves `/metrics`, `/health` and `/ready` over plain HTTP, for the operator's tools.
 *
 * @throws LicensingError ADDRESS_IN_USE
 */
export async function serveOperations(options: {
  host: string
  port: number
  /** Further host names by which clients may ask for the metrics. IP addresses are always allowed. */
  hosts?: readonly string[]
  /** Renders the metrics in the Prometheus text format. */
  render: () => Promise<{ contentType: string; text: string }>
  /** Returns the reasons why the program is not ready. Empty if ready. */
  notReadyReasons: () => Promise<readonly string[]>
}): Promise<OperationsServer> {
  const { host, port, hosts = [], render, notReadyReasons } = options
  const names = new Set(listHostNames(host, hosts).map((name) => name.toLowerCase()))
  const limiter = new ConnectionLimiter({ maxConnections: MAX_CONNECTIONS })
  const server = createHardenedServer({ tls: null, limiter, bodyLimit: MAX_BODY_BYTES })
  server.addHook('onSend', async (_request, reply) => {
    void reply.header('cache-control', 'no-store')
  })
  server.get('/metrics', async (request, reply) => {
    const name = readHostName(request.headers.host ?? '')
    if (name !== '' && isIP(name) === 0 && !names.has(name)) {
      // A page of another site could otherwise read the metrics under a name of its own (DNS rebinding).
      const failure = new LicensingError(
        'HOST_REFUSED',
        `The metrics have no host name ${JSON.stringify(name)}.`,
        { remedy: 'Use the IP address, or add this name with --metrics-host.' },
      )
      return reply.code(toErrorStatus(failure, 400)).send({ error: failure.toJSON() })
    }
    const { contentType, text } = await render()
    return reply.type(contentType).send(text)
  })
  server.get('/health', () => ({ status: 'ok' }))
  server.get('/ready', async (_request, reply) => {
    const reasons = await notReadyReasons()
    return reasons.length === 0 ? { status: 'ready' } : reply.code(503).send({ status: 'not-ready', reasons })
  })
  const bound = await listen(server, { host, port, exclusive: true })
  return {
    url: `http://${formatUrlHost(host)}:${bound}`,
    close: async () => {
      limiter.abort()
      await server.close()
    },
  }
}
