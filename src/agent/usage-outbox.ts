import type { LicensingError } from '../core/errors.ts'
import { toLicensingError } from '../core/errors.ts'

/** Caller that waits until its count is stored. */
interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: LicensingError) => void
}

/** Newest count of a tag that the agent has not stored yet. */
interface PendingCount {
  count: number
  waiters: Waiter[]
}

/** Codes after which a count is sent again, because the agent ended before it answered. */
const REPEATED_CODES: readonly string[] = ['DAEMON_UNREACHABLE', 'AGENT_CLOSED']

/**
 * Counts on their way to the agent. Counts are absolute, so only the newest count of a tag is kept, and one that may have
 * arrived is sent again. One count of a tag is in flight at a time, so that counts arrive in order.
 */
export class UsageOutbox {
  readonly #send: (tag: string, count: number) => Promise<unknown>
  readonly #waiting = new Map<string, PendingCount>()
  /** Deliveries in progress by tag. */
  readonly #deliveries = new Map<string, Promise<void>>()

  /** @param send rejects with DAEMON_UNREACHABLE while there is no agent */
  constructor(send: (tag: string, count: number) => Promise<unknown>) {
    this.#send = send
  }

  /** Replaces the count of a tag. Resolves when the agent has stored this count or a newer one. */
  set(tag: string, count: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const earlier = this.#waiting.get(tag)
      this.#waiting.set(tag, { count, waiters: [...(earlier?.waiters ?? []), { resolve, reject }] })
      this.#start(tag)
    })
  }

  /** Sends all counts, after the client has connected again. */
  flush(): void {
    for (const tag of this.#waiting.keys()) this.#start(tag)
  }

  #start(tag: string): void {
    if (this.#deliveries.has(tag)) return
    const delivery = this.#deliver(tag).finally(() => this.#deliveries.delete(tag))
    this.#deliveries.set(tag, delivery)
  }

  async #deliver(tag: string): Promise<void> {
    for (;;) {
      const pending = this.#waiting.get(tag)
      if (!pending) return
      this.#waiting.delete(tag)
      try {
        await this.#send(tag, pending.count)
        for (const { resolve } of pending.waiters) resolve()
      } catch (error) {
        const failure = toLicensingError(error)
        if (REPEATED_CODES.includes(failure.code)) {
          const newer = this.#waiting.get(tag)
          this.#waiting.set(tag, {
            count: newer?.count ?? pending.count,
            waiters: [...pending.waiters, ...(newer?.waiters ?? [])],
          })
          return
        }
        for (const { reject } of pending.waiters) reject(failure)
      }
    }
  }

  /** Resolves when no count is in flight. Counts that wait for an agent remain. */
  async idle(): Promise<void> {
    await Promise.all(this.#deliveries.values())
  }

  /** Rejects the callers whose counts were not sent. */
  rejectAll(error: LicensingError): void {
    for (const { waiters } of this.#waiting.values()) for (const { reject } of waiters) reject(error)
    this.#waiting.clear()
  }
}
