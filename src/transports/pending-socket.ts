import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'

/**
 * Stream of a connection that is still being opened. Writes wait for the connection.
 *
 * Libraries that intercept the requests of a process, such as MSW, let a request through by a call of `createConnection`
 * of the request's agent. They need a socket at once, and ignore the callback.
 */
export class PendingSocket extends Duplex {
  connecting = true
  /**
   * Stand-in for the internal handle of a socket, which MSW copies to its own socket. Without a handle, each read of that
   * socket would add a listener, and Node would warn of a leak.
   */
  readonly _handle = {
    reading: true,
    close: (callback: () => void) => {
      // A promise is not delayed by the fake timers of a test.
      void Promise.resolve().then(callback)
    },
  }
  readonly #opening: Promise<Socket>
  #socket: Socket | null = null

  constructor(opening: Promise<Socket>) {
    super()
    this.#opening = opening
    opening.then(
      (socket) => {
        this.#forward(socket)
      },
      (error: unknown) => {
        this.#fail(error)
      },
    )
  }

  address(): ReturnType<Socket['address']> {
    return this.#socket?.address() ?? {}
  }

  #forward(socket: Socket): void {
    if (this.destroyed) return
    this.#socket = socket
    socket.on('data', (chunk) => {
      if (!this.push(chunk)) socket.pause()
    })
    socket.on('end', () => this.push(null))
    socket.on('error', (error) => {
      this.#fail(error)
    })
    socket.on('close', () => this.destroy())
    this.connecting = false
    this.emit('connect')
  }

  /**
   * Emits an error at once. `destroy(error)` would emit it a moment later, when an interceptor that closed the request
   * may have removed its listeners. An error without a listener ends the process.
   */
  #fail(error: unknown): void {
    if (this.destroyed) return
    this.emit('error', error)
    this.destroy()
  }

  override _read(): void {
    this.#socket?.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#opening.then((socket) => socket.write(chunk, callback), ignore)
  }

  override _final(callback: () => void): void {
    this.#opening.then((socket) => socket.end(callback), ignore)
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    // The connection is closed even if it is opened only later.
    this.#opening.then((socket) => socket.destroy(), ignore)
    callback(error)
  }
}

/** Ignores that the connection could not be opened, because `#fail` reports the error. */
const ignore = () => undefined
