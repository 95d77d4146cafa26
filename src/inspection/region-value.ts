import type { RegionValue } from '../../machines/transition.ts'

/** Converts the path of a region's state to its value, such as `{ authorized: 'current' }`. Reverses `toRegionPath`. */
export const toRegionValue = (path: string): RegionValue =>
  path
    .split('.')
    .reduceRight<RegionValue | null>((inner, state) => (inner === null ? state : { [state]: inner }), null) ??
  ''
