import { DAY, HOUR } from '../core/time.ts'
import type { LicenseClock } from './license-clock.ts'
import type { Denial, UsageHistory, UsagePeriod } from './usage-history.ts'

/** Reports on usage and refused operations, for capacity planning (`agent.usage`). */
export class UsageReports {
  readonly #history: UsageHistory
  readonly #clock: LicenseClock

  constructor(history: UsageHistory, clock: LicenseClock) {
    this.#history = history
    this.#clock = clock
  }

  /**
   * Returns peak and mean usage of each tag by hour or day, oldest first.
   *
   * @param options `last`: number of hours or days, including the current one
   */
  periods(options: { by: 'hour' | 'day'; last: number }): UsagePeriod[] {
    const now = this.#clock.now()
    const length = options.by === 'hour' ? HOUR : DAY
    return this.#history.periods(options.by, now - (options.last - 1) * length, now)
  }

  /** Returns the newest refusals, oldest first. */
  denials(limit = 1000): Denial[] {
    return this.#history.denials(limit)
  }
}
