import type { IncomingMessage, ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import { systemClock } from '../core/system-clock.ts'
import { SECOND } from '../core/time.ts'
import { withTimeout } from '../transports/deadline.ts'
import {
  type Connection,
  ConnectionTable,
  isSendingHeaders,
  type Stage,
  type TrackedStage,
} from './connection-table.ts'
import { InflightBodies } from './inflight-bodies.ts'
import { HandshakeQueue, interceptConnections } from './tls-handshake-queue.ts'

/** Limits for all clients of a server together. Node enforces the time limits of each client. */
export interface ConnectionLimits {
  readonly maxConnections: number
  /** Unanswered requests of one connection. */
  readonly maxPipelinedRequests: number
  /** Received bytes of all request bodies that are incomplete. */
  readonly maxInflightBodyBytes: number
}

export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = {
  maxConnections: 20_000,
  maxPipelinedRequests: 16,
  maxInflightBodyBytes: 256 * 1024 * 1024,
}

/** Reasons for which the server ends a connection or does not accept one. */
export const DISCONNECT_REASONS = [
  'max_connections',
  'max_pipelined_requests',
  'max_inflight_body_bytes',
  'handshake_timeout',
  'headers_timeout',
  'body_timeout',
  'keep_alive_timeout',
  'write_stall_timeout',
  'draining',
] as const
export type DisconnectReason = (typeof DISCONNECT_REASONS)[number]

const TIMEOUT_REASONS: Readonly<Record<TrackedStage, DisconnectReason>> = {
  tls_handshake: 'handshake_timeout',
  idle: 'keep_alive_timeout',
  body: 'body_timeout',
  response: 'write_stall_timeout',
}
/** Stages in the order in which their connections are evicted for a new one. */
const EVICTION_ORDER: readonly TrackedStage[] = ['idle', 'tls_handshake', 'body']
/** Time for which a recently used connection may send another request while the server drains. */
const LINGER_MS = 2 * SECOND
const RECENTLY_USED_MS = 5 * SECOND
const MAX_DRAIN_MS = 25 * SECOND

const endlessStreams = new WeakSet<ServerResponse>()

/** Marks a response that does not end by itself, such as an event stream, so that a draining server ends it. */
export function closeOnShutdown(response: ServerResponse): void {
  endlessStreams.add(response)
}

/** Enforces the limits that Node does not have, and drains the server (decision 23). */
export class ConnectionLimiter {
  readonly limits: ConnectionLimits
  readonly #connections = new ConnectionTable()
  readonly #bodies: InflightBodies
  readonly #servers: NetServer[] = []
  readonly #disconnects = new Map<DisconnectReason, number>()
  #isDraining = false
  #onEmpty = (): void => undefined

  constructor(limits: Partial<ConnectionLimits> = {}) {
    this.limits = { ...DEFAULT_CONNECTION_LIMITS, ...limits }
    this.#bodies = new InflightBodies(this.limits.maxInflightBodyBytes, (connection) => {
      this.#disconnect(connection, 'max_inflight_body_bytes')
    })
  }

  get isDraining(): boolean {
    return this.#isDraining
  }

  /** Counts the open connections of each stage. */
  countByStage(): Record<Stage, number> {
    return this.#connections.countByStage()
  }

  /** Counts the connections that the server ended or did not accept, by reason. */
  countDisconnects(): ReadonlyMap<DisconnectReason, number> {
    return this.#disconnects
  }

  /** Returns true if a response has started on a connection. */
  isResponding(socket: Socket): boolean {
    const { responses = [] } = this.#connections.find(socket) ?? {}
    return [...responses].some(({ headersSent }) => headersSent)
  }

  /** Limits the connections of a server from now on. */
  watch(server: NetServer): void {
    this.#servers.push(server)
    const handshakes = server instanceof TlsServer ? new HandshakeQueue(interceptConnections(server)) : null
    server.prependListener('connection', (raw: Socket) => {
      if (this.#accept(raw, handshakes ? 'tls_handshake' : 'idle')) handshakes?.add(raw)
    })
    server.on('secureConnection', (socket: Socket) => {
      const connection = this.#connections.find(socket)
      if (!connection) return
      connection.socket = socket
      this.#setStage(connection, 'idle')
    })
    server.on('tlsClientError', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') this.#count('handshake_timeout')
    })
    server.prependListener('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      if (error.code !== 'ERR_HTTP_REQUEST_TIMEOUT') return
      this.#count(this.#connections.find(socket)?.stage === 'body' ? 'body_timeout' : 'headers_timeout')
    })
    server.on('timeout', (socket: Socket) => {
      this.#onTimeout(socket)
    })
    // Runs before the listener that answers, so that an excess request is not processed.
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
      const connection = this.#connections.find(request.socket)
      if (connection) this.#serve(connection, request, response)
    })
  }

  /** Accepts a connection, if necessary in place of another one. @returns true if the connection was accepted */
  #accept(raw: Socket, stage: TrackedStage): boolean {
    if (this.#connections.size >= this.limits.maxConnections) {
      const oldest = this.#connections.findOldest(EVICTION_ORDER)
      if (!oldest) {
        this.#count('max_connections')
        raw.destroy()
        return false
      }
      this.#disconnect(oldest, 'max_connections')
    }
    const connection = this.#connections.add(raw, stage)
    raw.once('close', () => {
      this.#forget(connection)
    })
    return true
  }

  #serve(connection: Connection, request: IncomingMessage, response: ServerResponse): void {
    const { responses } = connection
    // The request arrived in the same packet as an earlier request that ended the connection.
    if (connection.socket.destroyed) return
    if (responses.size >= this.limits.maxPipelinedRequests) {
      this.#disconnect(connection, 'max_pipelined_requests')
      return
    }
    responses.add(response)
    response.once('close', () => {
      responses.delete(response)
      if (responses.size === 0) this.#setStage(connection, 'idle')
    })
    const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers
    const hasBody = encoding !== undefined || length !== '0'
    this.#setStage(connection, hasBody ? 'body' : 'response')
    // For an unread body, Node emits `end` with the response, when the next request may have started.
    if (hasBody)
      request.once('end', () => {
        if (responses.has(response) && [...responses].at(-1) === response)
          this.#setStage(connection, 'response')
      })
  }

  #onTimeout(socket: Socket): void {
    const connection = this.#connections.find(socket)
    // The client is not stalled: the response is not ready yet, or a stream has nothing to send.
    if (connection?.stage === 'response' && socket.writableLength === 0)
      socket.setTimeout(socket.timeout ?? 0)
    else if (connection) this.#disconnect(connection, TIMEOUT_REASONS[connection.stage])
    else socket.destroy()
  }

  /**
   * Reserves memory for the body of a request.
   *
   * @param maxBytes limit of the body in bytes, even if the request announces a longer body
   * @param isTrusted true if the limiter evicts the bodies of other clients first
   */
  reserveBodyBytes(request: IncomingMessage, maxBytes: number, { isTrusted = false } = {}): void {
    const connection = this.#connections.find(request.socket)
    if (connection?.stage !== 'body') return
    const announced = Number(request.headers['content-length'] ?? maxBytes)
    this.#bodies.reserve(connection, { maxBytes: Math.min(announced, maxBytes), isTrusted })
  }

  #setStage(connection: Connection, stage: TrackedStage): void {
    this.#bodies.release(connection)
    this.#connections.setStage(connection, stage)
  }

  #count(reason: DisconnectReason): void {
    this.#disconnects.set(reason, (this.#disconnects.get(reason) ?? 0) + 1)
  }

  #disconnect(connection: Connection, reason: DisconnectReason): void {
    this.#count(reason)
    this.#forget(connection)
    // Both sockets are destroyed, so that the HTTP parser stops at once.
    connection.socket.destroy()
    connection.raw.destroy()
  }

  #forget(connection: Connection): void {
    this.#bodies.release(connection)
    this.#connections.delete(connection)
    if (this.#connections.size === 0) this.#onEmpty()
  }

  /** Ends every connection, even with a request in progress, and accepts no new one. */
  abort(): void {
    this.#stopAccepting()
    for (const connection of this.#connections.listAll()) this.#disconnect(connection, 'draining')
  }

  #stopAccepting(): void {
    this.#isDraining = true
    // The `close` method of the HTTP server would end idle connections whose next request is in transit.
    for (const server of this.#servers) NetServer.prototype.close.call(server)
  }

  /**
   * Accepts no new connection and waits, for 25 seconds at most, until the requests in progress are answered. A recently
   * used connection may send one more request, and is closed after the response.
   */
  async drain(): Promise<void> {
    if (this.#isDraining) return
    this.#stopAccepting()
    for (const { responses } of this.#connections.listByStage('response'))
      for (const response of responses) if (endlessStreams.has(response)) response.end()
    const recentSince = systemClock.uptime() - RECENTLY_USED_MS
    const disconnectIdle = (connections: readonly Connection[]) => {
      for (const connection of connections)
        if (!isSendingHeaders(connection)) this.#disconnect(connection, 'draining')
    }
    disconnectIdle(this.#connections.listByStage('idle').filter(({ since }) => since < recentSince))
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve
      if (this.#connections.size === 0) resolve()
    })
    await withTimeout(LINGER_MS, empty)
    disconnectIdle([
      ...this.#connections.listByStage('tls_handshake'),
      ...this.#connections.listByStage('idle'),
    ])
    await withTimeout(MAX_DRAIN_MS - LINGER_MS, empty)
    this.abort()
  }
}
