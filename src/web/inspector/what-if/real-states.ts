import type { LicenseState, StateChanges } from '../source.ts'

/** Period with one license state. */
export interface StatePeriod {
  readonly value: LicenseState
  readonly from: number
  readonly to: number
}

/** Lists the license states that the device really had between two instants. */
export function listRealStates({ start, changes }: StateChanges, from: number, to: number): StatePeriod[] {
  const entries = [
    { at: Date.parse(start.at), state: start.state },
    ...changes
      .filter((change) => change.from !== change.to)
      .map((change) => ({ at: Date.parse(change.at), state: change.to })),
  ]
  return entries
    .map(({ at, state }, i) => ({
      value: state,
      from: Math.max(at, from),
      to: Math.min(entries[i + 1]?.at ?? to, to),
    }))
    .filter((period) => period.to > period.from)
}
