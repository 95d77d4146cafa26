import { setImmediate as immediate } from 'node:timers/promises'
import type { Clock } from '../../core/clock.ts'
import { asLicensingError, LicensingError } from '../../core/errors.ts'
import type { RequestType } from '../../protocol/messages.ts'
import { Admission, URGENCIES, type Urgency, urgencyOf } from './admission-control.ts'
import type { ExchangeWatch } from '../observer.ts'
import { type Decided, readExchange, type SignedRequest } from './requests.ts'

/** Exchanges that are decided in one transaction: more would only make those who wait wait longer. */
const LARGEST_BATCH = 64
/** It begins when nothing has come for some turns of the event loop, and milliseconds after it could have at the latest. */
const QUIET_TURNS = 2
const LONGEST_GATHERING = 15
/** Of these each kind has its turn in every transaction, however many of the more urgent wait. */
const SURE_SHARE = 8

/** What came of one exchange of a transaction: an answer, or why there is none. */
export type Outcome = Decided | LicensingError

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
  decide(batch: Batch): Promise<{ outcomes: readonly Outcome[]; context: C }>
}

interface Waiting<C> {
  readonly urgency: Urgency
  readonly request: SignedRequest
  readonly watch: Pick<ExchangeWatch, 'step'>
  readonly resolve: (answered: { decided: Decided; context: C }) => void
  readonly reject: (failure: unknown) => void
}

/**
 * The exchanges with agents, as they come: signatures are checked at once, and what waits while one transaction is written
 * is decided together in the next (one commit for many is what a disk can do; decision 21).
 *
 * @typeParam C what the answers of one transaction share
 */
export class Exchanges<C> {
  readonly #decider: BatchDecider<C>
  readonly #admission: Admission
  readonly #clock: Pick<Clock, 'wall' | 'monotonic'>
  /** Those who wait, the most urgent first; of one urgency in the order they came. */
  readonly #waiting: Readonly<Record<Urgency, Waiting<C>[]>> = {
    'deadline-near': [],
    registration: [],
    routine: [],
  }
  #working = false

  constructor(decider: BatchDecider<C>, clock: Pick<Clock, 'wall' | 'monotonic'>) {
    this.#decider = decider
    this.#clock = clock
    this.#admission = new Admission(() => clock.monotonic())
  }

  /** Whether there is more to do than can be done at once. */
  get underLoad(): boolean {
    return this.#admission.underLoad
  }

  /** Exchanges that wait for their turn. */
  get waiting(): number {
    return this.#admission.waiting
  }

  /**
   * Whether an exchange of this type may be answered in time: for asking before it is read.
   *
   * @throws LicensingError AUTHORITY_BUSY
   */
  require(type: RequestType): void {
    // Whether the end of an authorization is near, only the request tells.
    this.#admission.require(type === 'authorize' ? 'deadline-near' : 'registration')
  }

  /**
   * Decides one exchange.
   *
   * @throws LicensingError AUTHORITY_BUSY, REQUEST_MALFORMED, REQUEST_SIGNATURE_INVALID, PROTOCOL_UNSUPPORTED, STORE_*, DATABASE_*: for what
   * gets no signed answer
   */
  async take(
    type: RequestType,
    message: unknown,
    watch: Pick<ExchangeWatch, 'step'>,
  ): Promise<{ decided: Decided; context: C }> {
    watch.step('receive')
    this.require(type)
    const request = await readExchange(type, message)
    const urgency = urgencyOf(request, this.#clock.wall())
    this.#admission.require(urgency)
    const answered = new Promise<{ decided: Decided; context: C }>((resolve, reject) => {
      this.#waiting[urgency].push({ urgency, request, watch, resolve, reject })
      this.#admission.joined(urgency)
    })
    if (!this.#working) void this.#work()
    return answered
  }

  async #work(): Promise<void> {
    this.#working = true
    let since = this.#clock.monotonic()
    while (this.waiting > 0) {
      await this.#gather()
      const batch = this.#next()
      await this.#together(batch)
      for (const { urgency } of batch) this.#admission.left(urgency)
      const now = this.#clock.monotonic()
      this.#admission.took(batch.length, now - since)
      since = now
    }
    this.#working = false
  }

  /**
   * Reads what has arrived by now, and what keeps arriving meanwhile: otherwise each would be alone in its transaction. Where
   * nothing more comes, nobody waits for it.
   */
  async #gather(): Promise<void> {
    const end = this.#clock.monotonic() + LONGEST_GATHERING
    for (let quiet = 0; quiet < QUIET_TURNS && this.waiting < LARGEST_BATCH;) {
      const before = this.waiting
      await immediate()
      quiet = this.waiting > before ? 0 : quiet + 1
      if (this.#clock.monotonic() >= end) return
    }
  }

  /** Those whose turn it is: the most urgent, and a few of each other kind, so that nobody waits for ever. */
  #next(): Waiting<C>[] {
    const shares = URGENCIES.map((urgency) => this.#waiting[urgency].splice(0, SURE_SHARE))
    const batch = shares.flat()
    for (const urgency of URGENCIES)
      batch.push(...this.#waiting[urgency].splice(0, Math.max(0, LARGEST_BATCH - batch.length)))
    return batch
  }

  async #together(batch: readonly Waiting<C>[]): Promise<void> {
    try {
      for (const { watch } of batch) watch.step('decide')
      const { outcomes, context } = await this.#decider.decide({
        requests: batch.map(({ request }) => request),
        isUnderLoad: this.#admission.underLoad,
        onDecided: () => {
          for (const { watch } of batch) watch.step('commit')
        },
      })
      for (const [i, { resolve, reject }] of batch.entries()) {
        const outcome = outcomes[i]
        if (outcome === undefined || outcome instanceof LicensingError) reject(outcome)
        else resolve({ decided: outcome, context })
      }
    } catch (thrown) {
      const failure = asLicensingError(thrown)
      // What is wrong with one of them must not be the end of the others; what is wrong with the database is of all.
      if (batch.length > 1 && !/^(STORE|DATABASE)_/.test(failure.code))
        for (const one of batch) await this.#together([one])
      else for (const { reject } of batch) reject(failure)
    }
  }
}
