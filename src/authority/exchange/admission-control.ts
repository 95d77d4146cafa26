import { DAY, type Instant, SECOND } from '../../core/time.ts'
import { LicensingError } from '../../core/errors.ts'
import type { SignedRequest } from './requests.ts'

/**
 * Priorities of exchanges under load, the highest first. The renewal of an authorization that ends soon comes
 * before registrations and first authorizations. Routine renewals come last.
 */
export const PRIORITIES = ['deadline-near', 'registration', 'routine'] as const
export type Priority = (typeof PRIORITIES)[number]

/**
 * The longest wait of an exchange in the queue, in milliseconds. A device gives up 30 seconds after it has sent a
 * request.
 */
const QUEUE_TIMEOUT_MS: Readonly<Record<Priority, number>> = {
  'deadline-near': 20 * SECOND,
  registration: 12 * SECOND,
  routine: 4 * SECOND,
}

/**
 * An authorization that ends within this time is near its end. The time is long enough for several attempts of
 * the device.
 */
const DEADLINE_NEAR_MS = 14 * DAY

/** Processing time assumed for an exchange until one was measured. */
const INITIAL_COST_MS = 2
/** Number of exchanges in the moving average of the processing time. */
const EMA_WINDOW = 256
/** Limit of the processing time that one exchange adds to the average. */
const MAX_COST_MS = 250

/**
 * Length of a retry slot as a multiple of the processing time. In its slot, a returning device shares the
 * authority with other devices.
 */
const RETRY_SLOT_FACTOR = 1.5
const MAX_RETRY_AFTER_MS = 3600 * SECOND
/** Above this estimated wait the authority asks devices to spread their next contacts. */
const OVERLOAD_WAIT_MS = SECOND

/**
 * Returns the priority of a request from its type and its stated deadline. The signature proves that the device
 * stated it.
 */
export function getPriority({ request }: SignedRequest, at: Instant): Priority {
  if (request.type !== 'authorize') return 'registration'
  const { deadlineAt } = request.body
  if (deadlineAt === undefined) return 'routine'
  return getAuthorizationPriority(deadlineAt === null ? null : Date.parse(deadlineAt), at)
}

/**
 * Returns the priority of an authorization request from the end of the device's last authorization. Null means
 * that the device has none yet.
 */
export function getAuthorizationPriority(deadlineAt: Instant | null, at: Instant): Priority {
  if (deadlineAt === null) return 'registration'
  return deadlineAt - at < DEADLINE_NEAR_MS ? 'deadline-near' : 'routine'
}

/**
 * Admits exchanges that can be answered in time, and rejects the others before their work begins. Each rejected
 * device gets its own retry time, so that the retries after an outage arrive at the rate that this process can
 * serve.
 */
export class AdmissionController {
  readonly #now: () => number
  readonly #queued: Record<Priority, number> = { 'deadline-near': 0, registration: 0, routine: 0 }
  #cost = INITIAL_COST_MS
  /** The time at which the last of the rejected devices is to return. */
  #nextRetrySlot = -Infinity

  /** @param now returns the milliseconds of a monotonic clock */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Returns the milliseconds until an exchange of this priority would be answered. */
  estimateWaitMs(priority: Priority): number {
    const prioritiesAhead = PRIORITIES.slice(0, PRIORITIES.indexOf(priority) + 1)
    return this.#cost * prioritiesAhead.reduce((sum, level) => sum + this.#queued[level], 0)
  }

  get isOverloaded(): boolean {
    return this.estimateWaitMs('routine') > OVERLOAD_WAIT_MS
  }

  /** The number of exchanges in the queue. */
  get queueLength(): number {
    return PRIORITIES.reduce((sum, level) => sum + this.#queued[level], 0)
  }

  /**
   * Rejects an exchange that cannot be answered in time. The caller calls `admit` before any other work on the
   * exchange.
   *
   * @throws LicensingError AUTHORITY_BUSY, with the time to retry
   */
  admit(priority: Priority): void {
    if (this.estimateWaitMs(priority) <= QUEUE_TIMEOUT_MS[priority]) return
    const now = this.#now()
    const earliestSlot = Math.max(this.#nextRetrySlot, now + this.estimateWaitMs('routine'))
    this.#nextRetrySlot = Math.min(earliestSlot + this.#cost * RETRY_SLOT_FACTOR, now + MAX_RETRY_AFTER_MS)
    throw new LicensingError(
      'AUTHORITY_BUSY',
      'The authority has more requests than it can answer in time.',
      {
        retryAfterMs: Math.max(SECOND, this.#nextRetrySlot - now),
      },
    )
  }

  enqueue(priority: Priority): void {
    this.#queued[priority]++
  }

  dequeue(priority: Priority): void {
    this.#queued[priority]--
  }

  /**
   * Updates the average processing time from a measured batch. The measured time includes other work of the
   * process, such as TLS handshakes.
   */
  recordDuration(exchanges: number, milliseconds: number): void {
    // The cap keeps an outage of the database out of the estimate.
    const cappedMs = Math.min(milliseconds, exchanges * MAX_COST_MS)
    // The weight is the number of exchanges. A batch of one says little about the cost under load.
    this.#cost = (this.#cost * EMA_WINDOW + cappedMs) / (EMA_WINDOW + exchanges)
  }
}
