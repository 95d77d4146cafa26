import type { Server as NetServer, Socket } from 'node:net'
import { SECOND } from '../core/time.ts'

/** Handshakes begun between two looks at what else there is to do: some ten milliseconds of work. */
const AT_A_TIME = 16
/** Milliseconds after which it is too late to serve those first who have waited longest: they give up after about ten seconds. */
const LATE = 5 * SECOND

/**
 * Those who wait until TLS is begun with them. A handshake costs more than most requests: if all of them were begun as they
 * come, a crowd would make everybody wait for everybody, until all have given up. So a few are begun at a time, and in between
 * those who are further on are served.
 *
 * In the order they came, while that is soon enough; where it is not, those first who came last. In a queue that is longer than
 * patience, the first are always those who are about to give up, and all the work would go into connections that end.
 */
export class HandshakeQueue {
  readonly #begin: (raw: Socket) => void
  readonly #uptime: () => number
  /** Each with when it came, the oldest first. */
  readonly #waiting = new Map<Socket, number>()
  #next: NodeJS.Immediate | undefined

  /**
   * @param begin is called for each when its turn has come, unless its connection is gone by then
   * @param uptime milliseconds by a clock that nobody sets
   */
  constructor(begin: (raw: Socket) => void, uptime: () => number) {
    this.#begin = begin
    this.#uptime = uptime
  }

  /** How many wait. */
  get length(): number {
    return this.#waiting.size
  }

  add(raw: Socket): void {
    this.#waiting.set(raw, this.#uptime())
    raw.once('close', () => this.#waiting.delete(raw))
    this.#arm()
  }

  #arm(): void {
    this.#next ??= setImmediate(() => {
      this.#turn()
    })
  }

  #turn(): void {
    const now = this.#uptime()
    const [oldest = now] = this.#waiting.values()
    const sockets = [...this.#waiting.keys()]
    const chosen = now - oldest > LATE ? sockets.slice(-AT_A_TIME).reverse() : sockets.slice(0, AT_A_TIME)
    const greetings = chosen.map((raw): [Socket, unknown] => {
      this.#waiting.delete(raw)
      return [raw, raw.read()]
    })
    // An end is told only when what came before it was read: who has gone meanwhile is known a moment later.
    this.#next = setImmediate(() => {
      this.#next = undefined
      for (const [raw, greeting] of greetings) {
        if (raw.destroyed) continue
        if (raw.readableEnded) raw.destroy()
        else {
          if (greeting !== null) raw.unshift(greeting)
          this.#begin(raw)
        }
      }
      if (this.#waiting.size > 0) this.#arm()
    })
  }
}

/**
 * Takes a TLS server's own way to begin with a connection away from it, for whoever decides when it is begun.
 *
 * @returns that way
 */
export function takeOverConnections(server: NetServer): (raw: Socket) => void {
  const own = server.listeners('connection')
  server.removeAllListeners('connection')
  return (raw) => {
    for (const listener of own) Reflect.apply(listener, server, [raw])
  }
}
