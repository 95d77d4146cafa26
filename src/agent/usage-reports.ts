import { DAY, HOUR } from '../core/time.ts'
import type { AgentCore } from './agent-core.ts'
import type { Denial, UsageHistory, UsagePeriod } from './usage-history.ts'

/** Reports on usage and refused operations, for capacity planning (`agent.usage`). */
export class UsageReports {
  readonly #core: AgentCore
  readonly #history: UsageHistory

  constructor(core: AgentCore, history: UsageHistory) {
    this.#core = core
    this.#history = history
  }

  /**
   * Returns peak and mean usage of each tag by hour or day, oldest first.
   *
   * @param options `last`: number of hours or days, including the current one
   */
  periods(options: { by: 'hour' | 'day'; last: number }): UsagePeriod[] {
    const { device, clock } = this.#core
    device.requireOpen()
    const now = clock.now()
    const length = options.by === 'hour' ? HOUR : DAY
    return this.#history.periods(options.by, now - (options.last - 1) * length, now)
  }

  /** Returns the newest refusals, oldest first. */
  denials(limit = 1000): Denial[] {
    this.#core.device.requireOpen()
    return this.#history.denials(limit)
  }
}
