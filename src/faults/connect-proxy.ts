import { createPrivateKey, createPublicKey } from 'node:crypto'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect as connectTcp } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import type { ServerLogger } from '../core/server-logger.ts'
import { LicensingError } from '../core/errors.ts'
import { DAY, HOUR, type Instant } from '../core/time.ts'
import { formatUrlHost, LOOPBACK_HOSTS } from '../core/host-name.ts'
import { toAddressInUseError } from '../http/listen.ts'
import { TLS_CLIENT_SETTINGS, TLS_SETTINGS } from '../transports/tls-settings.ts'
import { createTlsCa, generateKey, type Issuer, issueTlsCertificate } from '../pki/certificate-generation.ts'

/** Hosts of the vendor's cloud that some clients have hard-coded. */
export const CLOUD_HOSTS: readonly string[] = [
  'swapi.cisco.com',
  'apx.cisco.com',
  'apmx.cisco.com',
  'cloudsso.cisco.com',
  'id.cisco.com',
]

/** Lifetime of the CA and of the certificates that it issues. */
const CA_LIFETIME = 30 * DAY
const TUNNEL_PORT = '443'
const MAX_TUNNELS = 200
const HANDSHAKE_TIMEOUT_MS = 30_000

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$/

/** @throws LicensingError INVALID_ARGUMENT */
function normalizeHosts(hosts: readonly string[]): string[] {
  return hosts.map((given) => {
    const host = given.toLowerCase()
    if (HOST_NAME.test(host)) return host
    throw new LicensingError('INVALID_ARGUMENT', `${JSON.stringify(given.slice(0, 100))} is not a host name.`)
  })
}

/** Authority that clients are redirected to. */
export interface ProxiedAuthority {
  readonly host: string
  readonly port: number
  /** Root certificate: PEM. */
  readonly trust: string
}

export interface ConnectProxyOptions {
  /** Loopback address to listen on. */
  readonly host: string
  /** Port to listen on; 0 for a free one. */
  readonly port: number
  /** Hosts whose tunnels end at the authority. Default: {@link CLOUD_HOSTS} */
  readonly hosts?: readonly string[] | undefined
  readonly authority: ProxiedAuthority
  /** Current time in milliseconds since the epoch. */
  readonly at: Instant
  readonly logger: ServerLogger
}

/**
 * Test aid: an HTTP proxy that redirects clients with hard-coded hosts to an authority. It accepts only those hosts, at
 * port 443. The proxy terminates TLS with certificates of its own CA, which it creates at start and keeps in memory.
 */
export class ConnectProxy {
  readonly #authority: ProxiedAuthority
  readonly #logger: ServerLogger
  readonly #server: Server
  readonly #sockets = new Set<Duplex>()
  readonly #contexts: ReadonlyMap<string, SecureContext>
  /** Certificate of the CA that clients must trust: PEM. */
  readonly caCertificate: string

  constructor(
    contexts: ReadonlyMap<string, SecureContext>,
    caCertificate: string,
    authority: ProxiedAuthority,
    logger: ServerLogger,
  ) {
    this.#contexts = contexts
    this.caCertificate = caCertificate
    this.#authority = authority
    this.#logger = logger
    this.#server = createServer((_request, response) => {
      response.writeHead(403, { 'content-length': 0, connection: 'close' }).end()
    })
    this.#server.on('connect', (request, socket, head) => {
      this.#tunnel(request, socket, head)
    })
  }

  /** Returns the URL of the proxy. @throws LicensingError ADDRESS_IN_USE */
  async listen({ host, port }: { host: string; port: number }): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => {
        reject(toAddressInUseError({ host, port }, error))
      })
      this.#server.listen(port, host, resolve)
    })
    return `http://${formatUrlHost(host)}:${(this.#server.address() as AddressInfo).port}`
  }

  #tunnel({ url = '' }: IncomingMessage, socket: Duplex, head: Buffer): void {
    const [, host = '', port] = /^([^:]+):(\d{1,5})$/.exec(url.toLowerCase()) ?? []
    const context = this.#contexts.get(host)
    socket.on('error', () => socket.destroy())
    if (!context || port !== TUNNEL_PORT || this.#sockets.size >= 2 * MAX_TUNNELS) {
      this.#logger.info('a CONNECT was refused', { to: url.slice(0, 100) })
      socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
      return
    }
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
    if (head.length > 0) socket.unshift(head)
    const clientSocket = new TLSSocket(socket, {
      isServer: true,
      secureContext: context,
      ALPNProtocols: ['http/1.1'],
    })
    const upstreamSocket = connectTls({
      socket: connectTcp(this.#authority.port, this.#authority.host),
      servername: 'localhost',
      ca: this.#authority.trust,
      ...TLS_CLIENT_SETTINGS,
      ALPNProtocols: ['http/1.1'],
    })
    this.#pipe(clientSocket, upstreamSocket)
  }

  #pipe(clientSocket: TLSSocket, upstreamSocket: TLSSocket): void {
    const end = () => {
      clientSocket.destroy()
      upstreamSocket.destroy()
    }
    clientSocket.setTimeout(HANDSHAKE_TIMEOUT_MS, end)
    clientSocket.once('secure', () => clientSocket.setTimeout(0))
    for (const socket of [clientSocket, upstreamSocket]) {
      this.#sockets.add(socket)
      socket.on('error', end)
      socket.on('close', () => {
        this.#sockets.delete(socket)
        end()
      })
    }
    clientSocket.pipe(upstreamSocket)
    upstreamSocket.pipe(clientSocket)
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve()
      })
      this.#server.closeAllConnections()
    })
  }
}

/**
 * Starts a CONNECT proxy in front of an authority.
 *
 * @throws LicensingError INVALID_ARGUMENT for an address that is not loopback or an invalid host name; ADDRESS_IN_USE
 */
export async function startConnectProxy(
  options: ConnectProxyOptions,
): Promise<{ readonly proxy: ConnectProxy; readonly url: string }> {
  const { host, port, authority, at, logger } = options
  if (!LOOPBACK_HOSTS.includes(host))
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `The CONNECT proxy listens only on one of ${LOOPBACK_HOSTS.join(', ')}.`,
    )
  const hosts = normalizeHosts(options.hosts ?? CLOUD_HOSTS)
  const ca = await createCa(at)
  const contexts = new Map<string, SecureContext>()
  for (const name of hosts) contexts.set(name, await createContext(ca, name, at))
  const proxy = new ConnectProxy(contexts, ca.certificate, authority, logger)
  return { proxy, url: await proxy.listen({ host, port }) }
}

const createCa = (at: Instant): Promise<Issuer> =>
  createTlsCa({ name: 'Smart Licensing CONNECT proxy', notBefore: at - HOUR, notAfter: at + CA_LIFETIME })

async function createContext(ca: Issuer, name: string, at: Instant): Promise<SecureContext> {
  const key = await generateKey()
  const certificate = await issueTlsCertificate(ca, createPublicKey(createPrivateKey(key)), {
    name,
    notBefore: at - HOUR,
    notAfter: at + CA_LIFETIME,
    hosts: [name],
  })
  return createSecureContext({ key, cert: certificate, ...TLS_SETTINGS })
}
