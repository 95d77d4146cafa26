import { randomBytes, randomUUID } from 'node:crypto'
import { type Agent, request } from 'node:https'

/** Creates a hello request with a new message id and nonce. */
export const createHelloRequest = () => ({
  protocol: 1,
  direction: 'request',
  type: 'hello',
  messageId: randomUUID(),
  nonce: randomBytes(24).toString('base64url'),
  audience: randomBytes(32).toString('base64url'),
  epoch: 0,
  trustBundle: 0,
})

/** Creates a hello request as the body of an HTTP request. */
export const createHello = () => JSON.stringify(createHelloRequest())

export type HelloResult = { status: number; connection: string | undefined } | 'not sent' | 'failed'

/** Sends one hello request. Resolves to `not sent` if no connection could be opened. */
export const sendHello = (url: string, agent: Agent): Promise<HelloResult> =>
  new Promise((resolve) => {
    const body = createHello()
    let connected = false
    const outgoing = request(
      `${url}/smart-agent/v1/hello`,
      {
        method: 'POST',
        agent,
        rejectUnauthorized: false,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      },
      (response) => {
        response.resume()
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, connection: response.headers.connection })
        })
        response.on('error', () => {
          resolve('failed')
        })
      },
    )
    outgoing.on('socket', (socket) => {
      connected = outgoing.reusedSocket
      if (!connected) socket.once('secureConnect', () => (connected = true))
    })
    outgoing.on('error', () => {
      resolve(connected ? 'failed' : 'not sent')
    })
    outgoing.end(body)
  })
