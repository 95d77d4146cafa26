import type { LookupAddress } from 'node:dns'
import type { Server } from 'node:https'
import { connect, createServer, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import type { Clock } from '../../src/core/clock.ts'
import { SECOND } from '../../src/core/time.ts'
import { type ConnectionFaultName, faultCatalog } from '../../src/faults/index.ts'
import { type Credential, toTlsOptions } from '../../src/pki/certificate-generation.ts'
import type { NameLookup } from '../../src/transports/connection.ts'
import type { TransportSettings } from '../../src/transports/transport.ts'
import { VirtualClock } from '../virtual-clock.ts'
import type { VirtualTime } from '../virtual-time.ts'
import { checkConditions, type Conditions, connectSockets } from './conditions.ts'
import { type CreateAuthorityCredential, createFaultCredential, HOSTS } from './fault-credentials.ts'
import { FaultSchedule, type PlannedConnectionFault } from './fault-schedule.ts'
import { type ProxyOptions, ProxyServer, type Tunnel, type TunnelDecision } from './proxy-server.ts'
import { Relay } from './relay.ts'
import { LOOPBACK, LoopbackPort, OpenSockets } from './servers.ts'

/** Ports and proxies of a network. */
export interface NetworkSetup {
  /** Proxy of the network: its port, such as 3128, its user and password, and the product whose answers it imitates. */
  readonly proxy?: ProxyOptions | undefined
  /** Second proxy, with a user of its own. Default: none */
  readonly lockedProxy?: ProxyOptions | undefined
  /** Port of the authority on this network. Default: a free one */
  readonly port?: number | undefined
  readonly gatewayPort?: number | undefined
  /** IPv4 address of all ports, such as 0.0.0.0 in a container. Default: loopback */
  readonly address?: string | undefined
  /** Further host names of the authority, such as the name of a container. Default: none */
  readonly names?: readonly string[] | undefined
}

export interface NetworkOptions extends NetworkSetup {
  /** Port of the authority on loopback. */
  readonly authorityPort: number
  /** TLS credential of the authority, which the gateway presents, too. */
  readonly credential: Credential
  readonly createAuthorityCredential: CreateAuthorityCredential
  /** Clock of the schedules. */
  readonly clock: Clock
  readonly time: VirtualTime
  /** Random numbers from 0 up to 1, for losses. Default: Math.random */
  readonly random?: (() => number) | undefined
}

const PROXY_REFUSALS: Readonly<Record<string, TunnelDecision & { kind: 'refuse' }>> = {
  'proxy-auth-required': { kind: 'refuse', status: 407 },
  'proxy-auth-refused': { kind: 'refuse', status: 407 },
  'proxy-ntlm': { kind: 'refuse', status: 407, style: 'ntlm' },
  'proxy-unauthorized': { kind: 'refuse', status: 401 },
  'proxy-forbidden': { kind: 'refuse', status: 403 },
  'proxy-bad-gateway': { kind: 'refuse', status: 502 },
  'proxy-unavailable': { kind: 'refuse', status: 503 },
  'proxy-gateway-timeout': { kind: 'refuse', status: 504 },
  // A proxy resolves the name of the authority itself, and answers as Squid does.
  'dns-unknown': { kind: 'refuse', status: 503 },
  'dns-silence': { kind: 'refuse', status: 503 },
}

/**
 * Network on loopback between devices and a real authority: a port that forwards to the authority, a proxy, a gateway, an
 * inspecting middlebox and a name server, with every fault of names, sockets, TLS or the proxy.
 */
export class FaultNetwork {
  readonly #options: NetworkOptions
  readonly #sockets = new OpenSockets()
  readonly #server: LoopbackPort
  readonly #proxies: readonly { readonly proxy: ProxyServer; readonly port: LoopbackPort }[]
  /** Gateway: the port of the devices, and the relay behind it. */
  readonly #gateway: { readonly port: LoopbackPort; readonly relay: Relay; readonly relayPort: LoopbackPort }
  readonly #credentials = new Map<ConnectionFaultName, Promise<Credential>>()
  #middlebox: Promise<{ readonly relay: Relay; readonly server: Server }> | null = null
  #stopWatching: () => void = () => undefined
  #schedule: FaultSchedule | null = null
  #applied: ConnectionFaultName | null = null
  #updating: Promise<void> = Promise.resolve()
  #conditions: Conditions = {}
  #family: 4 | 6 | null = null
  #connections = { authority: 0, proxy: 0 }
  readonly #tunnels: Tunnel[] = []
  #hasLookup = false

  private constructor(options: NetworkOptions) {
    this.#options = options
    const { address, port, gatewayPort, proxy = {}, lockedProxy } = options
    const at = (port?: number) => ({
      ...(port !== undefined && { port }),
      ...(address !== undefined && { address }),
    })
    this.#server = this.#createPort(at(port), () => options.authorityPort)
    this.#proxies = [proxy, ...(lockedProxy ? [lockedProxy] : [])].map((setup) => {
      const server = this.#createProxy(setup)
      return { proxy: server, port: new LoopbackPort(() => server.createServer(), at(setup.port)) }
    })
    const relay = new Relay(options.credential, options.authorityPort)
    const relayPort = new LoopbackPort(() => this.#track(relay.createServer()))
    const gateway = this.#createPort(at(gatewayPort), () => relayPort.port)
    this.#gateway = { port: gateway, relay, relayPort }
  }

  /** Creates a port whose connections have the faults, and lead to another port. */
  #createPort(at: { port?: number; address?: string }, getTarget: () => number): LoopbackPort {
    const create = () =>
      createServer((socket) => {
        this.#accept(socket, getTarget())
      })
    return new LoopbackPort(create, at)
  }

  /** Starts a network. @throws an error of the system, such as EADDRINUSE for the port of the proxy */
  static async start(options: NetworkOptions): Promise<FaultNetwork> {
    const network = new FaultNetwork(options)
    try {
      await network.#server.open()
      for (const { port } of network.#proxies) await port.open()
      await network.#gateway.relayPort.open()
      await network.#gateway.port.open()
    } catch (error) {
      await network.close()
      throw error
    }
    network.#stopWatching = watchClock(options.clock, () => void network.#update())
    return network
  }

  /** Returns the transport settings for an agent: direct, through the gateway, or through the proxy with its user. */
  settings(kind: TransportSettings['kind']): TransportSettings {
    const kinds: readonly string[] = ['direct', 'gateway', 'proxy']
    if (!kinds.includes(kind))
      throw new TypeError(
        `${JSON.stringify(kind)} is not a transport. The transports are ${kinds.join(', ')}.`,
      )
    const { port } = kind === 'gateway' ? this.#gateway.port : this.#server
    const url = `https://localhost:${port}`
    if (kind !== 'proxy') return { kind, url }
    const { username, password } = this.#options.proxy ?? {}
    const user = username === undefined ? {} : { username, ...(password !== undefined && { password }) }
    // The fault proxy-auth-refused needs an agent that sends a user name.
    const refused = this.#schedule?.fault === 'proxy-auth-refused' && username === undefined
    return {
      kind,
      url,
      via: `http://${LOOPBACK}:${this.proxyPorts[0] ?? 0}`,
      ...(refused ? { username: 'bob', password: 'wrong' } : user),
    }
  }

  /** Number of connections accepted for the authority and by the proxy. */
  get connections(): { readonly authority: number; readonly proxy: number } {
    return { ...this.#connections }
  }

  /** Ports of the proxy, and of the second one, if there is one. */
  get proxyPorts(): readonly number[] {
    return this.#proxies.map(({ port }) => port.port)
  }

  /** Requests for tunnels that came to the proxies, oldest first. */
  get tunnels(): readonly Tunnel[] {
    return [...this.#tunnels]
  }

  /** Certificate of the middlebox's CA (PEM). An agent with this `tlsCa` accepts the fault `tls-inspected`. */
  async readMiddleboxCa(): Promise<string> {
    return (await this.#getCredential('tls-inspected')).certificates[1] ?? ''
  }

  /**
   * Resolver of host names, for the option `lookup` of `SmartAgent.open`. Every name is this network. Faults of names need
   * it.
   */
  get lookup(): NameLookup {
    this.#hasLookup = true
    return (host, _options, callback) => {
      this.#resolve(host, callback)
    }
  }

  /** Sets the addresses of all names to IPv4 or IPv6. Null for both, IPv6 first. */
  setAddressFamily(family: 4 | 6 | null): void {
    this.#family = family
  }

  /** Sets the conditions of the line. An empty object removes them. @throws TypeError */
  setConditions(conditions: Conditions): void {
    checkConditions(conditions)
    this.#conditions = conditions
  }

  /**
   * Sets the current fault of names, connections or the proxy. Null removes it.
   *
   * @throws TypeError for a name that is not such a fault, with the names, and for a condition that is not valid
   */
  async setFault(fault: ConnectionFaultName | PlannedConnectionFault | null): Promise<void> {
    const schedule = fault === null ? null : new FaultSchedule(typeof fault === 'string' ? { fault } : fault)
    if (schedule && faultCatalog[schedule.fault].layer === 'name' && !this.#hasLookup)
      throw new TypeError(
        `${schedule.fault} needs an agent that resolves names here: SmartAgent.open({ lookup: network.lookup }).`,
      )
    this.#schedule = schedule
    await this.#update()
  }

  async close(): Promise<void> {
    this.#stopWatching()
    this.#sockets.destroyAll()
    this.#gateway.relay.close()
    ;(await this.#middlebox)?.relay.close()
    await Promise.all(
      [
        this.#server,
        this.#gateway.port,
        this.#gateway.relayPort,
        ...this.#proxies.map(({ port }) => port),
      ].map((port) => port.close()),
    )
  }

  /** Fault of the next connection, without counting it. */
  #peek(): ConnectionFaultName | null {
    return this.#schedule?.isDue(this.#options.clock.wall()) ? this.#schedule.fault : null
  }

  /** Returns the fault of a connection, and counts the connection. */
  #take(): ConnectionFaultName | null {
    return this.#schedule?.take(this.#options.clock.wall()) ? this.#schedule.fault : null
  }

  /** Opens or closes the ports by the current fault, and ends kept-alive connections, which a fault would not affect. */
  #update(): Promise<void> {
    const fault = this.#peek()
    if (fault === this.#applied) return this.#updating
    this.#applied = fault
    this.#sockets.destroyAll()
    this.#updating = this.#updating.then(async () => {
      for (const port of [this.#server, this.#gateway.port])
        await (fault === 'refused' ? port.close() : port.open())
      for (const { port } of this.#proxies) await (fault === 'proxy-unreachable' ? port.close() : port.open())
    })
    return this.#updating
  }

  #track(server: Server): Server {
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
    })
    return server
  }

  #accept(socket: Socket, target: number): void {
    this.#connections.authority++
    this.#sockets.add(socket)
    const fault = this.#peek()
    // The faults of the proxy count its own connections.
    if (fault === null || faultCatalog[fault].layer === 'proxy' || !this.#take()) {
      this.#forward(socket, target)
      return
    }
    switch (fault) {
      case 'reset':
        socket.once('data', () => socket.resetAndDestroy())
        return
      case 'tls-silence':
        socket.once('data', () => {
          this.#options.time.skip(() => socket.destroyed)
        })
        return
      case 'tls-plain-text':
        socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n')
        return
      case 'tls-inspected':
        void this.#inspect(socket)
        return
      case 'dns-unknown':
      case 'dns-silence':
      case 'refused':
        this.#forward(socket, target)
        return
      default:
        void this.#serveWith(socket, this.#getCredential(fault))
    }
  }

  #forward(socket: Socket, port: number): void {
    const { time, random = Math.random } = this.#options
    const upstream = this.#sockets.add(connect(port, LOOPBACK))
    connectSockets(socket, upstream, { read: () => this.#conditions, time, random })
  }

  /** Hands a connection to the middlebox, which relays what it reads. */
  async #inspect(socket: Socket): Promise<void> {
    this.#middlebox ??= this.#getCredential('tls-inspected').then((credential) => {
      const relay = new Relay(credential, this.#options.authorityPort)
      return { relay, server: relay.createServer() }
    })
    ;(await this.#middlebox).server.emit('connection', socket)
  }

  /** Serves TLS with a wrong credential. */
  async #serveWith(socket: Socket, credential: Promise<Credential>): Promise<void> {
    const secureContext = createSecureContext(toTlsOptions(await credential))
    const secure = new TLSSocket(socket, { isServer: true, secureContext })
    secure.on('error', () => undefined)
  }

  #createProxy(setup: ProxyOptions): ProxyServer {
    const { time } = this.#options
    return new ProxyServer(setup, {
      accept: (socket) => {
        this.#acceptAtProxy(socket)
      },
      decide: () => this.#decideTunnel(),
      open: (socket, accept) => this.#openTunnel(socket, accept),
      leaveSilent: (socket) => {
        time.skip(() => socket.destroyed)
      },
      record: (tunnel) => {
        this.#tunnels.push(tunnel)
      },
    })
  }

  #acceptAtProxy(socket: Socket): void {
    this.#connections.proxy++
    this.#sockets.add(socket)
    const fault = this.#peek()
    if ((fault !== 'proxy-garbage' && fault !== 'proxy-closed') || !this.#take()) return
    if (fault === 'proxy-garbage') socket.end('220 mail.example ESMTP\r\n')
    else socket.destroy()
  }

  #decideTunnel(): TunnelDecision {
    const fault = this.#peek()
    const refusal = fault === null ? undefined : PROXY_REFUSALS[fault]
    if ((refusal === undefined && fault !== 'proxy-silence') || !this.#take()) return { kind: 'open' }
    return refusal ?? { kind: 'silence' }
  }

  /** Opens a tunnel, whose target is always the port of the authority on this network. */
  #openTunnel(socket: Socket, accept: () => void): Promise<boolean> {
    const upstream = this.#sockets.add(connect(this.#server.port, LOOPBACK))
    return new Promise((resolve) => {
      upstream.once('error', () => {
        resolve(false)
      })
      upstream.once('connect', () => {
        accept()
        socket.pipe(upstream).pipe(socket)
        socket.once('close', () => upstream.destroy())
        upstream.once('close', () => socket.destroy())
        resolve(true)
      })
    })
  }

  #resolve(
    host: string,
    callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
  ): void {
    const fault = this.#peek()
    if (fault === 'dns-silence' && this.#take()) {
      // The first time limit that passes is that of the resolution.
      this.#options.time.skipOnce()
      return
    }
    if (fault === 'dns-unknown' && this.#take()) {
      const error = Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' })
      callback(error, [])
      return
    }
    const addresses = [
      { address: '::1', family: 6 },
      { address: LOOPBACK, family: 4 },
    ].filter(({ family }) => this.#family === null || family === this.#family)
    const { nameDelay = 0 } = this.#conditions
    if (nameDelay === 0) callback(null, addresses)
    else
      void this.#options.time.wait(nameDelay).then(() => {
        callback(null, addresses)
      })
  }

  #getCredential(fault: ConnectionFaultName): Promise<Credential> {
    const { createAuthorityCredential, names = [] } = this.#options
    const kept =
      this.#credentials.get(fault) ??
      createFaultCredential(fault, createAuthorityCredential, [...HOSTS, ...names])
    this.#credentials.set(fault, kept)
    return kept
  }
}

/** Calls back when the time of a clock has changed, or once a second of the machine's. Returns a function that stops. */
function watchClock(clock: Clock, callback: () => void): () => void {
  if (clock instanceof VirtualClock) return clock.onChange(callback)
  const timer = setInterval(callback, SECOND).unref()
  return () => {
    clearInterval(timer)
  }
}
