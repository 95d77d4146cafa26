import { stripBrackets } from '../core/host-name.ts'
import { lookup, type LookupAddress } from 'node:dns'
import { type IncomingMessage, request } from 'node:http'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, rootCertificates, type TLSSocket } from 'node:tls'
import { LicensingError } from '../core/errors.ts'
import { SECOND } from '../core/time.ts'
import { withTimeout } from './deadline.ts'
import {
  connectFailure,
  nameFailure,
  type Presented,
  proxyConnectFailure,
  proxyStatusFailure,
  proxyTlsFailure,
  through,
  tlsFailure,
} from './failures.ts'
import { TLS_CLIENT_SETTINGS } from './tls-settings.ts'

/** The steps of a road, in their order. */
export type RoadStep = 'name' | 'connect' | 'proxy' | 'tls'

export interface Proxy {
  readonly url: URL
  readonly username: string | null
  readonly password: string | null
}

/** Where a connection goes, and by which way. */
export interface Destination {
  readonly host: string
  readonly port: number
  /** PEM certificates that the authority's TLS is checked by; the system's own are not used. */
  readonly anchors: readonly string[]
  readonly proxy: Proxy | null
  readonly timeouts?: Partial<Timeouts>
  /** Where the newest TLS session with the authority is kept, for a shorter handshake the next time. */
  readonly session?: KeptSession
  /** Addresses that nothing is sent to, whatever name leads there; any may be reached without. */
  readonly mayReach?: (address: string) => boolean
}

/** A TLS session that may be resumed; null while there is none. */
export interface KeptSession {
  ticket: Buffer | null
}

/** Milliseconds for each step; the exchange as a whole has its own deadline. */
export interface Timeouts {
  readonly connect: number
  readonly proxy: number
  readonly tls: number
}
const defaultTimeouts: Timeouts = { connect: 10 * SECOND, proxy: 15 * SECOND, tls: 10 * SECOND }

/** Called when a step is done, with what was found. */
export type OnStep = (step: RoadStep, found: string) => void

/**
 * Opens a TLS connection to an authority, step by step: name, connection, the proxy's tunnel, TLS. TLS is end to
 * end, with the authority's own anchors, whatever stands between.
 *
 * @throws LicensingError of kind `transport`: which step failed, and why
 */
export async function openConnection(
  to: Destination,
  signal: AbortSignal,
  onStep: OnStep = () => undefined,
): Promise<TLSSocket> {
  const timeouts = { ...defaultTimeouts, ...to.timeouts }
  const { proxy } = to
  const first = proxy
    ? { host: stripBrackets(proxy.url.hostname), port: portOf(proxy.url) }
    : { host: to.host, port: to.port, mayReach: to.mayReach }
  const [socket, address] = await reach(first, { timeouts, proxied: proxy !== null, signal, onStep })
  onStep('connect', `${address}:${first.port}`)
  let road: Socket = socket
  if (proxy) {
    if (proxy.url.protocol === 'https:') road = await proxyTls(socket, proxy, to, timeouts, signal)
    road = await tunnel(road, proxy, to, timeouts, signal)
    onStep('proxy', `${proxy.url.host} opened a tunnel to ${to.host}:${to.port}`)
  }
  const secure = await handshake(road, to, timeouts.tls, signal)
  onStep('tls', `${secure.getProtocol() ?? 'TLS'}, ${nameOf(secure.getPeerCertificate().subject)}`)
  return secure
}

const portOf = (url: URL): number => Number(url.port || (url.protocol === 'https:' ? 443 : 80))

