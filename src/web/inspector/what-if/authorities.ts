import type { AuthorityBehavior } from '../../../../machines/what-if.ts'

const BEHAVIORS: Readonly<Record<AuthorityBehavior, true>> = {
  reachable: true,
  unreachable: true,
  refusing: true,
  short: true,
}
/** Behaviors of the license server. The page does not load the machine, so that they are listed here. */
export const AUTHORITIES = Object.keys(BEHAVIORS) as AuthorityBehavior[]
