import { setImmediate as immediate } from 'node:timers/promises'
import type { Clock } from '../../core/clock.ts'
import { toLicensingError, LicensingError } from '../../core/errors.ts'
import type { RequestType } from '../../protocol/messages.ts'
import { AdmissionController, PRIORITIES, type Priority, getPriority } from './admission-control.ts'
import type { ExchangeSpan } from '../observer.ts'
import { type DecidedRequest, readSignedRequest, type SignedRequest } from './requests.ts'

/** Maximum number of exchanges in one transaction. A larger batch would only lengthen the wait of each exchange. */
const MAX_BATCH_SIZE = 64
/** A batch closes after this many idle turns of the event loop, and after `MAX_COLLECT_MS` at the latest. */
const IDLE_TURNS = 2
const MAX_COLLECT_MS = 15
/**
 * Number of exchanges of each priority that every batch has room for, so that urgent exchanges do not starve the
 * others.
 */
const MIN_SHARE_PER_PRIORITY = 8

/** The outcome of one exchange: its decision, or the error that prevents a signed answer. */
export type DecisionOutcome = DecidedRequest | LicensingError

/** Exchanges that are decided in one transaction. */
export interface Batch {
  readonly requests: readonly SignedRequest[]
  /** True if the queue is longer than the process can serve soon. */
  readonly isUnderLoad: boolean
  /** Must be called after the last decision, before the transaction commits. */
  readonly onDecided: () => void
}

/**
 * Decides the exchanges of a batch in their order and in one transaction. The transaction is committed when the promise
 * resolves.
 */
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
 * Queue of the exchanges with agents. Signatures are verified on arrival. The exchanges that arrive during a
 * transaction are decided together in the next, since one commit for many exchanges uses the disk best (decision 21).
 *
 * @typeParam C the data that the answers of one transaction share
 */
export class ExchangeBatcher<C> {
  readonly #decider: BatchDecider<C>
  readonly #admission: AdmissionController
  readonly #clock: Pick<Clock, 'wall' | 'monotonic'>
  /** The queued exchanges by priority, each queue in the order of arrival. */
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

  /** True if the queue is longer than the process can serve soon. */
  get isOverloaded(): boolean {
    return this.#admission.isOverloaded
  }

  /** The number of exchanges in the queue. */
  get queueLength(): number {
    return this.#admission.queueLength
  }

  /**
   * Rejects an exchange, before it is read, if no exchange of its type can be answered in time.
   *
   * @throws LicensingError AUTHORITY_BUSY
   */
  admit(type: RequestType): void {
    // The deadline is in the request, which is not read yet. Therefore every authorization counts as urgent here.
    this.#admission.admit(type === 'authorize' ? 'deadline-near' : 'registration')
  }

  /**
   * Decides one exchange. Throws the errors that get no signed answer.
   *
   * @throws LicensingError AUTHORITY_BUSY, REQUEST_MALFORMED, REQUEST_SIGNATURE_INVALID, PROTOCOL_UNSUPPORTED, STORE_*,
   * DATABASE_*
   */
  async submit(
    type: RequestType,
    message: unknown,
    span: Pick<ExchangeSpan, 'step'>,
  ): Promise<{ decided: DecidedRequest; context: C }> {
    span.step('receive')
    this.admit(type)
    const request = await readSignedRequest(type, message)
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
    let startedAt = this.#clock.monotonic()
    while (this.queueLength > 0) {
      await this.#collect()
      const batch = this.#takeBatch()
      await this.#commitBatch(batch)
      for (const { priority } of batch) this.#admission.dequeue(priority)
      const now = this.#clock.monotonic()
      this.#admission.recordDuration(batch.length, now - startedAt)
      startedAt = now
    }
    this.#isProcessing = false
  }

  /**
   * Waits for exchanges that arrive together, so that they share a transaction. Returns at once when nothing more
   * arrives.
   */
  async #collect(): Promise<void> {
    const end = this.#clock.monotonic() + MAX_COLLECT_MS
    for (let idleTurns = 0; idleTurns < IDLE_TURNS && this.queueLength < MAX_BATCH_SIZE;) {
      const previousLength = this.queueLength
      await immediate()
      idleTurns = this.queueLength > previousLength ? 0 : idleTurns + 1
      if (this.#clock.monotonic() >= end) return
    }
  }

  /** Removes the next batch from the queues: the most urgent exchanges, and a few of each other priority. */
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
      // One faulty exchange must not fail the others, so each is decided alone. A failure of the database concerns all.
      if (batch.length > 1 && !/^(STORE|DATABASE)_/.test(failure.code))
        for (const queued of batch) await this.#commitBatch([queued])
      else for (const { reject } of batch) reject(failure)
    }
  }
}
