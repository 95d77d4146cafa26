import type { LicensingError } from '../../core/errors.ts'
import type { ServerLogger } from '../../core/server-logger.ts'
import { SECOND } from '../../core/time.ts'
import { systemClock } from '../../core/system-clock.ts'
import { withTimeout } from '../../transports/deadline.ts'
import type { AuthorityStore } from '../store/store.ts'

/** Time for which a caller waits for a check. It is shorter than the time limit of a load balancer. */
const READINESS_TIMEOUT_MS = 2 * SECOND
/** Interval of the checks. Callers in between share the last result. */
const CHECK_INTERVAL_MS = 5 * SECOND

/**
 * Checks whether the database takes a write, which is the work of an authority. One check runs at a time, and its result
 * counts for all callers. A failed write of a request counts as a failed check.
 */
export class DatabaseCheck {
  readonly #store: AuthorityStore
  readonly #logger: ServerLogger
  #running: { readonly since: number; readonly done: Promise<boolean> } | null = null
  #last: { readonly at: number; readonly isWritable: boolean } | null = null
  /** Resolves if the files of the database were replaced, so that this process must end. */
  readonly storeReplaced: Promise<LicensingError>

  constructor(store: AuthorityStore, logger: ServerLogger) {
    this.#store = store
    this.#logger = logger
    this.storeReplaced = new Promise((resolve) => {
      store.onWriteFailed = (failure) => {
        this.#noteFailure(failure)
        if (failure.code === 'STORE_REPLACED') resolve(failure)
      }
    })
  }

  /** Returns true if the database takes writes. */
  async isWritable(): Promise<boolean> {
    const now = systemClock.uptime()
    if (this.#last !== null && now - this.#last.at < CHECK_INTERVAL_MS) return this.#last.isWritable
    this.#running ??= { since: now, done: this.#check() }
    const { since, done } = this.#running
    // A check that hangs goes on, and its end is the news that the database is back.
    const remainingMs = since + READINESS_TIMEOUT_MS - now
    return remainingMs > 0 && ((await withTimeout(remainingMs, done)) ?? false)
  }

  /** Tries a write. The store reports a failure, too. */
  async #check(): Promise<boolean> {
    const isWritable = await this.#store.canWrite()
    this.#running = null
    if (isWritable && this.#last?.isWritable === false) this.#logger.info('the database takes writes again')
    this.#last = { at: systemClock.uptime(), isWritable }
    return isWritable
  }

  /** Counts a failed write as a failed check, and logs the first of several. */
  #noteFailure({ code, message }: LicensingError): void {
    if (this.#last?.isWritable !== false)
      this.#logger.error('the database takes no writes', { code, reason: message })
    this.#last = { at: systemClock.uptime(), isWritable: false }
  }
}
