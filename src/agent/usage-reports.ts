import { DAY, HOUR } from '../core/time.ts'
import type { LicenseClock } from './license-clock.ts'
import type { Denial, UsageHistory, UsagePeriod } from './usage-history.ts'

/** What was in use, and what was refused: what an administrator looks at before buying (`agent.usage`). */
export class UsageReports {
  readonly #history: UsageHistory
  readonly #clock: LicenseClock

  constructor(history: UsageHistory, clock: LicenseClock) {
    this.#history = history
    this.#clock = clock
  }

  /**
   * Returns the peak and mean use of every tag, by hour or by day, the oldest first.
   *
   * @param options `last`: how many hours or days, the one that is not over yet included
   */
  periods(options: { by: 'hour' | 'day'; last: number }): UsagePeriod[] {
    const now = this.#clock.now()
    const length = options.by === 'hour' ? HOUR : DAY
    return this.#history.periods(options.by, now - (options.last - 1) * length, now)
  }

  /** Returns the newest refusals, the oldest first. */
  denials(limit = 1000): Denial[] {
    return this.#history.denials(limit)
  }
}
