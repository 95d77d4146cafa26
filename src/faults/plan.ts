import { LicensingError } from '../core/errors.ts'
import { quoteForError } from '../core/text.ts'
import { type MessageType, messageTypeSchema } from '../protocol/messages.ts'
import { faultCatalog, type FaultName, isFault } from './faults.ts'

/** A fault to come, and when. */
export interface PlannedFault {
  readonly fault: FaultName
  /** At which kind of request; every kind unless given. */
  readonly on?: MessageType | undefined
  /** From 0 to 1; always unless given. */
  readonly probability?: number | undefined
  /** How often at most; without end unless given. */
  readonly times?: number | undefined
  /** How many requests of that kind are left alone before; none unless given. */
  readonly after?: number | undefined
  /** Milliseconds to wait before the harm is done; none unless given. */
  readonly delay?: number | undefined
}

/** Milliseconds: an hour, which Node's timers take and nobody waits out. */
export const MAX_DELAY_MS = 3_600_000

/** @throws LicensingError CHAOS_INVALID */
function validatePlannedFault(plan: PlannedFault): PlannedFault {
  const { fault, probability = 1, times = 0, after = 0, delay = 0 } = plan
  const refuse = (why: string) =>
    new LicensingError('CHAOS_INVALID', `${quoteForError(fault)} cannot be planned so: ${why}.`)
  if (!isFault(fault)) throw refuse('there is no such fault')
  if (!(probability >= 0 && probability <= 1)) throw refuse('a probability is from 0 to 1')
  if (times < 0 || after < 0) throw refuse('a count is 0 or more')
  if (!(delay >= 0 && delay <= MAX_DELAY_MS)) throw refuse('a wait is at most an hour')
  if (fault === 'delay' && plan.delay === undefined) throw refuse('a delay says how long')
  return plan
}

/** Which fault, if any, happens to which request. Counts what it has done. */
export class FaultPlan {
  readonly #random: () => number
  #planned: { plan: PlannedFault; seen: number; done: number }[] = []

  /** @param random a number from 0 up to 1 */
  constructor(faults: readonly (FaultName | PlannedFault)[] = [], random: () => number = Math.random) {
    this.#random = random
    this.set(faults)
  }

  /** Replaces every planned fault; an empty list means that all is well again. @throws LicensingError CHAOS_INVALID */
  set(faults: readonly (FaultName | PlannedFault)[]): void {
    this.#planned = faults.map((one) => ({
      plan: validatePlannedFault(typeof one === 'string' ? { fault: one } : one),
      seen: 0,
      done: 0,
    }))
  }

  get faults(): readonly PlannedFault[] {
    return this.#planned.map(({ plan }) => plan)
  }

  /**
   * What happens to the next request of a kind, of the faults asked about: the first that applies, after every delay
   * that applies too.
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

/** `name[=PROBABILITY][+WAIT][xTIMES][@AFTER][/TYPE]`; for a wait alone, `delay=200ms` does. */
const ITEM_PATTERN =
  /^(?<name>[a-z0-9-]+?)(?:=(?<value>\d+(?:\.\d+)?)(?<unit>ms|s)?)?(?:\+(?<wait>\d+)(?<waitUnit>ms|s))?(?:x(?<times>\d+))?(?:@(?<after>\d+))?(?:\/(?<on>[a-z]+))?$/

const toMilliseconds = (number: string, unit: string | undefined): number =>
  Number(number) * (unit === 's' ? 1000 : 1)

/**
 * Reads what `serve --chaos` takes: faults by name, with commas between: `delay=200ms,error503=0.1`,
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
  if (!isFault(name)) throw refuse(`there are ${Object.keys(faultCatalog).join(', ')}`)
  const type = on === undefined ? undefined : messageTypeSchema.safeParse(on)
  if (type?.success === false) throw refuse(`the requests are ${messageTypeSchema.options.join(', ')}`)
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
