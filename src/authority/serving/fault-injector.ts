import type { FastifyReply } from 'fastify'
import type { FaultPlan } from '../../faults/index.ts'
import { type AnswerFaultName, type Delivery, Injector, type Reply } from '../../faults/index.ts'
import { type Instant, toIsoString } from '../../core/time.ts'
import { getMessagePath, type MessageType } from '../../protocol/messages.ts'

/** One request that came, for tests to assert on. Nothing in it is secret: no token, no key, no body. */
export interface RequestRecord {
  readonly number: number
  readonly at: string
  readonly type: MessageType
  readonly path: string
  /** What was done to it; null when it was answered as it should be. */
  readonly fault: AnswerFaultName | null
  /** The status that was answered; null when none was. */
  readonly status: number | null
}

const MAX_HISTORY = 10_000
/** Between two bytes of an answer that drips. */
const DRIP_INTERVAL_MS = 50

/**
 * An authority that misbehaves on purpose, for tests: what is planned happens to the answers, after the authority
 * has decided or before it was asked. Signing, verification and counting are untouched.
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

  /** Answers one request, well or ill. */
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

/** Carries a delivery over a real connection, whatever is wrong with it. */
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
        // The last byte never comes.
        if (sent < body.length - 1) raw.write(body.subarray(sent, ++sent))
      }, DRIP_INTERVAL_MS)
      raw.once('close', () => {
        clearInterval(drip)
      })
    }
  }
}
