import type { IncomingMessage, ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import { MINUTE, SECOND } from '../core/time.ts'
import { systemClock } from '../core/system-clock.ts'
import { startDeadline } from '../transports/deadline.ts'
import { HandshakeQueue, takeOverConnections } from './tls-handshake-queue.ts'

/** How much of a server strangers may hold, and for how long: milliseconds of the machine's uptime, and bytes. */
export interface ConnectionLimits {
  /** Connections at a time. */
  readonly connections: number
  /** Until TLS is begun, and from then on until it stands. */
  readonly handshake: number
  /** From the first byte of a request to the end of its headers. */
  readonly head: number
  /** Between requests, and before the first. */
  readonly idle: number
  /** For a body, and a second more for every `bodyRate` bytes that came. */
  readonly body: number
  readonly bodyRate: number
  /** For an answer that its reader does not take. */
  readonly stalled: number
  /** Bytes of bodies that are under way together. */
  readonly unread: number
  /** Requests of one connection that are answered at a time: whoever sends more does not wait for answers. */
  readonly pipelined: number
}

/** An agent keeps its connection for a minute between requests: that is never ended under it. */
export const defaultLimits: ConnectionLimits = {
  connections: 20_000,
  handshake: 10 * SECOND,
  head: 15 * SECOND,
  idle: 75 * SECOND,
  body: 30 * SECOND,
  bodyRate: 16 * 1024,
  stalled: 2 * MINUTE,
  unread: 256 * 1024 * 1024,
  pipelined: 16,
}

/** Why a connection was ended, or not taken. */
export const ENDINGS = [
  'connections',
  'handshake',
  'head',
  'idle',
  'body',
  'stalled',
  'unread',
  'pipelined',
  'draining',
] as const
export type Ending = (typeof ENDINGS)[number]

export const STAGES = ['handshake', 'waiting', 'head', 'body', 'answering'] as const
export type Stage = (typeof STAGES)[number]

interface Connection {
  readonly raw: Socket
  /** What requests are read from: the TLS socket, once it stands. */
  socket: Socket
  stage: Stage
  since: number
  /** Bytes read when the stage began. */
  read: number
  /** Bytes given to the kernel when that was last looked at. */
  written: number
  readonly answers: Set<ServerResponse>
  /** The request that came last: it alone may have a body that is under way. */
  newest: IncomingMessage | null
  /** Bytes read when the request began that has the body: its head counts too, since it may come in one piece with the body. */
  begun: number
  /** Bytes that the body under way may take at the most. */
  largest: number
  /** Somebody known has proved that the body is theirs. */
  isPreferred: boolean
}

/** How often connections are looked at. */
const LOOK = SECOND
/** Bytes a second that no network brings. */
const FASTEST = 2 ** 30
/** When a server drains: for how long one that asked a moment ago may ask again, and what counts as a moment. */
const LINGER = 2 * SECOND
const RECENT = 5 * SECOND
/** And for how long requests under way may go on. */
const LONGEST_DRAIN = 30 * SECOND
/** How long a last word may take to leave. */
const LAST_WORD = SECOND

const unending = new WeakSet<ServerResponse>()

/** Marks an answer that goes on for as long as somebody listens: a server that drains ends it. */
export function endsWithItsServer(response: ServerResponse): void {
  unending.add(response)
}

/**
 * Keeps watch over the connections of a server: how many, and how long each may take for what it does. By the machine's
 * uptime: a timer of this process only says when to look, so that a clock that runs too fast ends nothing too early
 * (decision 16). Where one too many comes, the one that has been idle longest gives way.
 */
export class ConnectionGuard {
  readonly limits: ConnectionLimits
  readonly #uptime: () => number
  /** Those that TLS is not begun with, those that wait (the longest waiting first), and those that something is done for. */
  readonly #queued = new Set<Connection>()
  readonly #waiting = new Set<Connection>()
  readonly #busy = new Set<Connection>()
  readonly #bodies = new Set<Connection>()
  readonly #bySocket = new WeakMap<Socket, Connection>()
  readonly #handshakes = new Map<string, Connection>()
  readonly #servers: NetServer[] = []
  readonly #ended = new Map<Ending, number>()
  /** Bytes that the bodies under way may have together at the most. */
  #allowed = 0
  #weighAgainAt = -Infinity
  #looked = -Infinity
  #timer: NodeJS.Timeout | undefined
  #draining = false
  #emptied = (): void => undefined

  constructor(limits: Partial<ConnectionLimits> = {}, uptime: () => number = () => systemClock.uptime()) {
    this.limits = { ...defaultLimits, ...limits }
    this.#uptime = uptime
  }

  /** Whether the server takes no new connections any more. */
  get draining(): boolean {
    return this.#draining
  }

  /** How many connections there are, by what they do. */
  counts(): Record<Stage, number> {
    const counts = { handshake: 0, waiting: 0, head: 0, body: 0, answering: 0 }
    for (const { stage } of this.#all()) counts[stage]++
    return counts
  }

  get #size(): number {
    return this.#queued.size + this.#waiting.size + this.#busy.size
  }

  #all(): Connection[] {
    return [...this.#queued, ...this.#waiting, ...this.#busy]
  }

  /** How many connections were ended or not taken, by the reason. */
  ended(): ReadonlyMap<Ending, number> {
    return this.#ended
  }

  /** Keeps watch over a server from now on. */
  watch(server: NetServer): void {
    this.#servers.push(server)
    const queue = server instanceof TlsServer ? this.#queueFor(server) : null
    server.on('connection', (raw: Socket) => {
      if (this.#take(raw, queue !== null)) queue?.add(raw)
    })
    server.on('secureConnection', (socket: Socket) => {
      const connection = this.#handshakes.get(nameOf(socket))
      if (!connection) return
      this.#handshakes.delete(nameOf(socket))
      connection.socket = socket
      this.#bySocket.set(socket, connection)
      this.#turn(connection, 'waiting')
    })
    // Before whoever answers it: what is answered is known here first.
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
      const connection = this.#bySocket.get(request.socket)
      if (connection) this.#serve(connection, request, response)
    })
  }

  #queueFor(server: TlsServer): HandshakeQueue {
    const begin = takeOverConnections(server)
    return new HandshakeQueue((raw) => {
      const connection = this.#handshakes.get(nameOf(raw))
      if (!connection || !this.#queued.delete(connection)) return
      connection.since = this.#uptime()
      this.#waiting.add(connection)
      begin(raw)
    }, this.#uptime)
  }

  /** @returns whether it was taken */
  #take(raw: Socket, secure: boolean): boolean {
    if (this.#size >= this.limits.connections && !this.#makeRoom()) {
      this.#count('connections')
      raw.destroy()
      return false
    }
    const connection: Connection = {
      raw,
      socket: raw,
      stage: secure ? 'handshake' : 'waiting',
      since: this.#uptime(),
      read: 0,
      written: 0,
      answers: new Set(),
      newest: null,
      begun: 0,
      largest: 0,
      isPreferred: false,
    }
    const name = nameOf(raw)
    if (secure) this.#handshakes.set(name, connection)
    else this.#bySocket.set(raw, connection)
    if (secure) this.#queued.add(connection)
    else this.#waiting.add(connection)
    raw.on('close', () => {
      if (this.#handshakes.get(name) === connection) this.#handshakes.delete(name)
      this.#forget(connection)
    })
    this.#arm()
    return true
  }

  #makeRoom(): boolean {
    const [oldest] = this.#waiting
    if (!oldest) return false
    this.#end(oldest, 'connections')
    return true
  }

  #serve(connection: Connection, request: IncomingMessage, response: ServerResponse): void {
    // What came with the request that ended it.
    if (connection.socket.destroyed) return
    if (connection.answers.size >= this.limits.pipelined) {
      this.#end(connection, 'pipelined')
      return
    }
    connection.answers.add(response)
    connection.newest = request
    response.on('close', () => {
      connection.answers.delete(response)
      if (connection.answers.size === 0) this.#turn(connection, 'waiting')
    })
    const length = request.headers['content-length']
    if (request.headers['transfer-encoding'] === undefined && (length === undefined || length === '0')) {
      this.#turn(connection, 'answering')
      return
    }
    this.#turn(connection, 'body')
    // The end of the body before is told when that of the next one has begun.
    const over = () => {
      if (connection.stage === 'body' && connection.newest === request) this.#turn(connection, 'answering')
    }
    request.on('end', over)
    request.on('close', over)
  }

  /** Expects a body, of which no more than so many bytes are read, whatever it announces. */
  expect(request: IncomingMessage, largest: number): void {
    const connection = this.#bySocket.get(request.socket)
    if (connection?.stage !== 'body') return
    this.#allowed -= connection.largest
    connection.largest = Math.min(Number(request.headers['content-length'] ?? largest), largest)
    this.#allowed += connection.largest
    this.weigh()
  }

  /** Prefers a body whose sender is known to those of strangers: where something gives way, they do so first. */
  prefer(request: IncomingMessage, largest: number): void {
    const connection = this.#bySocket.get(request.socket)
    if (connection?.stage !== 'body') return
    connection.isPreferred = true
    this.expect(request, largest)
  }

  /**
   * Weighs the bodies under way by the bytes that have come of them, not by what they announce. Where they take more
   * than they may together, the one that has been coming longest gives way, a stranger's before one that is preferred.
   */
  weigh(): void {
    const { unread } = this.limits
    const now = this.#uptime()
    // Nothing needs to be counted where they could not be too many, by what they may have or by what may have come since.
    if (this.#allowed <= unread || now < this.#weighAgainAt) return
    let total = 0
    for (const connection of this.#bodies) total += cameOf(connection)
    if (total > unread) {
      const bodies = [...this.#bodies]
      const strangersFirst = [
        ...bodies.filter(({ isPreferred }) => !isPreferred),
        ...bodies.filter(({ isPreferred }) => isPreferred),
      ]
      for (const connection of strangersFirst) {
        if (total <= unread) break
        total -= cameOf(connection)
        this.#end(connection, 'unread')
      }
    }
    this.#weighAgainAt = now + Math.floor(((unread - total) / FASTEST) * SECOND)
  }

  #turn(connection: Connection, stage: Stage): void {
    this.#forgetBody(connection)
    // One that is gone does not come back.
    if (!this.#busy.delete(connection) && !this.#waiting.delete(connection)) return
    connection.stage = stage
    connection.since = this.#uptime()
    connection.begun = connection.read
    connection.read = connection.socket.bytesRead
    if (stage === 'body') this.#bodies.add(connection)
    if (stage === 'body' || stage === 'answering') this.#busy.add(connection)
    else this.#waiting.add(connection)
  }

  #forgetBody(connection: Connection): void {
    this.#allowed -= connection.largest
    connection.largest = 0
    connection.isPreferred = false
    this.#bodies.delete(connection)
  }

  #forget(connection: Connection): void {
    this.#forgetBody(connection)
    this.#busy.delete(connection)
    this.#waiting.delete(connection)
    this.#queued.delete(connection)
    if (this.#size === 0) this.#emptied()
  }

  #count(why: Ending): void {
    this.#ended.set(why, (this.#ended.get(why) ?? 0) + 1)
  }

  #end(connection: Connection, why: Ending): void {
    this.#count(why)
    this.#forget(connection)
    const { socket, raw, answers } = connection
    const begun = [...answers].some(({ headersSent }) => headersSent)
    if ((why !== 'head' && why !== 'body') || begun) {
      // Both: what reads requests must see at once that it is over.
      socket.destroy()
      raw.destroy()
      return
    }
    const destroy = () => {
      raw.destroy()
    }
    const { signal, stop } = startDeadline(LAST_WORD)
    signal.addEventListener('abort', destroy)
    raw.once('close', stop)
    socket.end(`HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, destroy)
  }

  #arm(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      const now = this.#uptime()
      if (now - this.#looked >= LOOK) {
        this.#looked = now
        for (const connection of this.#all()) this.#look(connection, now)
        this.weigh()
      }
      if (this.#size > 0) this.#arm()
    }, LOOK).unref()
  }

  #look(connection: Connection, now: number): void {
    const { limits } = this
    const { socket, stage } = connection
    const age = now - connection.since
    switch (stage) {
      case 'handshake':
      case 'head':
        if (age > limits[stage]) this.#end(connection, stage)
        return
      case 'waiting':
        // The first bytes of a request: from here on its headers have their time.
        if (socket.bytesRead > connection.read) this.#turn(connection, 'head')
        else if (age > limits.idle) this.#end(connection, 'idle')
        return
      case 'body': {
        const came = socket.bytesRead - connection.read
        if (age > limits.body + (came / limits.bodyRate) * SECOND) this.#end(connection, 'body')
        return
      }
      case 'answering': {
        const written = socket.bytesWritten - socket.writableLength
        if (written !== connection.written || socket.writableLength === 0) {
          connection.written = written
          connection.since = now
        } else if (age > limits.stalled) this.#end(connection, 'stalled')
      }
    }
  }

  /** Ends every connection, whatever is under way on it, and takes no new one. */
  abort(): void {
    this.#draining = true
    for (const server of this.#servers) NetServer.prototype.close.call(server)
    for (const connection of this.#all()) this.#end(connection, 'draining')
  }

  /**
   * Takes no new connection, and waits until what is under way has been answered: at most half a minute. A connection
   * that is kept may ask once more for a moment, and is closed with that answer.
   */
  async drain(): Promise<void> {
    if (this.#draining) return
    this.#draining = true
    // Not the web server's own way to close: it ends idle connections at once, with what has just been sent on them.
    for (const server of this.#servers) NetServer.prototype.close.call(server)
    for (const { answers } of this.#busy) for (const answer of answers) if (unending.has(answer)) answer.end()
    const start = this.#uptime()
    for (const connection of [...this.#waiting])
      if (connection.stage === 'waiting' && start - connection.since > RECENT)
        this.#end(connection, 'draining')
    const empty = new Promise<void>((resolve) => {
      this.#emptied = resolve
    })
    const within = async (milliseconds: number) => {
      if (this.#size === 0) return
      const { signal, stop } = startDeadline(milliseconds)
      const late = new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          resolve()
        })
      })
      await Promise.race([empty, late])
      stop()
    }
    await within(LINGER)
    for (const connection of [...this.#queued, ...this.#waiting])
      if (connection.stage !== 'head') this.#end(connection, 'draining')
    await within(LONGEST_DRAIN - LINGER)
    for (const connection of this.#all()) this.#end(connection, 'draining')
  }
}

/** Bytes of a body that have come: at most what it may have. */
const cameOf = ({ socket, begun, largest }: Connection): number =>
  Math.min(largest, Math.max(0, socket.bytesRead - begun))

/** Both ends of a connection: the same of a TLS socket and of the one below it. */
const nameOf = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string =>
  [remoteAddress, remotePort, localAddress, localPort].join(' ')
