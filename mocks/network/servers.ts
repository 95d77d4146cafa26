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

/** Port on loopback, for IPv4 and, where the machine has it, IPv6. In a container also on all addresses of IPv4. */
export class LoopbackPort {
  readonly #ipv4: Server
  readonly #ipv6: Server
  readonly #address: string
  #port: number

  /**
   * @param options.port port to listen on. Default: a free one
   * @param options.address IPv4 address, such as 0.0.0.0. Default: loopback
   * @throws TypeError for a value that is no port, which Node would take for a path
   */
  constructor(createServer: () => Server, options: { port?: number; address?: string } = {}) {
    const { port = 0 } = options
    if (!(Number.isInteger(port) && port >= 0 && port <= 65_535))
      throw new TypeError(`${JSON.stringify(port)} is not a port from 0 to 65535.`)
    this.#ipv4 = createServer()
    this.#ipv6 = createServer()
    this.#port = port
    this.#address = options.address ?? LOOPBACK
  }

  get port(): number {
    return this.#port
  }

  /** Opens the port, always the same one. @throws an error of the system, such as EADDRINUSE */
  async open(): Promise<void> {
    await listen(this.#ipv4, this.#port, this.#address)
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
