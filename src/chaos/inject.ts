import { type Sealed } from '../protocol/messages.ts'
import { peek, seal } from '../trust/seal.ts'
import { type AnswerFaultName, type Delivery, faultCatalogue, type Reply } from './faults.ts'
import type { PlannedFault } from './plan.ts'
import { strangeCredential, type StrangeCredential } from './strange-signer.ts'

/** Does to an exchange what a plan says: waits, lets the authority decide or not, and gives what is delivered. */
export class Injector {
  readonly #now: () => number
  readonly #earlier = new Map<string, Reply>()
  #strange: Promise<StrangeCredential> | undefined

  constructor(now: () => number) {
    this.#now = now
  }

  /** Remembers a good answer: it may be played again. */
  remember(type: string, reply: Reply): void {
    if (reply.status === 200) this.#earlier.set(type, reply)
  }

  async inject(
    planned: PlannedFault & { fault: AnswerFaultName },
    type: string,
    decide: () => Promise<Reply>,
  ): Promise<Delivery> {
    if (planned.delay !== undefined) await new Promise((resolve) => setTimeout(resolve, planned.delay))
    const earlier = this.#earlier.get(type)
    return faultCatalogue[planned.fault].inject({
      decide: async () => {
        const reply = await decide()
        this.remember(type, reply)
        return reply
      },
      earlier,
      forge: async (reply) => {
        const payload = peek(JSON.parse(reply.body) as Sealed) as object
        this.#strange ??= strangeCredential('answer-signer', this.#now())
        const forged = await seal(payload, { type: 'sla-answer+jws', ...(await this.#strange) })
        return {
          status: reply.status,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(forged),
        }
      },
    })
  }
}
