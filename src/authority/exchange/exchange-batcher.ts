import { setImmediate as immediate } from 'node:timers/promises'
import type { Clock } from '../../core/clock.ts'
import { toLicensingError, LicensingError } from '../../core/errors.ts'
import type { RequestType } from '../../protocol/messages.ts'
import { AdmissionController, PRIORITIES, type Priority, getPriority } from './admission-control.ts'
import type { ExchangeSpan } from '../observer.ts'
import { type DecidedRequest, readExchange, type SignedRequest } from './requests.ts'

/** Exchanges that are decided in one transaction: more would only make those who wait wait longer. */
const MAX_BATCH_SIZE = 64
/** It begins when nothing has come for some turns of the event loop, and milliseconds after it could have at the latest. */
const IDLE_TURNS = 2
const MAX_COLLECT_MS = 15
/** Of these each kind has its turn in every transaction, however many of the more urgent wait. */
const MIN_SHARE_PER_PRIORITY = 8

/** What came of one exchange of a transaction: an answer, or why there is none. */
export type DecisionOutcome = DecidedRequest | LicensingError

/** Exchanges that are decided together. */
export interface Batch {
  readonly requests: readonly SignedRequest[]
  /** Whether there is more to do than can be done at once. */
  readonly isUnderLoad: boolean
  /** Called when they are decided, before that is written for good. */
  readonly onDecided: () => void
}

/** Decides exchanges in one transaction, in their order; on disk when it resolves, or nothing of it. */
export interface BatchDecider<C> {
  decide(batch: Batch): Promise<{ outcomes: readonly DecisionOutcome[]; context: C }>
}

interface QueuedRequest<C> {
  readonly priority: Priority
  readonly request: SignedRequest
  readonly span: Pick<ExchangeSpan, 'step'>
  readonly resolve: (answered: { decided: DecidedRequest; context: C }) => void
  readonly reject: (failure: unknown) => void
}

/**
 * The exchanges with agents, as they come: signatures are checked at once, and what waits while one transaction is written
 * is decided together in the next (one commit for many is what a disk can do; decision 21).
 *
 * @typeParam C what the answers of one transaction share
 */
export class ExchangeBatcher<C> {
  readonly #decider: BatchDecider<C>
  readonly #admission: AdmissionController
  readonly #clock: Pick<Clock, 'wall' | 'monotonic'>
  /** Those who wait, the most urgent first; of one urgency in the order they came. */
  readonly #queues: Readonly<Record<Priority, QueuedRequest<C>[]>> = {
    'deadline-near': [],
    registration: [],
    routine: [],
  }
  #isProcessing = false

  constructor(decider: BatchDecider<C>, clock: Pick<Clock, 'wall' | 'monotonic'>) {
    this.#decider = decider
    this.#clock = clock
    this.#admission = new AdmissionController(() => clock.monotonic())
  }

  /** Whether there is more to do than can be done at once. */
  get isOverloaded(): boolean {
    return this.#admission.isOverloaded
  }

  /** Exchanges that wait for their turn. */
  get queueLength(): number {
    return this.#admission.queueLength
  }

  /**
   * Whether an exchange of this type may be answered in time: for asking before it is read.
   *
   * @throws LicensingError AUTHORITY_BUSY
   */
  admit(type: RequestType): void {
    // Whether the end of an authorization is near, only the request tells.
    this.#admission.admit(type === 'authorize' ? 'deadline-near' : 'registration')
  }

  /**
   * Decides one exchange.
   *
   * @throws LicensingError AUTHORITY_BUSY, REQUEST_MALFORMED, REQUEST_SIGNATURE_INVALID, PROTOCOL_UNSUPPORTED, STORE_*, DATABASE_*: for what
   * gets no signed answer
   */
  async submit(
    type: RequestType,
    message: unknown,
    span: Pick<ExchangeSpan, 'step'>,
  ): Promise<{ decided: DecidedRequest; context: C }> {
    span.step('receive')
    this.admit(type)
    const request = await readExchange(type, message)
    const priority = getPriority(request, this.#clock.wall())
    this.#admission.admit(priority)
    const answered = new Promise<{ decided: DecidedRequest; context: C }>((resolve, reject) => {
      this.#queues[priority].push({ priority, request, span, resolve, reject })
      this.#admission.enqueue(priority)
    })
    if (!this.#isProcessing) void this.#processQueue()
    return answered
  }

  async #processQueue(): Promise<void> {
    this.#isProcessing = true
    let since = this.#clock.monotonic()
    while (this.queueLength > 0) {
      await this.#collect()
      const batch = this.#takeBatch()
      await this.#commitBatch(batch)
      for (const { priority } of batch) this.#admission.dequeue(priority)
      const now = this.#clock.monotonic()
      this.#admission.recordDuration(batch.length, now - since)
      since = now
    }
    this.#isProcessing = false
  }

  /**
   * Reads what has arrived by now, and what keeps arriving meanwhile: otherwise each would be alone in its transaction. Where
   * nothing more comes, nobody waits for it.
   */
  async #collect(): Promise<void> {
    const end = this.#clock.monotonic() + MAX_COLLECT_MS
    for (let quiet = 0; quiet < IDLE_TURNS && this.queueLength < MAX_BATCH_SIZE;) {
      const before = this.queueLength
      await immediate()
      quiet = this.queueLength > before ? 0 : quiet + 1
      if (this.#clock.monotonic() >= end) return
    }
  }

  /** Those whose turn it is: the most urgent, and a few of each other kind, so that nobody waits for ever. */
  #takeBatch(): QueuedRequest<C>[] {
    const shares = PRIORITIES.map((priority) => this.#queues[priority].splice(0, MIN_SHARE_PER_PRIORITY))
    const batch = shares.flat()
    for (const priority of PRIORITIES)
      batch.push(...this.#queues[priority].splice(0, Math.max(0, MAX_BATCH_SIZE - batch.length)))
    return batch
  }

  async #commitBatch(batch: readonly QueuedRequest<C>[]): Promise<void> {
    try {
      for (const { span } of batch) span.step('decide')
      const { outcomes, context } = await this.#decider.decide({
        requests: batch.map(({ request }) => request),
        isUnderLoad: this.#admission.isOverloaded,
        onDecided: () => {
          for (const { span } of batch) span.step('commit')
        },
      })
      for (const [i, { resolve, reject }] of batch.entries()) {
        const outcome = outcomes[i]
        if (outcome === undefined || outcome instanceof LicensingError) reject(outcome)
        else resolve({ decided: outcome, context })
      }
    } catch (error) {
      const failure = toLicensingError(error)
      // What is wrong with one of them must not be the end of the others; what is wrong with the database is of all.
      if (batch.length > 1 && !/^(STORE|DATABASE)_/.test(failure.code))
        for (const one of batch) await this.#commitBatch([one])
      else for (const { reject } of batch) reject(failure)
    }
  }
}
