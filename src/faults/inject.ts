import { setTimeout as sleep } from 'node:timers/promises'
import type { MessageType } from '../protocol/messages.ts'
import type { Credential } from '../pki/certificate-generation.ts'
import { type AnswerFaultName, type Delivery, faultCatalog, isAnswerFault, type Reply } from './faults.ts'
import type { FaultPlan } from './plan.ts'
import { resignUntrusted, createUntrustedCredential } from './untrusted-signer.ts'

/** Result of an exchange: the delivery, and the injected fault or null. */
interface InjectionResult {
  readonly delivery: Delivery
  readonly fault: AnswerFaultName | null
}

/** Injects the planned answer faults into exchanges. */
export class Injector {
  readonly #plan: FaultPlan
  readonly #now: () => number
  readonly #wait: (milliseconds: number) => Promise<void>
  /** Last successful answer of each type, for replays. */
  readonly #earlier = new Map<MessageType, Reply>()
  #untrustedCredential: Promise<Credential> | undefined

  /** @param wait waits before a delayed fault. Default: by the machine's clock */
  constructor(
    plan: FaultPlan,
    now: () => number,
    wait: (milliseconds: number) => Promise<void> = (milliseconds) => sleep(milliseconds),
  ) {
    this.#plan = plan
    this.#now = now
    this.#wait = wait
  }

  /** @param decide lets the authority process the request; called at most once */
  async answer(type: MessageType, decide: () => Promise<Reply>): Promise<InjectionResult> {
    const earlier = this.#earlier.get(type)
    const remembering = async () => {
      const reply = await decide()
      if (reply.status === 200) this.#earlier.set(type, reply)
      return reply
    }
    const planned = this.#plan.next(type, isAnswerFault)
    if (planned === null || !isAnswerFault(planned.fault))
      return { delivery: { kind: 'reply', ...(await remembering()) }, fault: null }
    const { fault, delay } = planned
    if (delay !== undefined) await this.#wait(delay)
    const delivery = await faultCatalog[fault].inject({
      decide: remembering,
      earlier,
      resignUntrusted: (reply) => this.#resignUntrusted(reply),
    })
    return { delivery, fault }
  }

  async #resignUntrusted(reply: Reply): Promise<Reply> {
    this.#untrustedCredential ??= createUntrustedCredential('answer-signer', this.#now())
    return resignUntrusted(reply, await this.#untrustedCredential)
  }
}
