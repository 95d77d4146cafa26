import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import {
  faultCatalog,
  type FaultName,
  type ConnectionFaultName,
  createUntrustedCredential,
} from '../src/faults/index.ts'
import { DAY } from '../src/core/time.ts'
import type { TransportSettings } from '../src/transports/transport.ts'
import { type Credential, toTlsOptions } from '../src/pki/certificate-generation.ts'
import { createInterceptionCredential } from './interception-certificate.ts'

/** Network on loopback between an agent and a real authority, with every fault of sockets, TLS or a proxy. */
export interface FaultNetwork {
  /** Returns the transport settings for an agent: direct, through a gateway, or through the proxy. */
  settings(kind: TransportSettings['kind']): TransportSettings
  /** Number of connections accepted for the authority and by the proxy. */
  readonly connections: { readonly authority: number; readonly proxy: number }
  /** Sets the current fault. Null removes it. */
  setFault(fault: ConnectionFaultName | null): Promise<void>
  close(): Promise<void>
}

/**
 * Starts a network to an authority that listens on loopback: a port that forwards to the authority, and a proxy.
 *
 * @param authorityPort port of the authority
 * @param createAuthorityCredential creates a TLS credential of the authority with other dates or names
 */
export async function startFaultNetwork(
  authorityPort: number,
  createAuthorityCredential: (details: {
    notBefore: number
    notAfter: number
    hosts: readonly string[]
  }) => Promise<Credential>,
): Promise<FaultNetwork> {
  let fault: ConnectionFaultName | null = null
  const connections = { authority: 0, proxy: 0 }
  const sockets = new Set<Socket>()
  const track = (socket: Socket): Socket => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => sockets.delete(socket))
    return socket
  }
  const credentials = new Map<ConnectionFaultName, Promise<Credential>>()

  const server = createServer((socket) => {
    connections.authority++
    track(socket)
    switch (fault) {
      case 'reset':
        socket.once('data', () => socket.resetAndDestroy())
        return
      case 'tls-silence':
        return
      case 'tls-plain-text':
        socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n')
        return
      case 'tls-expired':
      case 'tls-not-yet-valid':
      case 'tls-name-mismatch':
      case 'tls-untrusted':
      case 'tls-inspected':
        void serveWith(socket, getCredential(fault))
        return
      default:
        pipeBoth(socket, track(connect(authorityPort, '127.0.0.1')))
    }
  })

  const getCredential = (name: ConnectionFaultName): Promise<Credential> => {
    const kept = credentials.get(name) ?? createCredential(name, createAuthorityCredential)
    credentials.set(name, kept)
    return kept
  }

  const proxy = createHttpServer((_, response) => {
    response.writeHead(405).end()
  })
  proxy.on('connection', (socket: Socket) => {
    connections.proxy++
    track(socket)
    if (fault === 'proxy-garbage') socket.end('220 mail.example ESMTP\r\n')
    if (fault === 'proxy-closed') socket.destroy()
  })
  proxy.on('connect', (_request, socket: Socket) => {
    if (fault === 'proxy-silence') return
    const status = PROXY_STATUS[fault ?? '']
    if (status !== undefined) {
      socket.end(formatTunnelRefusal(status))
      return
    }
    const upstream = connect(ports.server, '127.0.0.1')
    track(upstream)
    const refuse = () => socket.end(formatTunnelRefusal(502))
    upstream.once('error', refuse)
    upstream.once('connect', () => {
      upstream.off('error', refuse)
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      pipeBoth(socket, upstream)
    })
  })

  await listen(server, 0)
  await listen(proxy, 0)
  const ports = { server: getPort(server), proxy: getPort(proxy) }
  const url = `https://localhost:${ports.server}`

  const setFault = async (next: ConnectionFaultName | null) => {
    fault = next
    // Ends the kept-alive connections, which the fault would not affect.
    for (const socket of sockets) socket.destroy()
    await (next === 'refused' ? close(server) : listen(server, ports.server))
    await (next === 'proxy-unreachable' ? close(proxy) : listen(proxy, ports.proxy))
  }
  return {
    settings: (kind) => {
      if (kind !== 'proxy') return { kind, url }
      // The fault proxy-auth-required needs an agent that sends no user name. The fault proxy-auth-refused needs one
      // that does.
      const proxyCredentials = fault === 'proxy-auth-required' ? {} : { username: 'bob', password: 'wrong' }
      return { kind, url, via: `http://127.0.0.1:${ports.proxy}`, ...proxyCredentials }
    },
    connections,
    setFault,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await close(server)
      await close(proxy)
    },
  }
}

const PROXY_STATUS: Readonly<Record<string, number>> = {
  'proxy-auth-required': 407,
  'proxy-auth-refused': 407,
  'proxy-forbidden': 403,
  'proxy-bad-gateway': 502,
  'proxy-unavailable': 503,
  'proxy-gateway-timeout': 504,
}

const formatTunnelRefusal = (status: number): string => `HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`

/** Forwards bytes in both directions until either side is closed. */
function pipeBoth(first: Socket, second: Socket): void {
  first.pipe(second).pipe(first)
  first.once('close', () => second.destroy())
  second.once('close', () => first.destroy())
}

const getPort = (server: Server | HttpServer): number => (server.address() as AddressInfo).port

function listen(server: Server | HttpServer, port: number): Promise<void> {
  if (server.listening) return Promise.resolve()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      resolve()
    })
  })
}

const close = (server: Server | HttpServer): Promise<void> =>
  server.listening ? new Promise((resolve) => void server.close(() => resolve())) : Promise.resolve()

/** Serves TLS with a wrong credential and never answers a request. */
async function serveWith(socket: Socket, credential: Promise<Credential>): Promise<void> {
  const secure = new TLSSocket(socket, {
    isServer: true,
    secureContext: createSecureContext(toTlsOptions(await credential)),
  })
  secure.on('error', () => undefined)
}

function createCredential(
  fault: ConnectionFaultName,
  createAuthorityCredential: Parameters<typeof startFaultNetwork>[1],
): Promise<Credential> {
  // TLS is verified with the machine's clock, not with the virtual clock of a test.
  const now = Date.now()
  const hosts = ['localhost', '127.0.0.1']
  switch (fault) {
    case 'tls-expired':
      return createAuthorityCredential({ notBefore: now - 20 * DAY, notAfter: now - 10 * DAY, hosts })
    case 'tls-not-yet-valid':
      return createAuthorityCredential({ notBefore: now + 10 * DAY, notAfter: now + 20 * DAY, hosts })
    case 'tls-name-mismatch':
      return createAuthorityCredential({
        notBefore: now - DAY,
        notAfter: now + DAY,
        hosts: ['elsewhere.example'],
      })
    case 'tls-inspected':
      return createInterceptionCredential(now)
    default:
      return createUntrustedCredential('tls', now, { hosts })
  }
}

/** Tells whether a fault is a connection fault. */
export const isConnectionFault = (name: FaultName): name is ConnectionFaultName =>
  faultCatalog[name].layer !== 'answer'
