import {
  type AgentSnapshot,
  getLicenseState,
  isCovered,
  isFullyFunctional,
  nextDeadline,
  transition,
} from './transition.ts'
import type { Failure } from './agent-context.ts'
import type { Command, Event, Notice, RequestKind } from './agent-machine.types.ts'
import type { LicenseState } from './state-names.ts'
import { DAY, type Instant } from './time.ts'

/**
 * Runs a copy of the machine into the future, without a clock and without I/O. Nothing real is touched.
 */

/** How the authority behaves: it answers, does not answer, refuses every request, or has too few licenses. */
export const AUTHORITY_BEHAVIORS = ['reachable', 'unreachable', 'refusing', 'short'] as const
export type AuthorityBehavior = (typeof AUTHORITY_BEHAVIORS)[number]

export interface WhatIfOptions {
  /** Instant at which the run begins. */
  readonly from: Instant
  /** Days that pass: 0 to 3650. */
  readonly days: number
  readonly authority: AuthorityBehavior
  /** Events that are sent at the beginning, without their instants. */
  readonly events?: readonly Event[]
}

/** Change of the license state, or notices, at one instant of a run. */
export interface WhatIfMove {
  readonly at: Instant
  readonly event: Event['type']
  readonly before: LicenseState
  readonly after: LicenseState
  readonly notices: readonly { readonly notice: Notice; readonly detail?: string }[]
}

export interface WhatIfRun {
  readonly end: AgentSnapshot
  /** Changes of the license state and notices, oldest first, without the failures that repeat. */
  readonly moves: readonly WhatIfMove[]
  /** License states in order. The first begins at `from`, the last ends with the run. */
  readonly states: readonly { readonly state: LicenseState; readonly from: Instant; readonly to: Instant }[]
  /** Periods in which only license management works. */
  readonly restricted: readonly { readonly from: Instant; readonly to: Instant }[]
  /** Number of events that the machine processed. */
  readonly steps: number
  readonly attempts: { readonly answered: number; readonly unanswered: number }
}
