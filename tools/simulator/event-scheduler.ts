import { webcrypto } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import type { Instant } from '../../src/core/time.ts'

interface ScheduledEvent {
  readonly at: Instant
  readonly run: () => unknown
}

/** Turns of the event loop without work after which nothing is under way: more than any program here waits for company. */
const IDLE_TURNS = 4

/**
 * The time of a history: what is to happen, in its order, each when all that came of the one before is over. What happens at
 * the same instant happens in the order it was planned.
 */
export class EventScheduler {
  #now: Instant
  #entries: ScheduledEvent[] = []
  #broken: Error | null = null
  /** Work that is waited for outside of this process's own turns. */
  #working = 0

  constructor(start: Instant) {
    this.#now = start
    countCryptography()
  }

  now = (): Instant => this.#now

  /** Plans what happens at an instant; one that is past is now. */
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

  /** The simulation itself is not as it must be: it does not go on. */
  fail(error: unknown): void {
    this.#broken ??= error instanceof Error ? error : new Error(String(error))
  }

  /** Lets time pass until an instant, or until it is to stop. */
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

  /** Waits for some work as a part of what is under way. */
  async track<T>(work: Promise<T>): Promise<T> {
    this.#working++
    try {
      return await work
    } finally {
      this.#working--
    }
  }

  /** Until nothing is under way but what waits for time to pass. */
  async settle(): Promise<void> {
    for (let still = 0; still < IDLE_TURNS;) {
      await turn()
      still = this.#working > 0 || pendingCryptography > 0 ? 0 : still + 1
    }
  }
}

let pendingCryptography = 0
let isCounting = false

/** Node does Web Cryptography on other threads: it is known when some of it is under way. */
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
