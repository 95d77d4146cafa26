import { webcrypto } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import type { Instant } from '../../src/core/time.ts'

interface ScheduledEvent {
  readonly at: Instant
  readonly run: () => unknown
}

/** Idle turns of the event loop after which nothing is in progress: more than any batching in the programs waits. */
const IDLE_TURNS = 4

/**
 * A queue of timed events on virtual time. Each event runs when all work caused by the event before it has settled. Events of
 * the same instant run in the order in which they were scheduled.
 */
export class EventScheduler {
  #now: Instant
  #entries: ScheduledEvent[] = []
  #broken: Error | null = null
  /** Number of tracked promises that have not settled. */
  #working = 0

  constructor(start: Instant) {
    this.#now = start
    countCryptography()
  }

  now = (): Instant => this.#now

  /** Schedules a callback at an instant. A past instant means now. */
  scheduleAt(instant: Instant, run: () => unknown): void {
    const at = Math.max(instant, this.#now)
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const entry = this.#entries[middle]
      if (entry && entry.at <= at) low = middle + 1
      else high = middle
    }
    this.#entries.splice(low, 0, { at, run })
  }

  scheduleAfter(milliseconds: number, run: () => unknown): void {
    this.scheduleAt(this.#now + milliseconds, run)
  }

  /** Stops the run because of an error in the simulator itself: `runUntil` throws it. */
  fail(error: unknown): void {
    this.#broken ??= error instanceof Error ? error : new Error(String(error))
  }

  /** Runs events until an instant, or until `stop` returns true. */
  async runUntil(end: Instant, stop: () => boolean): Promise<void> {
    await this.settle()
    for (;;) {
      const [next] = this.#entries
      if (!next || next.at > end || stop()) break
      this.#entries.shift()
      this.#now = next.at
      await next.run()
      await this.settle()
      if (this.#broken !== null) throw this.#broken
    }
    if (!stop()) this.#now = Math.max(this.#now, end)
  }

  /** Awaits a promise and keeps `settle` from resolving before it. */
  async track<T>(work: Promise<T>): Promise<T> {
    this.#working++
    try {
      return await work
    } finally {
      this.#working--
    }
  }

  /** Resolves when all remaining work waits for virtual time to pass. */
  async settle(): Promise<void> {
    for (let still = 0; still < IDLE_TURNS;) {
      await turn()
      still = this.#working > 0 || pendingCryptography > 0 ? 0 : still + 1
    }
  }
}

let pendingCryptography = 0
let isCounting = false

/** Counts Web Cryptography calls in progress. Node runs them on other threads, where event loop turns do not show them. */
function countCryptography(): void {
  if (isCounting) return
  isCounting = true
  const subtle = Object.getPrototypeOf(webcrypto.subtle) as Record<
    string,
    (...args: unknown[]) => Promise<unknown>
  >
  for (const name of [
    'generateKey',
    'importKey',
    'exportKey',
    'sign',
    'verify',
    'digest',
    'encrypt',
    'decrypt',
  ]) {
    const original = subtle[name]
    if (!original) continue
    subtle[name] = async function (...args) {
      pendingCryptography++
      try {
        return await original.apply(this, args)
      } finally {
        pendingCryptography--
      }
    }
  }
}
