import { LicensingError } from '../core/errors.ts'
import { quoteForError } from '../core/text.ts'
import { type MessageType, messageTypeSchema } from '../protocol/messages.ts'
import { faultCatalog, type FaultName, isFault } from './faults.ts'

/** Fault with the conditions under which it occurs. */
export interface PlannedFault {
  readonly fault: FaultName
  /** Type of request. Default: every type */
  readonly on?: MessageType | undefined
  /** Probability from 0 to 1. Default: 1 */
  readonly probability?: number | undefined
  /** Maximum number of occurrences. Default: unlimited */
  readonly times?: number | undefined
  /** Number of matching requests before the first occurrence. Default: 0 */
  readonly after?: number | undefined
  /** Milliseconds to wait before the fault is injected. Default: 0 */
  readonly delay?: number | undefined
}

/** One hour, far below the limit of Node's timers. */
export const MAX_DELAY_MS = 3_600_000

/** @throws LicensingError CHAOS_INVALID */
function validatePlannedFault(plan: PlannedFault): PlannedFault {
  const { fault, probability = 1, times = 0, after = 0, delay = 0 } = plan
  const refuse = (why: string) =>
    new LicensingError('CHAOS_INVALID', `The fault ${quoteForError(fault)} cannot be planned: ${why}.`)
  if (!isFault(fault)) throw refuse(`the faults are ${Object.keys(faultCatalog).join(', ')}`)
  if (!(probability >= 0 && probability <= 1)) throw refuse('the probability must be from 0 to 1')
  if (times < 0 || after < 0) throw refuse('a count must be 0 or more')
  if (!(delay >= 0 && delay <= MAX_DELAY_MS)) throw refuse('the delay must be at most an hour')
  if (fault === 'delay' && plan.delay === undefined) throw refuse('the delay has no duration')
  return plan
}

/** Plan that selects the fault of each request and counts the occurrences. */
export class FaultPlan {
  readonly #random: () => number
  #planned: { plan: PlannedFault; seen: number; done: number }[] = []

  /** @param random returns a number from 0 up to 1 */
  constructor(faults: readonly (FaultName | PlannedFault)[] = [], random: () => number = Math.random) {
    this.#random = random
    this.set(faults)
  }

  /** Replaces all planned faults; an empty list removes them. @throws LicensingError CHAOS_INVALID */
  set(faults: readonly (FaultName | PlannedFault)[]): void {
    this.#planned = faults.map((planned) => ({
      plan: validatePlannedFault(typeof planned === 'string' ? { fault: planned } : planned),
      seen: 0,
      done: 0,
    }))
  }

  get faults(): readonly PlannedFault[] {
    return this.#planned.map(({ plan }) => plan)
  }

  /**
   * Selects the fault of the next request of a type: the first matching candidate, with the delays of all matching
   * `delay` faults before it. Returns null if no fault matches.
   */
  next(type: MessageType, isCandidate: (fault: FaultName) => boolean = () => true): PlannedFault | null {
    let waited: PlannedFault | null = null
    for (const entry of this.#planned) {
      const { plan } = entry
      const { on, probability = 1, times = Infinity, after = 0 } = plan
      if ((on !== undefined && on !== type) || !isCandidate(plan.fault)) continue
      if (entry.seen++ < after || entry.done >= times || this.#random() >= probability) continue
      entry.done++
      const delay: number = (waited?.delay ?? 0) + (plan.delay ?? 0)
      if (plan.fault !== 'delay') return { ...plan, ...(delay > 0 && { delay }) }
      waited = { ...plan, delay }
    }
    return waited
  }
}

/** Matches `name[=PROBABILITY][+WAIT][xTIMES][@AFTER][/TYPE]`, and `delay=200ms` for a delay alone. */
const ITEM_PATTERN =
  /^(?<name>[a-z0-9-]+?)(?:=(?<value>\d+(?:\.\d+)?)(?<unit>ms|s)?)?(?:\+(?<wait>\d+)(?<waitUnit>ms|s))?(?:x(?<times>\d+))?(?:@(?<after>\d+))?(?:\/(?<on>[a-z]+))?$/

const toMilliseconds = (number: string, unit: string | undefined): number =>
  Number(number) * (unit === 's' ? 1000 : 1)

/**
 * Parses the value of `serve --chaos`, a comma-separated list of faults: `delay=200ms,error503=0.1`,
 * `lost-answer=0.5x3@10/authorize`.
 *
 * @throws LicensingError CHAOS_INVALID
 */
export function parseChaos(spec: string): PlannedFault[] {
  return spec
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
    .map(parseItem)
}

function parseItem(item: string): PlannedFault {
  const refuse = (why: string) =>
    new LicensingError('CHAOS_INVALID', `${quoteForError(item)} is not a fault: ${why}.`)
  const { name = '', value, unit, wait, waitUnit, times, after, on } = ITEM_PATTERN.exec(item)?.groups ?? {}
  if (name === '') throw refuse('it is not of the form NAME=PROBABILITY+WAITxTIMES@AFTER/TYPE')
  if (!isFault(name)) throw refuse(`the faults are ${Object.keys(faultCatalog).join(', ')}`)
  const type = on === undefined ? undefined : messageTypeSchema.safeParse(on)
  if (type?.success === false) throw refuse(`the request types are ${messageTypeSchema.options.join(', ')}`)
  const probability = value === undefined || unit !== undefined ? undefined : Number(value)
  const delay =
    value !== undefined && unit !== undefined
      ? toMilliseconds(value, unit)
      : wait === undefined
        ? undefined
        : toMilliseconds(wait, waitUnit)
  return validatePlannedFault({
    fault: name,
    ...(type && { on: type.data }),
    ...(probability !== undefined && { probability }),
    ...(times !== undefined && { times: Number(times) }),
    ...(after !== undefined && { after: Number(after) }),
    ...(delay !== undefined && { delay }),
  })
}
