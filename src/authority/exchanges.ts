import { asLicensingError, LicensingError } from '../domain/errors.ts'
import type { RequestType } from '../protocol/messages.ts'
import type { ExchangeWatch } from './observer.ts'
import { type Decided, readExchange, type SignedRequest } from './requests.ts'

/** Exchanges that are decided in one transaction: more would only make those who wait wait longer. */
const LARGEST_BATCH = 64

/** What came of one exchange of a transaction: an answer, or why there is none. */
export type Outcome = Decided | LicensingError

/** Decides exchanges in one transaction, in their order; on disk when it resolves, or nothing of it. */
export type DecideTogether<C> = (
  requests: readonly SignedRequest[],
  /** Called when they are decided, before that is written for good. */
  decided: () => void,
) => Promise<{ outcomes: readonly Outcome[]; context: C }>

interface Waiting<C> {
  readonly request: SignedRequest
  readonly watch: Pick<ExchangeWatch, 'step'>
  readonly resolve: (answered: { decided: Decided; context: C }) => void
  readonly reject: (failure: unknown) => void
}

/**
 * The exchanges with agents, as they come: signatures are checked at once, and what waits while one transaction is written
 * is decided together in the next (one commit for many is what a disk can do; decision 0016).
 *
 * @typeParam C what the answers of one transaction share
 */
export class Exchanges<C> {
  readonly #decide: DecideTogether<C>
  #waiting: Waiting<C>[] = []
  #working = false

  constructor(decide: DecideTogether<C>) {
    this.#decide = decide
  }

  /**
   * Decides one exchange.
   *
   * @throws LicensingError REQUEST_MALFORMED, REQUEST_SIGNATURE_INVALID, PROTOCOL_UNSUPPORTED, STORE_*, DATABASE_*: for what
   * gets no signed answer
   */
  async take(
    type: RequestType,
    message: unknown,
    watch: Pick<ExchangeWatch, 'step'>,
  ): Promise<{ decided: Decided; context: C }> {
    watch.step('receive')
    const request = await readExchange(type, message)
    const answered = new Promise<{ decided: Decided; context: C }>((resolve, reject) => {
      this.#waiting.push({ request, watch, resolve, reject })
    })
    if (!this.#working) void this.#work()
    return answered
  }

  async #work(): Promise<void> {
    this.#working = true
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, LARGEST_BATCH)
      this.#waiting = this.#waiting.slice(LARGEST_BATCH)
      await this.#together(batch)
    }
    this.#working = false
  }

  async #together(batch: readonly Waiting<C>[]): Promise<void> {
    try {
      for (const { watch } of batch) watch.step('decide')
      const { outcomes, context } = await this.#decide(
        batch.map(({ request }) => request),
        () => {
          for (const { watch } of batch) watch.step('commit')
        },
      )
      for (const [i, { resolve, reject }] of batch.entries()) {
        const outcome = outcomes[i]
        if (outcome === undefined || outcome instanceof LicensingError) reject(outcome)
        else resolve({ decided: outcome, context })
      }
    } catch (thrown) {
      const failure = asLicensingError(thrown)
      // What is wrong with one of them must not be the end of the others; what is wrong with the database is of all.
      if (batch.length > 1 && failure.code === 'INTERNAL')
        for (const one of batch) await this.#together([one])
      else for (const { reject } of batch) reject(failure)
    }
  }
}
