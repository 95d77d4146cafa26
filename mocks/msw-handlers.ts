import { http, HttpResponse, type RequestHandler } from 'msw'
import type { Delivery } from '../src/faults/index.ts'
import { getMessagePath, type MessageType, messageTypeSchema } from '../src/protocol/messages.ts'
import type { VirtualTime } from './virtual-time.ts'

/** Creates the handlers of a mocked authority for MSW. */
export const createHandlers = (
  url: string,
  {
    respond,
    time,
  }: {
    respond: (type: MessageType, body: string) => Promise<Delivery>
    time: VirtualTime
  },
): RequestHandler[] =>
  messageTypeSchema.options.map((type) =>
    http.post(`${url}${getMessagePath(type)}`, async ({ request }) =>
      toResponse(await respond(type, await request.text()), request.signal, time),
    ),
  )

/** Converts a delivery to a response of MSW. Since MSW has no connections, a reset becomes a failed request. */
function toResponse(
  delivery: Delivery,
  signal: AbortSignal,
  time: VirtualTime,
): Response | Promise<Response> {
  const headers = { 'content-type': 'application/json' }
  switch (delivery.kind) {
    case 'reply':
      return new HttpResponse(delivery.body === '' ? null : delivery.body, delivery)
    case 'reset':
      return HttpResponse.error()
    case 'timeout':
      time.skipOnce()
      return new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          resolve(HttpResponse.error())
        })
      })
    case 'truncated': {
      const beginning = delivery.body.slice(0, delivery.body.length / 2)
      return new HttpResponse(createIncompleteStream(beginning, 'break'), { headers })
    }
    case 'dripping':
      time.skipOnce()
      return new HttpResponse(createIncompleteStream(delivery.body.slice(0, 1), 'stall'), { headers })
  }
}

/** Creates a body that starts, and then fails or never ends. */
const createIncompleteStream = (beginning: string, ending: 'break' | 'stall'): ReadableStream =>
  new ReadableStream({
    start: (controller) => {
      controller.enqueue(new TextEncoder().encode(beginning))
    },
    pull: (controller) => {
      if (ending === 'break') controller.error(new Error('The body was cut off.'))
      else return new Promise(() => undefined)
    },
  })
