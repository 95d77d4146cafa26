import { type ConnectionFaultName, faultCatalog, isConnectionFault, isFault } from '../../src/faults/index.ts'
import { DAY, type Instant, MINUTE } from '../../src/core/time.ts'

/** Fault of a name, a connection or a proxy, with the conditions under which it occurs. */
export interface PlannedConnectionFault {
  readonly fault: ConnectionFaultName
  /** Maximum number of connections with the fault. Default: unlimited */
  readonly times?: number | undefined
  /** Number of connections before the first occurrence. Default: 0 */
  readonly after?: number | undefined
  /** Hours of each day (UTC), such as `['02:00', '04:00']`. The first is included, the second is not. Default: all day */
  readonly daily?: readonly [string, string] | undefined
}

/** Faults for which nothing listens, so that there are no connections to count. */
const WITHOUT_LISTENER: readonly ConnectionFaultName[] = ['refused', 'proxy-unreachable']

/** Parses a time such as `02:30` to milliseconds since midnight. @throws TypeError */
function parseTime(text: string): number {
  const [, hours, minutes] = /^([01]\d|2[0-4]):([0-5]\d)$/.exec(text) ?? []
  if (hours === undefined) throw new TypeError(`${JSON.stringify(text)} is not a time such as 02:30.`)
  return (Number(hours) * 60 + Number(minutes)) * MINUTE
}

/** Planned fault that counts its connections. */
export class FaultSchedule {
  readonly fault: ConnectionFaultName
  readonly #plan: PlannedConnectionFault
  readonly #window: readonly [number, number] | null
  #seen = 0
  #done = 0

  /** @throws TypeError for a name or a condition that is not valid; the message lists the names */
  constructor(plan: PlannedConnectionFault) {
    const { fault, times, after, daily } = plan
    if (!isFault(fault) || !isConnectionFault(fault)) throw new TypeError(describeWrongName(fault))
    if (WITHOUT_LISTENER.includes(fault) && (times !== undefined || after !== undefined))
      throw new TypeError(`${fault} has no connections to count: leave out times and after.`)
    this.fault = fault
    this.#plan = plan
    this.#window = daily ? [parseTime(daily[0]), parseTime(daily[1])] : null
  }

  /** Tells whether the fault occurs at an instant, apart from its counts. */
  isDue(at: Instant): boolean {
    if (this.#window === null) return true
    const time = at % DAY
    const [from, to] = this.#window
    return from <= to ? time >= from && time < to : time >= from || time < to
  }

  /** Returns true if the next connection has the fault, and counts the connection. */
  take(at: Instant): boolean {
    if (!this.isDue(at)) return false
    const { times = Infinity, after = 0 } = this.#plan
    if (this.#seen++ < after || this.#done >= times) return false
    this.#done++
    return true
  }
}

function describeWrongName(name: string): string {
  const names = Object.keys(faultCatalog).filter((known) => isFault(known) && isConnectionFault(known))
  const reason = isFault(name)
    ? 'is a fault of answers, for setFaults'
    : 'is not a fault of names, connections or proxies'
  return `${JSON.stringify(name)} ${reason}. Those faults are ${names.join(', ')}.`
}
