import type { AddressInfo, Server, Socket } from 'node:net'

export const LOOPBACK = '127.0.0.1'
const LOOPBACK_IPV6 = '::1'

function listen(server: Server, port: number, host: string): Promise<void> {
  if (server.listening) return Promise.resolve()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

const close = (server: Server): Promise<void> =>
  server.listening ? new Promise((resolve) => void server.close(() => resolve())) : Promise.resolve()

/** Port on loopback, for IPv4 and, where the machine has it, IPv6. */
export class LoopbackPort {
  readonly #ipv4: Server
  readonly #ipv6: Server
  #port: number

  /** @param wanted port to listen on; 0 for a free one */
  constructor(createServer: () => Server, wanted = 0) {
    this.#ipv4 = createServer()
    this.#ipv6 = createServer()
    this.#port = wanted
  }

  get port(): number {
    return this.#port
  }

  /** Opens the port, always the same one. @throws an error of the system, such as EADDRINUSE */
  async open(): Promise<void> {
    await listen(this.#ipv4, this.#port, LOOPBACK)
    this.#port = (this.#ipv4.address() as AddressInfo).port
    await listen(this.#ipv6, this.#port, LOOPBACK_IPV6).catch(() => undefined)
  }

  async close(): Promise<void> {
    await Promise.all([close(this.#ipv4), close(this.#ipv6)])
  }
}

/** Open sockets of a network. */
export class OpenSockets {
  readonly #sockets = new Set<Socket>()

  /** Keeps a socket until it closes. Its errors are those of the test. */
  add(socket: Socket): Socket {
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => this.#sockets.delete(socket))
    return socket
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}
