import type { Connection } from './connection-table.ts'

const CHECK_INTERVAL_MS = 100

interface InflightBody {
  /** Limit of the body in bytes. */
  readonly maxBytes: number
  readonly isTrusted: boolean
}

/**
 * Bounds the memory of incomplete request bodies by their received bytes, not by their announced lengths. Beyond the
 * limit, the oldest bodies are evicted first, and those of trusted clients last.
 */
export class InflightBodies {
  readonly #maxBytes: number
  readonly #disconnect: (connection: Connection) => void
  readonly #bodies = new Map<Connection, InflightBody>()
  #reserved = 0
  #timer: NodeJS.Timeout | undefined

  constructor(maxBytes: number, disconnect: (connection: Connection) => void) {
    this.#maxBytes = maxBytes
    this.#disconnect = disconnect
  }

  reserve(connection: Connection, body: InflightBody): void {
    this.#reserved += body.maxBytes - (this.#bodies.get(connection)?.maxBytes ?? 0)
    this.#bodies.set(connection, body)
    // While the reserved bytes are within the limit, received bytes need not be counted.
    if (this.#reserved > this.#maxBytes)
      this.#timer ??= setInterval(() => {
        this.#check()
      }, CHECK_INTERVAL_MS).unref()
  }

  release(connection: Connection): void {
    this.#reserved -= this.#bodies.get(connection)?.maxBytes ?? 0
    this.#bodies.delete(connection)
    if (this.#reserved > this.#maxBytes) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #check(): void {
    const bodies = [...this.#bodies].map(([connection, { maxBytes, isTrusted }]) => {
      const { socket, bytesBefore } = connection
      return { connection, isTrusted, bytes: Math.min(maxBytes, socket.bytesRead - bytesBefore) }
    })
    let excess = bodies.reduce((sum, { bytes }) => sum + bytes, -this.#maxBytes)
    const untrustedFirst = [
      ...bodies.filter(({ isTrusted }) => !isTrusted),
      ...bodies.filter(({ isTrusted }) => isTrusted),
    ]
    for (const { connection, bytes } of untrustedFirst) {
      if (excess <= 0) return
      excess -= bytes
      this.#disconnect(connection)
    }
  }
}
