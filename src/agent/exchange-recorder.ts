import type { ConnectionObserver } from '../transports/connection-options.ts'
import type { ConnectStep } from '../transports/connection.ts'
import { EXCHANGE_STEPS, type ExchangeStep, type ExchangeStepName } from './exchange-table.ts'

const CONNECT_STEPS: readonly ExchangeStepName[] = ['name', 'connect', 'proxy', 'tls']

/** Steps of one exchange, with its duration in milliseconds. */
export interface RecordedExchange {
  readonly duration: number
  readonly steps: readonly ExchangeStep[]
}

/** Records the steps of the exchange in progress with their times. An agent has one exchange at a time. */
export class ExchangeRecorder implements ConnectionObserver {
  readonly #now: () => number
  #begun = 0
  #isOpening = false
  #hasOpened = false
  #isIntercepted = false
  #completed: { step: ConnectStep; at: number; found: string }[] = []
  #last: RecordedExchange | null = null

  /** @param now returns milliseconds of a steady clock */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  begin(): void {
    this.#begun = this.#now()
    this.#isOpening = false
    this.#completed = []
    this.#last = null
  }

  /** Called when a connection is opened. An exchange over a kept connection has no such call. */
  opening(): void {
    this.#isOpening = true
    this.#hasOpened = true
    this.#isIntercepted = false
    // A kept connection may have failed before, and a second one is opened.
    this.#completed = []
  }

  step(step: ConnectStep, found: string): void {
    this.#completed.push({ step, at: this.#elapsed(), found })
  }

  /** True if the exchanges were answered without a connection, by a mock in this process. */
  get isIntercepted(): boolean {
    return this.#isIntercepted
  }

  end(options: { isAnswered: boolean; isProxied: boolean }): void {
    this.#isIntercepted = options.isAnswered && !this.#hasOpened
    this.#last = { duration: this.#elapsed(), steps: this.#listSteps(options) }
  }

  /** Returns the last exchange, once. Null if there was none since the last call. */
  take(): RecordedExchange | null {
    const last = this.#last
    this.#last = null
    return last
  }

  #listSteps({ isAnswered, isProxied }: { isAnswered: boolean; isProxied: boolean }): ExchangeStep[] {
    const end = this.#elapsed()
    const isConnected = !this.#isOpening || this.#completed.some(({ step }) => step === 'tls')
    let startedAt = 0
    let hasFailed = false
    return EXCHANGE_STEPS.map((step): ExchangeStep => {
      const row = (outcome: ExchangeStep['outcome'], until: number, found: string | null = null) => {
        const entry = {
          step,
          startedAt: round(startedAt),
          duration: round(until - startedAt),
          outcome,
          found,
        }
        startedAt = until
        return entry
      }
      const done = this.#completed.find((completed) => completed.step === step)
      if (done) return row('ok', done.at, done.found)
      const isConnectStep = CONNECT_STEPS.includes(step)
      if (isConnectStep && (!this.#isOpening || (step === 'proxy' && !isProxied)))
        return row('not-needed', startedAt)
      if (hasFailed) return row('not-tried', startedAt)
      if (isConnectStep || (step === 'answer' && !isAnswered) || !isConnected) {
        hasFailed = true
        return row('failed', end)
      }
      return step === 'request' ? row('ok', startedAt) : row('ok', end)
    })
  }

  #elapsed(): number {
    return this.#now() - this.#begun
  }
}

/** Rounds milliseconds to a tenth. */
const round = (milliseconds: number): number => Math.round(milliseconds * 10) / 10
