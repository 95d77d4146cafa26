import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http'
import type { Socket } from 'node:net'

/** Proxies whose answers are imitated: Squid, tinyproxy, and company proxies that want Windows accounts. */
export const PROXY_STYLES = ['squid', 'tinyproxy', 'ntlm', 'negotiate'] as const
export type ProxyStyle = (typeof PROXY_STYLES)[number]

export interface ProxyOptions {
  /** Port on loopback, such as 3128. Default: a free port */
  readonly port?: number
  /** User that the proxy accepts. Default: everybody, with or without a name */
  readonly username?: string
  readonly password?: string
  /** Default: squid */
  readonly style?: ProxyStyle
}

/** Request for a tunnel, as it came to the proxy. */
export interface Tunnel {
  /** Host and port to which the tunnel was requested. */
  readonly target: string
  /** User name that was sent. Null without one. */
  readonly username: string | null
  /** Status of the answer. 200 for a tunnel; null for none. */
  readonly status: number | null
  /** Headers of the request, without the password. */
  readonly headers: IncomingHttpHeaders
}

/** Result of a request for a tunnel: a refusal, silence, or the socket of the other end. */
export type TunnelDecision =
  | { readonly kind: 'refuse'; readonly status: number; readonly style?: ProxyStyle }
  | { readonly kind: 'silence' }
  | { readonly kind: 'open' }

const CHALLENGES: Readonly<Record<ProxyStyle, readonly string[]>> = {
  squid: ['Basic realm="Squid proxy-caching web server"'],
  tinyproxy: ['Basic realm="Tinyproxy"'],
  ntlm: ['NTLM'],
  negotiate: ['Negotiate', 'NTLM'],
}
const SERVERS: Readonly<Record<ProxyStyle, readonly string[]>> = {
  squid: ['Server: squid/6.13', 'X-Squid-Error: ERR_ACCESS_DENIED 0', 'Via: 1.1 proxy (squid/6.13)'],
  tinyproxy: ['Server: tinyproxy/1.11.2'],
  ntlm: ['Via: 1.1 PROXY01'],
  negotiate: ['Via: 1.1 PROXY01'],
}
const REASONS: Readonly<Record<number, string>> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  405: 'Method Not Allowed',
  407: 'Proxy Authentication Required',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
}

/** Formats the answer to a refused request for a tunnel, as the imitated proxy does. */
function formatRefusal(status: number, style: ProxyStyle): string {
  const body = `<html><head><title>${status} ${REASONS[status] ?? ''}</title></head></html>`
  return [
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Refused'}`,
    ...SERVERS[style],
    ...(status === 407 ? CHALLENGES[style].map((challenge) => `Proxy-Authenticate: ${challenge}`) : []),
    'Content-Type: text/html',
    `Content-Length: ${body.length}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}

/** Reads the user name and password of Basic authentication (RFC 7617). */
function readCredentials({ headers }: IncomingMessage): { username: string; password: string } | null {
  const [, encoded] = /^Basic (.+)$/i.exec(headers['proxy-authorization'] ?? '') ?? []
  if (encoded === undefined) return null
  const [username = '', ...password] = Buffer.from(encoded, 'base64').toString('utf8').split(':')
  return { username, password: password.join(':') }
}

/** Handlers of the connections to a proxy. */
export interface TunnelHandlers {
  /** Takes a connection to the proxy. */
  accept(socket: Socket): void
  /** Decides about a request with right credentials, before the proxy connects. */
  decide(): TunnelDecision
  /** Connects a tunnel, and calls `accept` before its first byte. Resolves to false if the other end cannot be reached. */
  open(socket: Socket, accept: () => void): Promise<boolean>
  /** Called for a request that gets no answer. */
  leaveSilent(socket: Socket): void
  /** Keeps a request. */
  record(tunnel: Tunnel): void
}

/** HTTP proxy on loopback that opens tunnels. */
export class ProxyServer {
  readonly #options: ProxyOptions
  readonly #handlers: TunnelHandlers

  constructor(options: ProxyOptions, handlers: TunnelHandlers) {
    this.#options = options
    this.#handlers = handlers
  }

  createServer(): Server {
    const server = createServer((_, response) => {
      response.writeHead(405).end()
    })
    server.on('connection', (socket: Socket) => {
      this.#handlers.accept(socket)
    })
    server.on('connect', (request, socket: Socket) => {
      const decision = this.#checkCredentials(request) ?? this.#handlers.decide()
      if (decision.kind === 'refuse') this.#refuse(request, socket, decision)
      else if (decision.kind === 'open') void this.#open(request, socket)
      else {
        this.#record(request, null)
        this.#handlers.leaveSilent(socket)
      }
    })
    return server
  }

  async #open(request: IncomingMessage, socket: Socket): Promise<void> {
    const isOpen = await this.#handlers.open(socket, () => {
      this.#record(request, 200)
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
    })
    if (!isOpen) this.#refuse(request, socket, { status: 502 })
  }

  #checkCredentials(request: IncomingMessage): TunnelDecision | null {
    const { username, password = '', style = 'squid' } = this.#options
    const isBasic = CHALLENGES[style].some((challenge) => challenge.startsWith('Basic'))
    if (username === undefined && isBasic) return null
    const given = readCredentials(request)
    const isRight = isBasic && given?.username === username && given?.password === password
    return isRight ? null : { kind: 'refuse', status: 407 }
  }

  #refuse(
    request: IncomingMessage,
    socket: Socket,
    { status, style = this.#options.style ?? 'squid' }: { status: number; style?: ProxyStyle },
  ): void {
    this.#record(request, status)
    socket.end(formatRefusal(status, style))
  }

  #record(request: IncomingMessage, status: number | null): void {
    const { 'proxy-authorization': _, ...headers } = request.headers
    const username = readCredentials(request)?.username ?? null
    this.#handlers.record({ target: request.url ?? '', username, status, headers })
  }
}
