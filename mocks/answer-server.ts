import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { text } from 'node:stream/consumers'
import { type Delivery, deliver } from '../src/faults/index.ts'
import { type Credential, toTlsOptions } from '../src/pki/certificate-generation.ts'
import { getMessagePath, type MessageType, messageTypeSchema } from '../src/protocol/messages.ts'
import type { VirtualTime } from './virtual-time.ts'

const TYPES = new Map(messageTypeSchema.options.map((type) => [getMessagePath(type), type]))

/**
 * Creates the HTTPS server of a mocked authority.
 *
 * @param respond answers one request
 */
export function createAnswerServer(
  credential: Credential,
  respond: (type: MessageType, body: string) => Promise<Delivery>,
  time: VirtualTime,
): Server {
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const type = request.method === 'POST' ? TYPES.get(request.url ?? '') : undefined
    if (type === undefined) {
      response.writeHead(404, { 'content-length': 0 }).end()
      return
    }
    const delivery = await respond(type, await text(request))
    deliver(response, delivery, () => {
      time.skip(() => response.destroyed)
    })
  }
  const server = createServer(toTlsOptions(credential), (request, response) => {
    // A client that leaves in the middle of a request gets no answer.
    answer(request, response).catch(() => response.destroy())
  })
  server.on('tlsClientError', () => undefined)
  return server
}
