import { DAY, type Instant, SECOND } from '../../core/time.ts'
import { LicensingError } from '../../core/errors.ts'
import type { SignedRequest } from './requests.ts'

/**
 * How much an exchange matters when not all can be answered: an authorization that ends soon, then boxes that register or
 * have not been authorized yet, then routine.
 */
export const PRIORITIES = ['deadline-near', 'registration', 'routine'] as const
export type Priority = (typeof PRIORITIES)[number]

/** Milliseconds that an exchange is let wait for its turn; a box gives up after 30 s on the road. */
const QUEUE_TIMEOUT_MS: Readonly<Record<Priority, number>> = {
  'deadline-near': 20 * SECOND,
  registration: 12 * SECOND,
  routine: 4 * SECOND,
}

/** An authorization that ends within this is near its end: several attempts of a box away from it. */
const DEADLINE_NEAR_MS = 14 * DAY

/** Milliseconds an exchange takes, before any was measured; and what is expected is the mean of about so many. */
const INITIAL_COST_MS = 2
const EMA_WINDOW = 256
const MAX_COST_MS = 250

/** Those who are sent away come back to an authority that takes others meanwhile: time for them too. */
const RETRY_SLOT_FACTOR = 1.5
const MAX_RETRY_AFTER_MS = 3600 * SECOND
/** Beyond this wait the authority is under load, and asks boxes to come at other times than all at once. */
const OVERLOAD_WAIT_MS = SECOND

/** How much a request matters, by its own words: of a signed request nobody else can have written them. */
export function getPriority({ request }: SignedRequest, at: Instant): Priority {
  if (request.type !== 'authorize') return 'registration'
  const { deadlineAt } = request.body
  if (deadlineAt === undefined) return 'routine'
  return getAuthorizationPriority(deadlineAt === null ? null : Date.parse(deadlineAt), at)
}

/** How much an authorization matters to a box whose last one ends at the deadline; null for one that has none yet. */
export function getAuthorizationPriority(deadlineAt: Instant | null, at: Instant): Priority {
  if (deadlineAt === null) return 'registration'
  return deadlineAt - at < DEADLINE_NEAR_MS ? 'deadline-near' : 'routine'
}

/**
 * Lets exchanges in as long as they can be answered in time, and sends the others away early, each with its own time to come
 * back: so that what comes at once after an outage is worked off at the rate this process has.
 */
export class AdmissionController {
  readonly #now: () => number
  readonly #queued: Record<Priority, number> = { 'deadline-near': 0, registration: 0, routine: 0 }
  #cost = INITIAL_COST_MS
  /** When the last of those who were sent away is expected back. */
  #nextRetrySlot = -Infinity

  /** @param now milliseconds by a clock that nobody sets */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Milliseconds until an exchange of this urgency would be answered. */
  estimateWaitMs(priority: Priority): number {
    const ahead = PRIORITIES.slice(0, PRIORITIES.indexOf(priority) + 1)
    return this.#cost * ahead.reduce((sum, one) => sum + this.#queued[one], 0)
  }

  get isOverloaded(): boolean {
    return this.estimateWaitMs('routine') > OVERLOAD_WAIT_MS
  }

  /** Exchanges that wait for their turn. */
  get queueLength(): number {
    return PRIORITIES.reduce((sum, one) => sum + this.#queued[one], 0)
  }

  /**
   * Whether one more may come: looked at before anything else is done for it.
   *
   * @throws LicensingError AUTHORITY_BUSY, with the time to come back
   */
  admit(priority: Priority): void {
    if (this.estimateWaitMs(priority) <= QUEUE_TIMEOUT_MS[priority]) return
    const now = this.#now()
    const free = Math.max(this.#nextRetrySlot, now + this.estimateWaitMs('routine'))
    this.#nextRetrySlot = Math.min(free + this.#cost * RETRY_SLOT_FACTOR, now + MAX_RETRY_AFTER_MS)
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

  /** Learns what exchanges take: with all else that this process did meanwhile, such as greeting others. */
  recordDuration(exchanges: number, milliseconds: number): void {
    // A time in which the database was away says nothing of how many can be answered in the next.
    const cappedMs = Math.min(milliseconds, exchanges * MAX_COST_MS)
    // By exchanges, not by transactions: one that was alone when the process was busy tells little of a crowd.
    this.#cost = (this.#cost * EMA_WINDOW + cappedMs) / (EMA_WINDOW + exchanges)
  }
}
