import { stripBrackets } from '../core/host-name.ts'
import { lookup, type LookupAddress } from 'node:dns'
import { type IncomingMessage, request } from 'node:http'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, rootCertificates, type TLSSocket } from 'node:tls'
import type { Clock } from '../core/clock.ts'
import { LicensingError } from '../core/errors.ts'
import { SECOND } from '../core/time.ts'
import { withTimeout } from './deadline.ts'
import {
  toConnectError,
  toDnsError,
  type PeerCertificateNames,
  toProxyConnectError,
  toProxyStatusError,
  toProxyTlsError,
  formatViaSuffix,
  toTlsError,
} from './failures.ts'
import { TLS_CLIENT_SETTINGS } from './tls-settings.ts'

/** Steps of opening a connection, in their order. */
export type ConnectStep = 'name' | 'connect' | 'proxy' | 'tls'

export interface Proxy {
  readonly url: URL
  readonly username: string | null
  readonly password: string | null
}

/** Destination and route of a connection. */
export interface Destination {
  readonly host: string
  readonly port: number
  /** PEM root certificates for the TLS of the authority, in place of the system's. */
  readonly anchors: readonly string[]
  readonly proxy: Proxy | null
  readonly deadlines?: Partial<Deadlines>
  readonly clock?: Pick<Clock, 'setTimer'>
  /** Resolver of host names. Default: the system's */
  readonly lookup?: NameLookup
  /** Cache for the newest TLS session, which shortens the next handshake. */
  readonly session?: TlsSessionCache
  /** Returns true if a connection to a resolved address is allowed. By default, all addresses are allowed. */
  readonly isAddressAllowed?: (address: string) => boolean
}

/** Cache of one TLS session that can be resumed. `ticket` is null while there is none. */
export interface TlsSessionCache {
  ticket: Buffer | null
}

/** Time limits of an exchange and of its steps, in milliseconds. */
export interface Deadlines {
  /** The whole exchange, from name resolution to the last byte of the answer. Default: 30 seconds */
  readonly total: number
  /** Name resolution, and then the TCP connection. Default: 10 seconds each */
  readonly connect: number
  /** Answer of a proxy to the request for a tunnel. Default: 15 seconds */
  readonly proxy: number
  /** TLS handshake. Default: 10 seconds */
  readonly tls: number
}
const DEFAULT_DEADLINES: Deadlines = {
  total: 30 * SECOND,
  connect: 10 * SECOND,
  proxy: 15 * SECOND,
  tls: 10 * SECOND,
}

/** Completes deadlines with their defaults. */
export const resolveDeadlines = (deadlines?: Partial<Deadlines>): Deadlines => ({
  ...DEFAULT_DEADLINES,
  ...deadlines,
})

