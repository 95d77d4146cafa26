import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A received webhook message. */
export interface ReceivedMessage {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Starts a webhook receiver on the loopback address with a configurable answer. */
export async function createReceiver() {
  const received: ReceivedMessage[] = []
  const receiver = {
    received,
    /** Answers the next messages. */
    answer: (response: ServerResponse) => {
      response.writeHead(204).end()
    },
    types: () => received.map(({ body }) => (JSON.parse(body) as { type: string }).type),
    ids: () => received.map(({ headers }) => String(headers['webhook-id'])),
  }
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (part: string) => (body += part))
    request.on('end', () => {
      received.push({ headers: request.headers, body })
      receiver.answer(response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return Object.assign(receiver, {
    url: `http://127.0.0.1:${port}/hook`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  })
}
