import type { FastifyReply } from 'fastify'
import type { FaultPlan } from '../../faults/index.ts'
import { type AnswerFaultName, type Delivery, Injector, type Reply } from '../../faults/index.ts'
import { type Instant, toIsoString } from '../../core/time.ts'
import { getMessagePath, type MessageType } from '../../protocol/messages.ts'

/** A received request, for assertions in tests. It contains no token, key or body. */
export interface RequestRecord {
  readonly number: number
  readonly at: string
  readonly type: MessageType
  readonly path: string
  /** The injected fault, or null. */
  readonly fault: AnswerFaultName | null
  /** The status of the response, or null without a response. */
  readonly status: number | null
}

const MAX_HISTORY = 10_000
/** Interval between two bytes of a slow response. */
const DRIP_INTERVAL_MS = 50

/**
 * Injects the planned faults into the answers of a test authority, before or after its decision. Signing, verification
 * and counting are unchanged.
 */
export class FaultInjector {
  readonly plan: FaultPlan
  readonly #injector: Injector
  readonly #now: () => Instant
  #history: RequestRecord[] = []
  #count = 0

  constructor(plan: FaultPlan, now: () => Instant) {
    this.plan = plan
    this.#injector = new Injector(plan, now)
    this.#now = now
  }

  get history(): readonly RequestRecord[] {
    return this.#history
  }

  clearHistory(): void {
    this.#history = []
  }

  /** Answers one request, with the fault that is planned for it, if any. */
  async answer(type: MessageType, decide: () => Promise<Reply>, reply: FastifyReply): Promise<void> {
    const { delivery, fault } = await this.#injector.answer(type, decide)
    this.#record(type, fault, delivery.kind === 'reply' ? delivery.status : null)
    await deliver(reply, delivery)
  }

  #record(type: MessageType, fault: AnswerFaultName | null, status: number | null): void {
    const record = {
      number: ++this.#count,
      at: toIsoString(this.#now()),
      type,
      path: getMessagePath(type),
      fault,
      status,
    }
    this.#history = [...this.#history.slice(1 - MAX_HISTORY), record]
  }
}

/** Sends a response or a fault over a real connection. */
async function deliver(reply: FastifyReply, delivery: Delivery): Promise<void> {
  switch (delivery.kind) {
    case 'reply':
      await reply.code(delivery.status).headers(delivery.headers).send(delivery.body)
      return
    case 'timeout':
      reply.hijack()
      return
    case 'reset':
      reply.hijack()
      reply.raw.socket?.destroy()
      return
    case 'truncated':
    case 'dripping': {
      reply.hijack()
      const body = Buffer.from(delivery.body)
      const { raw } = reply
      raw.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
      if (delivery.kind === 'truncated') {
        raw.write(body.subarray(0, body.length / 2), () => raw.socket?.destroy())
        return
      }
      let sent = 0
      const drip = setInterval(() => {
        // The last byte is never sent.
        if (sent < body.length - 1) raw.write(body.subarray(sent, ++sent))
      }, DRIP_INTERVAL_MS)
      raw.once('close', () => {
        clearInterval(drip)
      })
    }
  }
}
