import type { AgentSnapshot } from '../../../../machines/transition.ts'
import type { WhatIfOptions, WhatIfRun } from '../../../../machines/what-if.ts'

/** Run without its last snapshot, and the time that it took. */
export type RunResult = Omit<WhatIfRun, 'end'> & { readonly milliseconds: number }

/** Request to the worker: what to run, and the number under which it answers. */
export interface RunRequest {
  readonly id: number
  readonly snapshot: AgentSnapshot
  readonly options: WhatIfOptions
}
export type RunAnswer =
  | { readonly id: number; readonly result: RunResult; readonly error: null }
  | { readonly id: number; readonly result: null; readonly error: string }
