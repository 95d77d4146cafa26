import { createPrivateKey, createPublicKey } from 'node:crypto'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect as connectTcp } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls, createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import type { ServerLogger } from '../core/server-logger.ts'
import { LicensingError } from '../core/errors.ts'
import { DAY, HOUR, type Instant } from '../core/time.ts'
import { formatUrlHost, LOOPBACK } from '../core/host-name.ts'
import { toAddressInUseError } from '../http/listen.ts'
import { TLS_CLIENT_SETTINGS, TLS_SETTINGS } from '../transports/tls-settings.ts'
import { createTlsCa, generateKey, type Issuer, issueTlsCertificate } from '../pki/certificate-generation.ts'

/** The fixed hosts of the field's cloud, to which clients without a setting for it go. */
export const CLOUD_NAMES: readonly string[] = [
  'swapi.cisco.com',
  'apx.cisco.com',
  'apmx.cisco.com',
  'cloudsso.cisco.com',
  'id.cisco.com',
]

/** How long the CA of the door lasts, and what it issues: a program that runs longer is started again. */
const CA_LIFE = 30 * DAY
const PORT = '443'
/** Clients that are on their way at a time. */
const MOST = 200
const HANDSHAKE = 30_000

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$/

/** @throws LicensingError INVALID_ARGUMENT */
function checkNames(names: readonly string[]): string[] {
  return names.map((given) => {
    const name = given.toLowerCase()
    if (HOST_NAME.test(name)) return name
    throw new LicensingError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(given.slice(0, 100))} is not the name of a host.`,
    )
  })
}

/**
 * A proxy by which clients that know fixed hosts alone are led to this authority (trust §12): for those hosts, at port
 * 443, and nowhere else. It ends their TLS with certificates of a CA that it makes when it begins, whose key never
 * leaves its memory. Loopback only.
 */
export class ConnectDoor {
  readonly #authority: { readonly host: string; readonly port: number; readonly trust: string }
  readonly #logger: ServerLogger
  readonly #server: Server
  readonly #open = new Set<Duplex>()
  readonly #contexts: ReadonlyMap<string, SecureContext>
  /** The certificate of the CA, for clients to trust: PEM. */
  readonly caCertificate: string

  private constructor(
    contexts: ReadonlyMap<string, SecureContext>,
    caCertificate: string,
    authority: { host: string; port: number; trust: string },
    logger: ServerLogger,
  ) {
    this.#contexts = contexts
    this.caCertificate = caCertificate
    this.#authority = authority
    this.#logger = logger
    // Whoever asks for something else than to be led is not led.
    this.#server = createServer((_request, response) => {
      response.writeHead(403, { 'content-length': 0, connection: 'close' }).end()
    })
    this.#server.on('connect', (request, socket, head) => {
      this.#lead(request, socket, head)
    })
  }

  /**
   * Opens the door.
   *
   * @param options.authority where the authority is served, and the root certificate that it is known by
   * @param options.at what time it is
   * @returns the door, and the URL of the proxy
   * @throws LicensingError INVALID_ARGUMENT: another address than a loopback one, a name that is none; ADDRESS_IN_USE
   */
  static async open(options: {
    host: string
    port: number
    names: readonly string[]
    authority: { host: string; port: number; trust: string }
    at: Instant
    logger: ServerLogger
  }): Promise<{ door: ConnectDoor; url: string }> {
    const { host, port, authority, at, logger } = options
    if (!LOOPBACK.includes(host))
      throw new LicensingError('INVALID_ARGUMENT', `The CONNECT proxy is at one of ${LOOPBACK.join(', ')}.`)
    const names = checkNames(options.names)
    const ca = await createCa(at)
    const contexts = new Map<string, SecureContext>()
    for (const name of names) contexts.set(name, await contextOf(ca, name, at))
    const door = new ConnectDoor(contexts, ca.certificate, authority, logger)
    return { door, url: `http://${formatUrlHost(host)}:${await door.#listen({ host, port })}` }
  }

  #listen(at: { host: string; port: number }): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (thrown) => {
        reject(toAddressInUseError(at, thrown))
      })
      this.#server.listen(at.port, at.host, () => {
        resolve((this.#server.address() as AddressInfo).port)
      })
    })
  }

  #lead({ url = '' }: IncomingMessage, socket: Duplex, head: Buffer): void {
    const [, name = '', port] = /^([^:]+):(\d{1,5})$/.exec(url.toLowerCase()) ?? []
    const context = this.#contexts.get(name)
    socket.on('error', () => socket.destroy())
    if (!context || port !== PORT || this.#open.size >= 2 * MOST) {
      this.#logger.info('a CONNECT was refused', { to: url.slice(0, 100) })
      socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
      return
    }
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
    if (head.length > 0) socket.unshift(head)
    const inner = new TLSSocket(socket, {
      isServer: true,
      secureContext: context,
      ALPNProtocols: ['http/1.1'],
    })
    const outer = connectTls({
      socket: connectTcp(this.#authority.port, this.#authority.host),
      servername: 'localhost',
      ca: this.#authority.trust,
      ...TLS_CLIENT_SETTINGS,
      ALPNProtocols: ['http/1.1'],
    })
    this.#join(inner, outer)
  }

  /** What comes on one goes out on the other, until either ends. */
  #join(inner: TLSSocket, outer: TLSSocket): void {
    const end = () => {
      inner.destroy()
      outer.destroy()
    }
    inner.setTimeout(HANDSHAKE, end)
    inner.once('secure', () => inner.setTimeout(0))
    for (const one of [inner, outer]) {
      this.#open.add(one)
      one.on('error', end)
      one.on('close', () => {
        this.#open.delete(one)
        end()
      })
    }
    inner.pipe(outer)
    outer.pipe(inner)
  }

  async close(): Promise<void> {
    for (const one of this.#open) one.destroy()
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve()
      })
      this.#server.closeAllConnections()
    })
  }
}

const createCa = (at: Instant): Promise<Issuer> =>
  createTlsCa({
    name: 'Smart Licensing CONNECT door',
    notBefore: at - HOUR,
    notAfter: at + CA_LIFE,
  })

async function contextOf(ca: Issuer, name: string, at: Instant): Promise<SecureContext> {
  const key = await generateKey()
  const certificate = await issueTlsCertificate(ca, createPublicKey(createPrivateKey(key)), {
    name,
    notBefore: at - HOUR,
    notAfter: at + CA_LIFE,
    hosts: [name],
  })
  return createSecureContext({ key, cert: certificate, ...TLS_SETTINGS })
}
