import type { Server as NetServer, Socket } from 'node:net'

/** Handshakes begun between two looks at what else there is to do: some ten milliseconds of work. */
const AT_A_TIME = 16

/**
 * Those who wait until TLS is begun with them, in the order they came. A handshake costs more than most requests: if all of
 * them were begun as they come, a crowd would make everybody wait for everybody, until all have given up. So a few are begun
 * at a time, and in between those who are further on are served.
 */
export class HandshakeQueue {
  readonly #begin: (raw: Socket) => void
  readonly #waiting = new Set<Socket>()
  #next: NodeJS.Immediate | undefined

  /** @param begin is called for each when its turn has come, unless its connection is gone by then */
  constructor(begin: (raw: Socket) => void) {
    this.#begin = begin
  }

  /** How many wait. */
  get length(): number {
    return this.#waiting.size
  }

  add(raw: Socket): void {
    this.#waiting.add(raw)
    raw.once('close', () => this.#waiting.delete(raw))
    this.#next ??= setImmediate(() => {
      this.#turn()
    })
  }

  #turn(): void {
    this.#next = undefined
    let begun = 0
    for (const raw of this.#waiting) {
      this.#waiting.delete(raw)
      this.#begin(raw)
      if (++begun === AT_A_TIME) break
    }
    if (this.#waiting.size > 0)
      this.#next = setImmediate(() => {
        this.#turn()
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
