import type { FastifyReply } from 'fastify'
import type { FaultPlan } from '../../faults/index.ts'
import { type AnswerFaultName, type Delivery, Injector, type Reply } from '../../faults/index.ts'
import { type Instant, iso } from '../../core/time.ts'
import { exchangePath, type ExchangeType } from '../../protocol/messages.ts'

/** One request that came, for tests to assert on. Nothing in it is secret: no token, no key, no body. */
export interface RequestRecord {
  readonly number: number
  readonly at: string
  readonly type: ExchangeType
  readonly path: string
  /** What was done to it; null when it was answered as it should be. */
  readonly fault: AnswerFaultName | null
  /** The status that was answered; null when none was. */
  readonly status: number | null
}

const HISTORY_KEPT = 10_000
/** Between two bytes of an answer that drips. */
const DRIP = 50

/**
 * An authority that misbehaves on purpose, for tests: what is planned happens to the answers, after the authority
 * has decided or before it was asked. Signing, verification and counting are untouched.
 */
export class Misbehaviour {
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

  forget(): void {
    this.#history = []
  }

  /** Answers one request, well or ill. */
  async answer(type: ExchangeType, decide: () => Promise<Reply>, reply: FastifyReply): Promise<void> {
    const { delivery, fault } = await this.#injector.answer(type, decide)
    this.#record(type, fault, delivery.kind === 'reply' ? delivery.status : null)
    await deliver(reply, delivery)
  }

  #record(type: ExchangeType, fault: AnswerFaultName | null, status: number | null): void {
    const record = {
      number: ++this.#count,
      at: iso(this.#now()),
      type,
      path: exchangePath(type),
      fault,
      status,
    }
    this.#history = [...this.#history.slice(1 - HISTORY_KEPT), record]
  }
}

/** Carries a delivery over a real connection, whatever is wrong with it. */
async function deliver(reply: FastifyReply, delivery: Delivery): Promise<void> {
  switch (delivery.kind) {
    case 'reply':
      await reply.code(delivery.status).headers(delivery.headers).send(delivery.body)
      return
    case 'silent':
      reply.hijack()
      return
    case 'broken':
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
      }, DRIP)
      raw.once('close', () => {
        clearInterval(drip)
      })
    }
  }
}
