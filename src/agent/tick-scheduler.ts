import { schedule, type ScheduledTask } from 'node-cron'
import { systemClock } from '../core/system-clock.ts'
import { MINUTE, SECOND } from '../core/time.ts'

/** After so long without a tick, by the monotonic clock, the watchdog ticks and schedules anew. */
const WATCHDOG_TIMEOUT_MS = 75 * SECOND
const WATCHDOG_INTERVAL_MS = 20 * SECOND

/**
 * Reports whether the task will not tick again. The product may use the same copy of node-cron, whose tasks are all in one
 * list: `cron.shutdown()` ends this one too.
 */
const isOver = (task: ScheduledTask): boolean => ['stopped', 'destroyed'].includes(task.getStatus())

/**
 * Ticks once a minute by node-cron, in UTC, and sooner for what is due sooner. The calendar is not here: a tick only says that time
 * has passed.
 *
 * node-cron stands still when the clock is set back, and a process may be suspended. A watchdog on the monotonic clock notices that,
 * ticks itself, and schedules anew.
 */
export class TickScheduler {
  readonly #tick: () => void
  #task: ScheduledTask
  #watchdog: NodeJS.Timeout
  #alarm: NodeJS.Timeout | undefined
  #lastTick = systemClock.monotonic()

  constructor(tick: () => void) {
    this.#tick = () => {
      this.#lastTick = systemClock.monotonic()
      tick()
    }
    this.#task = this.#schedule()
    this.#watchdog = setInterval(() => {
      this.#watch()
    }, WATCHDOG_INTERVAL_MS)
  }

  #schedule(): ScheduledTask {
    const quiet = () => undefined
    return schedule(
      '* * * * *',
      () => {
        this.#tick()
      },
      {
        timezone: 'UTC',
        noOverlap: true,
        suppressMissedWarning: true,
        logger: { info: quiet, warn: quiet, error: quiet, debug: quiet },
      },
    )
  }

  #watch(): void {
    if (systemClock.monotonic() - this.#lastTick < WATCHDOG_TIMEOUT_MS && !isOver(this.#task)) return
    void Promise.resolve(this.#task.destroy()).catch(() => undefined)
    this.#task = this.#schedule()
    this.#tick()
  }

  /** Ticks once more when so many milliseconds have passed. Later calls replace earlier ones. */
  scheduleWithin(milliseconds: number): void {
    clearTimeout(this.#alarm)
    // A minute brings the next tick anyway.
    const wait = Math.min(Math.max(milliseconds, SECOND / 20), MINUTE)
    this.#alarm = setTimeout(() => {
      this.#tick()
    }, wait)
  }

  stop(): void {
    clearTimeout(this.#alarm)
    clearInterval(this.#watchdog)
    void Promise.resolve(this.#task.destroy()).catch(() => undefined)
  }
}
