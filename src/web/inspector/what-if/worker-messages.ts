import type { AgentSnapshot } from '../../../../machines/transition.ts'
import type { WhatIfOptions } from '../../../../machines/what-if.ts'
import type { RunResult } from './run-summary.ts'

/** Request to the worker: what to run, and the number under which it answers. */
export interface RunRequest {
  readonly id: number
  readonly snapshot: AgentSnapshot
  readonly options: WhatIfOptions
}
export type RunAnswer =
  | { readonly id: number; readonly result: RunResult; readonly error: null }
  | { readonly id: number; readonly result: null; readonly error: string }
