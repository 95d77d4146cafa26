import { delay, HttpResponse } from 'msw'
import type { Delivery } from '../src/faults/index.ts'

/** A delivery as MSW can give it: it stands before the connection, so a broken one is a failed request. */
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
      return new HttpResponse(stream(delivery.body.slice(0, delivery.body.length / 2), 'break'), { headers })
    case 'dripping':
      return new HttpResponse(stream(delivery.body.slice(0, 1), 'stall'), { headers })
  }
}

/** A body that begins, and then breaks or goes on without end. */
const stream = (begun: string, then: 'break' | 'stall'): ReadableStream =>
  new ReadableStream({
    start: (controller) => {
      controller.enqueue(new TextEncoder().encode(begun))
    },
    pull: (controller) => {
      if (then === 'break') controller.error(new Error('broken off'))
      else return new Promise(() => undefined)
    },
  })
