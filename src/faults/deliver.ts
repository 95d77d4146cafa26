import type { ServerResponse } from 'node:http'
import type { Delivery } from './faults.ts'

/** Interval between two bytes of a slow response. */
const DRIP_INTERVAL_MS = 50
/** Number of bytes after which the client has surely received the beginning of a slow response. */
const DRIPS_BEFORE_STALL = 3

/** Sends a response or a fault over a real connection. @param onStall called when nothing more will be sent */
export function deliver(
  response: ServerResponse,
  delivery: Delivery,
  onStall: () => void = () => undefined,
): void {
  switch (delivery.kind) {
    case 'reply':
      response.writeHead(delivery.status, delivery.headers).end(delivery.body)
      return
    case 'timeout':
      onStall()
      return
    case 'reset':
      response.socket?.destroy()
      return
    case 'truncated':
    case 'dripping':
      deliverInPart(response, delivery, onStall)
  }
}

function deliverInPart(
  response: ServerResponse,
  { kind, body: text }: Delivery & { kind: 'truncated' | 'dripping' },
  onStall: () => void,
): void {
  const body = Buffer.from(text)
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
  if (kind === 'truncated') {
    response.write(body.subarray(0, body.length / 2), () => response.socket?.destroy())
    return
  }
  let sent = 0
  const drip = () => {
    // The last byte is never sent.
    if (sent < body.length - 1) response.write(body.subarray(sent, ++sent))
    if (sent === DRIPS_BEFORE_STALL) onStall()
  }
  const timer = setInterval(drip, DRIP_INTERVAL_MS)
  response.once('close', () => {
    clearInterval(timer)
  })
  drip()
}
