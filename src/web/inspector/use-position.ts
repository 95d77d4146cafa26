import { LICENSE_STATES, toLicenseState } from './state-style.tsx'
import type { LicenseState, Snapshot, StateChanges } from './source.ts'
import { REGIONS, type RegionPaths } from './chart/inside-parts.ts'
import { useInspectorLocation } from './inspector-location.ts'
import { useSnapshot, useStateChanges } from './source-context.tsx'

/** Place of the inspector in time: now, or after a transition of the history. */
export interface Position {
  readonly isNow: boolean
  /** Instant of the position. */
  readonly at: string
  readonly state: LicenseState
  readonly paths: RegionPaths
  /** Instant at which the license state was entered. */
  readonly since: string
  readonly snapshot: Snapshot['snapshot']
}

type RegionValue = Snapshot['snapshot']['value']['license']

const toPath = (value: RegionValue): string => {
  if (typeof value === 'string') return value
  const [name, inner] = Object.entries(value)[0] ?? ['', '']
  return inner === '' ? name : `${name}.${toPath(inner)}`
}

/** Converts the value of a snapshot to the path of each region's active state. */
export const toRegionPaths = ({ value }: Snapshot['snapshot']): RegionPaths =>
  Object.fromEntries(REGIONS.map((region) => [region, toPath(value[region])])) as Record<
    (typeof REGIONS)[number],
    string
  >

function findSince(
  changes: StateChanges | undefined,
  id: number | null,
  snapshot: Snapshot['snapshot'],
): string {
  const last = changes?.changes.findLast((change) => id === null || change.id <= id)
  // The context has the beginning of the inner state, which may be later.
  return last?.at ?? changes?.start.at ?? new Date(snapshot.context.authorization.since).toISOString()
}

/** Returns the position of the inspector. Null while it loads. */
export function usePosition(): Position | null {
  const { at: id } = useInspectorLocation()
  const { data } = useSnapshot(id ?? 0)
  const { data: changes } = useStateChanges()
  if (!data) return null
  const paths = toRegionPaths(data.snapshot)
  const state = toLicenseState(paths.license.split('.')[0] ?? '') ?? LICENSE_STATES[0] ?? 'evaluation'
  return {
    isNow: id === null,
    at: data.at,
    state,
    paths,
    since: findSince(changes, id, data.snapshot),
    snapshot: data.snapshot,
  }
}
