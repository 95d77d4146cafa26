import type { FastifyInstance } from 'fastify'
import { Server as TlsServer } from 'node:tls'
import type { NetworkList } from '../core/ip-address.ts'
import type { ServerLogger } from '../core/server-logger.ts'
import { MINUTE } from '../core/time.ts'
import { TLS_SETTINGS } from '../transports/tls-settings.ts'
import { type ConsoleCertificate, reloadCertificate } from './console-certificate.ts'
import { listenHttps, type ListeningServer } from './listen-https.ts'

/**
 * Serves the web console and the REST API at an address of their own, with a company's certificate. Presents a replaced
 * certificate within a minute.
 *
 * @throws LicensingError ADDRESS_IN_USE
 */
export async function serveConsole(
  options: {
    host: string
    port: number
    certificate: ConsoleCertificate
    trustedProxies: NetworkList
    logger: ServerLogger
  },
  routes: (server: FastifyInstance) => Promise<void>,
): Promise<Pick<ListeningServer, 'url' | 'drain' | 'close'>> {
  const { certificate, logger, ...address } = options
  const listening = await listenHttps({ ...address, tls: certificate.tls }, routes)
  const { server } = listening
  const timer = setInterval(() => {
    if (reloadCertificate(certificate, logger) && server instanceof TlsServer)
      server.setSecureContext({ ...certificate.tls, ...TLS_SETTINGS })
  }, MINUTE)
  return {
    url: listening.url,
    drain: () => {
      clearInterval(timer)
      return listening.drain()
    },
    close: () => {
      clearInterval(timer)
      return listening.close()
    },
  }
}