const hostPort = ({ host, port }: { host: string; port: number }): string =>
  isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`

/**
 * Runs one step, under its own time and the caller's.
 *
 * @param late creates the error of a step that takes longer than its time
 * @param work begins the step and returns what undoes it
 */
async function runStep<T>(
  milliseconds: number,
  signal: AbortSignal,
  late: () => Error,
  work: (done: (value: T) => void, fail: (error: Error) => void) => () => void,
): Promise<T> {
  let undo = (): void => undefined
  let onAbort = (): void => undefined
  const step = new Promise<T>((resolve, reject) => {
    onAbort = () => {
      reject(new LicensingError('TIMED_OUT', 'The time for the whole exchange was over.'))
    }
    signal.addEventListener('abort', onAbort)
    undo = work(resolve, reject)
    if (signal.aborted) onAbort()
  })
  try {
    const value = await withTimeout(milliseconds, step)
    if (value === null) throw late()
    return value
  } catch (error) {
    undo()
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** The TCP connection: to the proxy where there is one, to the authority otherwise. */
async function reach(
  to: { host: string; port: number; mayReach?: Destination['mayReach'] },
  by: { timeouts: Timeouts; proxied: boolean; signal: AbortSignal; onStep: OnStep },
): Promise<[Socket, string]> {
  const shown = hostPort(to)
  const failed = (thrown: unknown) =>
    by.proxied ? proxyConnectFailure(thrown, shown) : connectFailure(thrown, shown)
  let addresses: LookupAddress[] | null = null
  if (isIP(to.host) === 0) {
    addresses = await resolveName(to.host, by, (thrown) =>
      by.proxied ? proxyConnectFailure(thrown, shown) : nameFailure(thrown, to.host),
    )
    by.onStep('name', `${to.host} is ${addresses.map(({ address }) => address).join(', ')}`)
  } else by.onStep('name', `${to.host} is an address`)
  const { mayReach = () => true } = to
  const found = addresses?.map(({ address }) => address) ?? [to.host]
  const forbidden = found.find((address) => !mayReach(address))
  if (forbidden !== undefined)
    throw new LicensingError('ADDRESS_FORBIDDEN', `${to.host} leads to ${forbidden}, where nothing is sent.`)
  const late = () =>
    by.proxied
      ? new LicensingError('PROXY_UNREACHABLE', `The proxy ${shown} did not take the connection in time.`)
      : new LicensingError('CONNECT_TIMED_OUT', `${shown} did not take the connection in time.`)
  return runStep<[Socket, string]>(by.timeouts.connect, by.signal, late, (done, fail) => {
    const socket = connectTcp({
      host: to.host,
      port: to.port,
      // What was found is used: a name is looked up once.
      ...(addresses && { lookup: (_host, _options, found) => found(null, addresses) }),
      // Every address is tried, whatever `net.setDefaultAutoSelectFamily` says. Links by satellite take their time: the next
      // one is not tried in haste.
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: 2_500,
      noDelay: true,
    })
    socket.once('connect', () => {
      socket.off('error', onError)
      done([socket, socket.remoteAddress ?? to.host])
    })
    const onError = (thrown: Error) => {
      fail(failed(thrown))
    }
    socket.once('error', onError)
    return () => {
      socket.on('error', ignore)
      socket.destroy()
    }
  })
}

const ignore = () => undefined

/** The addresses of a name, within the time of a connection: a name server that is silent is a name not resolved. */
function resolveName(
  host: string,
  by: { timeouts: Timeouts; signal: AbortSignal },
  failed: (thrown: unknown) => LicensingError,
): Promise<LookupAddress[]> {
  const late = () => failed(Object.assign(new Error('no answer'), { code: 'EAI_AGAIN' }))
  return runStep<LookupAddress[]>(by.timeouts.connect, by.signal, late, (done, fail) => {
    // The order of the system's resolver, whatever `dns.setDefaultResultOrder` says.
    lookup(host, { all: true, order: 'verbatim' }, (thrown, addresses) => {
      if (thrown) fail(failed(thrown))
      else done(addresses)
    })
    return ignore
  })
}

/** TLS to the proxy itself, where its URL begins with https: by the system's roots and the anchors given. */
function proxyTls(
  socket: Socket,
  proxy: Proxy,
  to: Destination,
  timeouts: Timeouts,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const host = stripBrackets(proxy.url.hostname)
  const late = () =>
    new LicensingError('PROXY_TIMED_OUT', `The proxy ${proxy.url.host} did not complete TLS in time.`)
  return runStep(timeouts.tls, signal, late, (done, fail) => {
    const secure = connectTls({
      socket,
      ...(isIP(host) === 0 && { servername: host }),
      host,
      ca: [...rootCertificates, ...to.anchors],
      ...TLS_CLIENT_SETTINGS,
    })
    const onError = (thrown: Error) => {
      fail(proxyTlsFailure(thrown, proxy.url.host))
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

/** A tunnel through the proxy (CONNECT, RFC 9110 §9.3.6). What the proxy says is the proxy's, never the authority's. */
function tunnel(
  socket: Socket,
  proxy: Proxy,
  to: Destination,
  timeouts: Timeouts,
  signal: AbortSignal,
): Promise<Socket> {
  const via = proxy.url.host
  const target = hostPort(to)
  const late = () =>
    new LicensingError('PROXY_TIMED_OUT', `The proxy ${via} did not answer the request for a tunnel in time.`)
  return runStep(timeouts.proxy, signal, late, (done, fail) => {
    const asked = request({
      method: 'CONNECT',
      path: target,
      headers: {
        host: target,
        ...(proxy.username !== null && {
          'proxy-authorization': `Basic ${basic(proxy.username, proxy.password ?? '')}`,
        }),
      },
      createConnection: () => socket,
      maxHeaderSize: 32_768,
    })
    asked.once('connect', (response, opened: Socket, head: Buffer) => {
      const status = response.statusCode ?? 0
      if (status < 200 || status > 299) {
        fail(proxyStatusFailure(status, via, proxy.username !== null, offeredBy(response)))
        return
      }
      if (head.length > 0) opened.unshift(head)
      done(opened)
    })
    // A response that is not one to CONNECT, such as 1xx or an upgrade, is no tunnel either.
    asked.once('response', (response) => {
      fail(proxyStatusFailure(response.statusCode ?? 0, via, proxy.username !== null))
    })
    asked.once('error', (thrown) => {
      fail(proxyConnectFailure(thrown, via))
    })
    asked.end()
    return () => {
      asked.on('error', ignore)
      asked.destroy()
      socket.on('error', ignore)
      socket.destroy()
    }
  })
}

/** The schemes of authentication a proxy offers, of those that exist (RFC 9110 §11.7.1). */
function offeredBy({ headers }: IncomingMessage): string[] {
  const offered = [headers['proxy-authenticate'] ?? ''].flat().join(', ')
  return ['Basic', 'Digest', 'NTLM', 'Negotiate', 'Bearer'].filter((scheme) =>
    new RegExp(`(?:^|,\\s*)${scheme}\\b`, 'i').test(offered),
  )
}

/** User name and password as they go out: UTF-8 (RFC 7617 §2.1). */
const basic = (username: string, password: string): string =>
  Buffer.from(`${username}:${password}`, 'utf8').toString('base64')

/** TLS with the authority, whatever the bytes travel through. */
function handshake(
  socket: Socket,
  to: Destination,
  milliseconds: number,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const shown = hostPort(to)
  const via = to.proxy?.url.host
  const late = () => new LicensingError('TIMED_OUT', `${shown} did not complete TLS in time${through(via)}.`)
  return runStep(milliseconds, signal, late, (done, fail) => {
    const secure = connectTls({
      socket,
      ...(isIP(to.host) === 0 && { servername: to.host }),
      host: to.host,
      ca: [...to.anchors],
      ...TLS_CLIENT_SETTINGS,
      ...(to.session?.ticket && { session: to.session.ticket }),
    })
    secure.on('session', (ticket: Buffer) => {
      if (to.session) to.session.ticket = ticket
    })
    let presented: Presented | null = null
    // The certificate of a peer that is refused is gone by the time the refusal is told: who it was is noted before.
    secure.prependListener('secure', () => {
      presented = presentedBy(secure)
    })
    const onError = (thrown: Error) => {
      // Whatever it was about: the next attempt begins without what came of this one.
      if (to.session) to.session.ticket = null
      fail(tlsFailure(thrown, shown, presented, via))
    }
    // Closed in the middle of the handshake, without an error of its own.
    const onClose = () => {
      fail(tlsFailure(Object.assign(new Error('closed'), { code: 'ECONNRESET' }), shown, presented, via))
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

interface Name {
  CN?: string | string[]
  O?: string | string[]
}

/** A distinguished name as people know it. */
function nameOf(name: Name | undefined): string {
  // Whoever is out there chose these: nothing of them may steer a terminal, or fill a log.
  const parts = [name?.CN, name?.O]
    .flat()
    .filter((part) => part !== undefined)
    .map((part) => part.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?').slice(0, 100))
  return parts.length === 0 ? 'nobody' : parts.slice(0, 4).join(', ')
}

function presentedBy(secure: TLSSocket): Presented {
  const { subject, issuer } = secure.getPeerCertificate() as { subject?: Name; issuer?: Name }
  return { subject: nameOf(subject), issuer: nameOf(issuer) }
}
