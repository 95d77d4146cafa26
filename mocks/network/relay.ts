import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer, request, type Server } from 'node:https'
import { type Credential, toTlsOptions } from '../../src/pki/certificate-generation.ts'
import { LOOPBACK } from './servers.ts'

/** Server that terminates TLS with a credential of its own, and relays requests to the authority: a gateway, or a middlebox. */
export class Relay {
  readonly #tls: { cert: string; key: string }
  readonly #servers: Server[] = []
  readonly #port: number
  /** The relay is in the same process as the authority, so it does not check the certificate. */
  readonly #agent = new Agent({ keepAlive: true, rejectUnauthorized: false })

  /** @param port port of the authority on loopback */
  constructor(credential: Credential, port: number) {
    this.#port = port
    this.#tls = toTlsOptions(credential)
  }

  createServer(): Server {
    const server = createServer(this.#tls, (incoming, response) => {
      this.#relay(incoming, response)
    })
    server.on('tlsClientError', () => undefined)
    this.#servers.push(server)
    return server
  }

  #relay(incoming: IncomingMessage, response: ServerResponse): void {
    const { method, url, headers } = incoming
    const outgoing = request(
      { host: LOOPBACK, port: this.#port, method, path: url, agent: this.#agent, headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, { ...answer.headers, via: '1.1 relay' })
        answer.pipe(response)
        answer.once('error', () => response.destroy())
      },
    )
    outgoing.once('error', () => {
      if (response.headersSent) response.destroy()
      else response.writeHead(502).end()
    })
    response.once('close', () => outgoing.destroy())
    incoming.pipe(outgoing)
  }

  close(): void {
    this.#agent.destroy()
    for (const server of this.#servers) server.closeAllConnections()
  }
}
