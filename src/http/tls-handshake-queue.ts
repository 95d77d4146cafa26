import type { Server as NetServer, Socket } from 'node:net'
import { systemClock } from '../core/system-clock.ts'
import { SECOND } from '../core/time.ts'

/** Number of handshakes that start in one turn of the event loop, which is about ten milliseconds of work. */
const BATCH_SIZE = 16
/** Delay beyond which the newest clients are served first, because clients give up after about ten seconds. */
const MAX_QUEUE_DELAY_MS = 5 * SECOND

/**
 * Queues connections before their TLS handshake. A handshake costs more than most requests. If all were started on
 * arrival, a burst of clients would delay each other until all time out. Therefore the queue starts only a few
 * handshakes at a time, and the server serves established connections in between.
 *
 * The order is first in, first out. Beyond `MAX_QUEUE_DELAY_MS` it is last in, first out, because the oldest clients are
 * about to time out and their handshakes would be wasted.
 */
export class HandshakeQueue {
  readonly #begin: (raw: Socket) => void
  readonly #uptime: () => number
  /** Connections with the uptime of their arrival, oldest first. */
  readonly #waiting = new Map<Socket, number>()
  #next: NodeJS.Immediate | undefined

  /**
   * @param begin starts TLS, and is not called if the client has disconnected
   * @param uptime returns milliseconds of a monotonic clock
   */
  constructor(begin: (raw: Socket) => void, uptime: () => number = () => systemClock.uptime()) {
    this.#begin = begin
    this.#uptime = uptime
  }

  get length(): number {
    return this.#waiting.size
  }

  add(raw: Socket): void {
    this.#waiting.set(raw, this.#uptime())
    raw.once('close', () => this.#waiting.delete(raw))
    this.#schedule()
  }

  #schedule(): void {
    this.#next ??= setImmediate(() => {
      this.#beginBatch()
    })
  }

  #beginBatch(): void {
    const now = this.#uptime()
    const [oldest = now] = this.#waiting.values()
    const sockets = [...this.#waiting.keys()]
    const isLate = now - oldest > MAX_QUEUE_DELAY_MS
    const batch = isLate ? sockets.slice(-BATCH_SIZE).reverse() : sockets.slice(0, BATCH_SIZE)
    const clientHellos = batch.map((raw): [Socket, unknown] => {
      this.#waiting.delete(raw)
      return [raw, raw.read()]
    })
    // A socket emits `end` only after its data was read. One turn later, the clients that have disconnected are known.
    this.#next = setImmediate(() => {
      this.#next = undefined
      for (const [raw, clientHello] of clientHellos) {
        if (raw.destroyed) continue
        if (raw.readableEnded) raw.destroy()
        else {
          if (clientHello !== null) raw.unshift(clientHello)
          this.#begin(raw)
        }
      }
      if (this.#waiting.size > 0) this.#schedule()
    })
  }
}

/**
 * Removes the listeners of a TLS server for new connections.
 *
 * @returns function that starts TLS on a connection
 */
export function interceptConnections(server: NetServer): (raw: Socket) => void {
  const listeners = server.listeners('connection')
  server.removeAllListeners('connection')
  return (raw) => {
    for (const listener of listeners) Reflect.apply(listener, server, [raw])
  }
}
