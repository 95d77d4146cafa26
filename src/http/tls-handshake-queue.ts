import type { Server as NetServer, Socket } from 'node:net'
import { systemClock } from '../core/system-clock.ts'
import { SECOND } from '../core/time.ts'

/** Handshakes begun in one turn of the event loop: some ten milliseconds of work. */
const BATCH_SIZE = 16
/** Clients give up after about ten seconds: past this delay the newest are served first. */
const MAX_QUEUE_DELAY_MS = 5 * SECOND

/**
 * Queues connections until TLS is begun with them. A handshake costs more than most requests: if all of a crowd's were begun
 * as they come, every client would wait for every other, until all have given up. So a few are begun at a time, and clients
 * further on are served in between.
 *
 * The order is first come, first served. Past `MAX_QUEUE_DELAY_MS` it is the reverse: the first of a queue that is longer
 * than its clients' patience are about to give up, and all the work would go into connections that end.
 */
export class HandshakeQueue {
  readonly #begin: (raw: Socket) => void
  readonly #uptime: () => number
  /** Each connection with the uptime of its arrival, the oldest first. */
  readonly #waiting = new Map<Socket, number>()
  #next: NodeJS.Immediate | undefined

  /**
   * @param begin is called for each connection in turn, unless its client is gone by then
   * @param uptime milliseconds of a clock that is never set
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
    // A socket emits its end only when what came before was read: a turn later it is known which clients have gone.
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
 * Removes a TLS server's own listeners of new connections.
 *
 * @returns what begins TLS with a connection
 */
export function interceptConnections(server: NetServer): (raw: Socket) => void {
  const listeners = server.listeners('connection')
  server.removeAllListeners('connection')
  return (raw) => {
    for (const listener of listeners) Reflect.apply(listener, server, [raw])
  }
}
