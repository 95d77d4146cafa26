import { DAY, type Instant, SECOND } from '../../core/time.ts'
import { LicensingError } from '../../core/errors.ts'
import type { SignedRequest } from './requests.ts'

/**
 * How much an exchange matters when not all can be answered: an authorization that ends soon, then boxes that register or
 * have not been authorized yet, then routine.
 */
export const URGENCIES = ['deadline-near', 'registration', 'routine'] as const
export type Urgency = (typeof URGENCIES)[number]

/** Milliseconds that an exchange is let wait for its turn; a box gives up after 30 s on the road. */
const PATIENCE: Readonly<Record<Urgency, number>> = {
  'deadline-near': 20 * SECOND,
  registration: 12 * SECOND,
  routine: 4 * SECOND,
}

/** An authorization that ends within this is near its end: several attempts of a box away from it. */
const NEAR = 14 * DAY

/** Milliseconds an exchange takes, before any was measured; and what is expected is the mean of about so many. */
const FIRST_GUESS = 2
const REMEMBERED = 256
const SLOWEST = 250

/** Those who are sent away come back to an authority that takes others meanwhile: time for them too. */
const ROOM_FOR_OTHERS = 1.5
const LONGEST_WAIT = 3600 * SECOND
/** Beyond this wait the authority is under load, and asks boxes to come at other times than all at once. */
const UNDER_LOAD = SECOND

/** How much a request matters, by its own words: of a signed request nobody else can have written them. */
export function urgencyOf({ request }: SignedRequest, at: Instant): Urgency {
  if (request.type !== 'authorize') return 'registration'
  const { deadlineAt } = request.body
  if (deadlineAt === undefined) return 'routine'
  return authorizationUrgency(deadlineAt === null ? null : Date.parse(deadlineAt), at)
}

/** How much an authorization matters to a box whose last one ends at the deadline; null for one that has none yet. */
export function authorizationUrgency(deadlineAt: Instant | null, at: Instant): Urgency {
  if (deadlineAt === null) return 'registration'
  return deadlineAt - at < NEAR ? 'deadline-near' : 'routine'
}

/**
 * Lets exchanges in as long as they can be answered in time, and sends the others away early, each with its own time to come
 * back: so that what comes at once after an outage is worked off at the rate this process has.
 */
export class Admission {
  readonly #now: () => number
  readonly #waiting: Record<Urgency, number> = { 'deadline-near': 0, registration: 0, routine: 0 }
  #cost = FIRST_GUESS
  /** When the last of those who were sent away is expected back. */
  #promised = -Infinity

  /** @param now milliseconds by a clock that nobody sets */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Milliseconds until an exchange of this urgency would be answered. */
  wait(urgency: Urgency): number {
    const ahead = URGENCIES.slice(0, URGENCIES.indexOf(urgency) + 1)
    return this.#cost * ahead.reduce((sum, one) => sum + this.#waiting[one], 0)
  }

  get underLoad(): boolean {
    return this.wait('routine') > UNDER_LOAD
  }

  /** Exchanges that wait for their turn. */
  get waiting(): number {
    return URGENCIES.reduce((sum, one) => sum + this.#waiting[one], 0)
  }

  /**
   * Whether one more may come: looked at before anything else is done for it.
   *
   * @throws LicensingError AUTHORITY_BUSY, with the time to come back
   */
  require(urgency: Urgency): void {
    if (this.wait(urgency) <= PATIENCE[urgency]) return
    const now = this.#now()
    const free = Math.max(this.#promised, now + this.wait('routine'))
    this.#promised = Math.min(free + this.#cost * ROOM_FOR_OTHERS, now + LONGEST_WAIT)
    throw new LicensingError(
      'AUTHORITY_BUSY',
      'The authority has more requests than it can answer in time.',
      {
        retryAfterMs: Math.max(SECOND, this.#promised - now),
      },
    )
  }

  joined(urgency: Urgency): void {
    this.#waiting[urgency]++
  }

  left(urgency: Urgency): void {
    this.#waiting[urgency]--
  }

  /** Learns what exchanges take: with all else that this process did meanwhile, such as greeting others. */
  took(exchanges: number, milliseconds: number): void {
    // A time in which the database was away says nothing of how many can be answered in the next.
    const told = Math.min(milliseconds, exchanges * SLOWEST)
    // By exchanges, not by transactions: one that was alone when the process was busy tells little of a crowd.
    this.#cost = (this.#cost * REMEMBERED + told) / (REMEMBERED + exchanges)
  }
}
