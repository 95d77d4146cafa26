import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { onSendHookHandler } from 'fastify'
import { systemClock } from '../core/system-clock.ts'
import { SECOND } from '../core/time.ts'
import { withTimeout } from '../transports/deadline.ts'

/** Time for which the server discards the rest of a body that it has refused, and the longest pause in it. */
const LINGER_MS = 5 * SECOND
const MAX_PAUSE_MS = SECOND / 2

/**
 * Sends an answer at once and ends it when the client has sent the rest of its request, pauses, or after five seconds.
 * Many clients send all of a request before they read the answer. They would only see a broken connection if the server
 * closed it before.
 */
export const lingerOnUnreadBody: onSendHookHandler = (request, reply, payload, done) => {
  const isText = typeof payload === 'string' || Buffer.isBuffer(payload)
  if (request.raw.complete || !isText) {
    done(null, payload)
    return
  }
  void reply.header('content-length', Buffer.byteLength(payload))
  done(null, Readable.from(sendAndDiscard(payload, request.raw)))
}

async function* sendAndDiscard(payload: string | Buffer, request: IncomingMessage): AsyncGenerator<Buffer> {
  yield Buffer.from(payload)
  const ended = new Promise<true>((resolve) => {
    const onEnd = (): void => {
      resolve(true)
    }
    request.once('end', onEnd).once('close', onEnd).once('error', onEnd)
  })
  request.resume()
  const { socket } = request
  const until = systemClock.uptime() + LINGER_MS
  let read: number
  do {
    read = socket.bytesRead
    if ((await withTimeout(MAX_PAUSE_MS, ended)) !== null) return
  } while (socket.bytesRead > read && systemClock.uptime() < until)
}
