import { delay, HttpResponse } from 'msw'
import type { Delivery } from '../src/faults/index.ts'

/** Converts a delivery to a response of MSW. Since MSW has no connections, a reset becomes a failed request. */
export async function toMswResponse(delivery: Delivery): Promise<Response> {
  const headers = { 'content-type': 'application/json' }
  switch (delivery.kind) {
    case 'reply':
      return new HttpResponse(delivery.body === '' ? null : delivery.body, delivery)
    case 'reset':
      return HttpResponse.error()
    case 'timeout':
      await delay('infinite')
      return HttpResponse.error()
    case 'truncated':
      return new HttpResponse(
        createIncompleteStream(delivery.body.slice(0, delivery.body.length / 2), 'break'),
        { headers },
      )
    case 'dripping':
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
