import type { FastifyReply } from 'fastify'
import type { FaultPlan } from '../../faults/index.ts'
import { type AnswerFaultName, deliver, Injector, type Reply } from '../../faults/index.ts'
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
    if (delivery.kind === 'reply') {
      await reply.code(delivery.status).headers(delivery.headers).send(delivery.body)
      return
    }
    reply.hijack()
    deliver(reply.raw, delivery)
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