/** Resolver of host names, as `dns.lookup` of Node with the option `all`. */
export type NameLookup = (
  host: string,
  options: { readonly all: true; readonly order: 'verbatim' },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/** Values that the steps of one attempt share. */
interface Attempt {
  readonly destination: Destination
  readonly deadlines: Deadlines
  readonly signal: AbortSignal
  readonly onStep: StepCallback
}

/** Callback for a completed step, with its result for display. */
export type StepCallback = (step: ConnectStep, result: string) => void

/**
 * Opens a TLS connection to an authority, step by step: name resolution, TCP, the proxy's tunnel, TLS. TLS is end to end,
 * also through a proxy.
 *
 * @throws LicensingError of kind `transport`, whose code names the step and the cause
 */
export async function openConnection(
  destination: Destination,
  signal: AbortSignal,
  onStep: StepCallback = () => undefined,
): Promise<TLSSocket> {
  const attempt = { destination, deadlines: resolveDeadlines(destination.deadlines), signal, onStep }
  const { proxy } = destination
  const first = proxy
    ? { host: stripBrackets(proxy.url.hostname), port: getPort(proxy.url) }
    : { host: destination.host, port: destination.port, isAddressAllowed: destination.isAddressAllowed }
  const [socket, address] = await openTcpConnection(first, attempt)
  onStep('connect', `${address}:${first.port}`)
  let connection: Socket = socket
  if (proxy) {
    if (proxy.url.protocol === 'https:') connection = await openProxyTls(socket, proxy, attempt)
    connection = await openTunnel(connection, proxy, attempt)
    onStep('proxy', `${proxy.url.host} opened a tunnel to ${destination.host}:${destination.port}`)
  }
  const secure = await openTlsConnection(connection, attempt)
  onStep(
    'tls',
    `${secure.getProtocol() ?? 'TLS'}, ${formatDistinguishedName(secure.getPeerCertificate().subject)}`,
  )
  return secure
}

const getPort = (url: URL): number => Number(url.port || (url.protocol === 'https:' ? 443 : 80))

const formatHostPort = ({ host, port }: { host: string; port: number }): string =>
  isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`

/**
 * Runs one step until its own time limit or until the caller's signal aborts.
 *
 * @param step name of its time limit
 * @param createTimeoutError creates the error for a step that exceeds its time limit
 * @param work starts the step and returns a function that cancels it
 */
async function runStep<T>(
  { deadlines, destination, signal }: Attempt,
  step: Exclude<keyof Deadlines, 'total'>,
  createTimeoutError: () => Error,
  work: (done: (value: T) => void, fail: (error: Error) => void) => () => void,
): Promise<T> {
  let cancel = (): void => undefined
  let onAbort = (): void => undefined
  const running = new Promise<T>((resolve, reject) => {
    onAbort = () => {
      reject(new LicensingError('TIMED_OUT', 'The exchange exceeded its time limit.'))
    }
    signal.addEventListener('abort', onAbort)
    cancel = work(resolve, reject)
    if (signal.aborted) onAbort()
  })
  try {
    const value = await withTimeout(deadlines[step], running, destination.clock)
    if (value === null) throw createTimeoutError()
    return value
  } catch (error) {
    cancel()
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** Opens the TCP connection to the proxy, or to the authority without a proxy. */
async function openTcpConnection(
  destination: { host: string; port: number; isAddressAllowed?: Destination['isAddressAllowed'] },
  attempt: Attempt,
): Promise<[Socket, string]> {
  const hostPort = formatHostPort(destination)
  const isProxied = attempt.destination.proxy !== null
  const toError = (error: unknown) =>
    isProxied ? toProxyConnectError(error, hostPort) : toConnectError(error, hostPort)
  let addresses: LookupAddress[] | null = null
  if (isIP(destination.host) === 0) {
    addresses = await resolveName(destination.host, attempt, (error) =>
      isProxied ? toProxyConnectError(error, hostPort) : toDnsError(error, destination.host),
    )
    attempt.onStep('name', `${destination.host} is ${addresses.map(({ address }) => address).join(', ')}`)
  } else attempt.onStep('name', `${destination.host} is an IP address`)
  const { isAddressAllowed = () => true } = destination
  const candidates = addresses?.map(({ address }) => address) ?? [destination.host]
  const forbidden = candidates.find((address) => !isAddressAllowed(address))
  if (forbidden !== undefined)
    throw new LicensingError(
      'ADDRESS_FORBIDDEN',
      `${destination.host} has the address ${forbidden}, to which connections are not allowed.`,
    )
  const createTimeoutError = () =>
    isProxied
      ? new LicensingError(
          'PROXY_UNREACHABLE',
          `The proxy ${hostPort} did not accept the connection in time.`,
        )
      : new LicensingError('CONNECT_TIMED_OUT', `${hostPort} did not accept the connection in time.`)
  return runStep<[Socket, string]>(attempt, 'connect', createTimeoutError, (done, fail) => {
    const socket = connectTcp({
      host: destination.host,
      port: destination.port,
      // The socket uses the addresses found above, so that a name is resolved only once.
      ...(addresses && { lookup: (_host, _options, callback) => callback(null, addresses) }),
      // The socket tries all addresses, regardless of `net.setDefaultAutoSelectFamily`. The wait before the next
      // address is long enough for satellite links.
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: 2_500,
      noDelay: true,
    })
    socket.once('connect', () => {
      socket.off('error', onError)
      done([socket, socket.remoteAddress ?? destination.host])
    })
    const onError = (error: Error) => {
      fail(toError(error))
    }
    socket.once('error', onError)
    return () => {
      socket.on('error', ignore)
      socket.destroy()
    }
  })
}

const ignore = () => undefined

/** Resolves a name within the time limit of a connection. A silent name server is reported as a failed resolution. */
function resolveName(
  host: string,
  attempt: Attempt,
  toError: (error: unknown) => LicensingError,
): Promise<LookupAddress[]> {
  const createTimeoutError = () => toError(Object.assign(new Error('no answer'), { code: 'EAI_AGAIN' }))
  const resolve = attempt.destination.lookup ?? lookup
  return runStep<LookupAddress[]>(attempt, 'connect', createTimeoutError, (done, fail) => {
    // The order of the system's resolver is kept, regardless of `dns.setDefaultResultOrder`.
    resolve(host, { all: true, order: 'verbatim' }, (error, addresses) => {
      if (error) fail(toError(error))
      else done(addresses)
    })
    return ignore
  })
}

/** Opens TLS to a proxy with an https URL. Trusts the bundled roots of Node and the given anchors. */
function openProxyTls(socket: Socket, proxy: Proxy, attempt: Attempt): Promise<TLSSocket> {
  const host = stripBrackets(proxy.url.hostname)
  const createTimeoutError = () =>
    new LicensingError('PROXY_TIMED_OUT', `The proxy ${proxy.url.host} did not complete TLS in time.`)
  return runStep(attempt, 'tls', createTimeoutError, (done, fail) => {
    const secure = connectTls({
      socket,
      ...(isIP(host) === 0 && { servername: host }),
      host,
      ca: [...rootCertificates, ...attempt.destination.anchors],
      ...TLS_CLIENT_SETTINGS,
    })
    const onError = (error: Error) => {
      fail(toProxyTlsError(error, proxy.url.host))
    }
    secure.once('secureConnect', () => {
      secure.off('error', onError)
      done(secure)
    })
    secure.once('error', onError)
    return () => {
      secure.on('error', ignore)
      secure.destroy()
    }
  })
}

/** Opens a tunnel through the proxy (CONNECT, RFC 9110 §9.3.6). Its errors are the proxy's, never the authority's. */
function openTunnel(socket: Socket, proxy: Proxy, attempt: Attempt): Promise<Socket> {
  const via = proxy.url.host
  const target = formatHostPort(attempt.destination)
  const createTimeoutError = () =>
    new LicensingError('PROXY_TIMED_OUT', `The proxy ${via} did not answer the request for a tunnel in time.`)
  return runStep(attempt, 'proxy', createTimeoutError, (done, fail) => {
    const connectRequest = request({
      method: 'CONNECT',
      path: target,
      headers: {
        host: target,
        ...(proxy.username !== null && {
          'proxy-authorization': `Basic ${encodeBasicCredentials(proxy.username, proxy.password ?? '')}`,
        }),
      },
      createConnection: () => socket,
      maxHeaderSize: 32_768,
    })
    connectRequest.once('connect', (response, opened: Socket, head: Buffer) => {
      const status = response.statusCode ?? 0
      if (status < 200 || status > 299) {
        fail(toProxyStatusError(status, via, proxy.username !== null, parseOfferedSchemes(response)))
        return
      }
      if (head.length > 0) opened.unshift(head)
      done(opened)
    })
    // Node emits `response` for an answer to CONNECT that is not a tunnel, such as 1xx or an upgrade.
    connectRequest.once('response', (response) => {
      fail(toProxyStatusError(response.statusCode ?? 0, via, proxy.username !== null))
    })
    connectRequest.once('error', (error) => {
      fail(toProxyConnectError(error, via))
    })
    connectRequest.end()
    return () => {
      connectRequest.on('error', ignore)
      connectRequest.destroy()
      socket.on('error', ignore)
      socket.destroy()
    }
  })
}

/** Returns the known authentication schemes that a proxy offers (RFC 9110 §11.7.1). */
function parseOfferedSchemes({ headers }: IncomingMessage): string[] {
  const offered = [headers['proxy-authenticate'] ?? ''].flat().join(', ')
  return ['Basic', 'Digest', 'NTLM', 'Negotiate', 'Bearer'].filter((scheme) =>
    new RegExp(`(?:^|,\\s*)${scheme}\\b`, 'i').test(offered),
  )
}

/** Encodes user name and password in UTF-8 (RFC 7617 §2.1). */
const encodeBasicCredentials = (username: string, password: string): string =>
  Buffer.from(`${username}:${password}`, 'utf8').toString('base64')

/** Opens TLS with the authority over a direct connection or a tunnel. */
function openTlsConnection(socket: Socket, attempt: Attempt): Promise<TLSSocket> {
  const { destination } = attempt
  const hostPort = formatHostPort(destination)
  const via = destination.proxy?.url.host
  const createTimeoutError = () =>
    new LicensingError('TIMED_OUT', `${hostPort} did not complete TLS in time${formatViaSuffix(via)}.`)
  return runStep(attempt, 'tls', createTimeoutError, (done, fail) => {
    const secure = connectTls({
      socket,
      ...(isIP(destination.host) === 0 && { servername: destination.host }),
      host: destination.host,
      ca: [...destination.anchors],
      ...TLS_CLIENT_SETTINGS,
      ...(destination.session?.ticket && { session: destination.session.ticket }),
    })
    secure.on('session', (ticket: Buffer) => {
      if (destination.session) destination.session.ticket = ticket
    })
    let presented: PeerCertificateNames | null = null
    // Node discards the certificate of a rejected peer before it emits the error, so its names are read on `secure`.
    secure.prependListener('secure', () => {
      presented = readPeerNames(secure)
    })
    const onError = (error: Error) => {
      // The next attempt must not resume a session that may have caused the error.
      if (destination.session) destination.session.ticket = null
      fail(toTlsError(error, hostPort, presented, via))
    }
    // A connection that is closed during the handshake emits no error.
    const onClose = () => {
      fail(toTlsError(Object.assign(new Error('closed'), { code: 'ECONNRESET' }), hostPort, presented, via))
    }
    secure.once('secureConnect', () => {
      secure.off('error', onError)
      secure.off('close', onClose)
      done(secure)
    })
    secure.once('error', onError)
    secure.once('close', onClose)
    return () => {
      secure.on('error', ignore)
      secure.destroy()
      socket.destroy()
    }
  })
}

interface DistinguishedName {
  CN?: string | string[]
  O?: string | string[]
}

/** Formats the common name and organization of a distinguished name for messages. */
function formatDistinguishedName(name: DistinguishedName | undefined): string {
  // The peer is not authenticated, so control characters are replaced and long names truncated.
  const parts = [name?.CN, name?.O]
    .flat()
    .filter((part) => part !== undefined)
    .map((part) => part.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?').slice(0, 100))
  return parts.length === 0 ? 'unknown' : parts.slice(0, 4).join(', ')
}

function readPeerNames(secure: TLSSocket): PeerCertificateNames {
  const { subject, issuer } = secure.getPeerCertificate() as {
    subject?: DistinguishedName
    issuer?: DistinguishedName
  }
  return { subject: formatDistinguishedName(subject), issuer: formatDistinguishedName(issuer) }
}
