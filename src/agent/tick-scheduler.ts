import { schedule, type ScheduledTask } from 'node-cron'
import { systemClock } from '../core/system-clock.ts'
import { MINUTE, SECOND } from '../core/time.ts'

/** Time without a tick, by the monotonic clock, after which the watchdog ticks and schedules a new task. */
const WATCHDOG_TIMEOUT_MS = 75 * SECOND
const WATCHDOG_INTERVAL_MS = 20 * SECOND

/**
 * Checks whether the task will not tick again. If the embedding product uses the same copy of node-cron, its
 * `cron.shutdown()` also ends this task.
 */
const hasEnded = (task: ScheduledTask): boolean => ['stopped', 'destroyed'].includes(task.getStatus())

/**
 * Ticks once a minute with node-cron, in UTC, and earlier when a deadline is near. A tick reports only that
 * time has passed.
 *
 * node-cron stops when the clock is set back or the process is suspended. A watchdog on the monotonic clock notices
 * the missing tick, ticks, and schedules a new task.
 */
export class TickScheduler {
  readonly #tick: () => void
  readonly #keepAlive: boolean
  #task: ScheduledTask
  #watchdog: NodeJS.Timeout
  #earlyTick: NodeJS.Timeout | undefined
  #lastTick = systemClock.monotonic()

  /** @param keepAlive false to let the process end between ticks */
  constructor(tick: () => void, keepAlive = true) {
    this.#keepAlive = keepAlive
    this.#tick = () => {
      this.#lastTick = systemClock.monotonic()
      tick()
    }
    this.#task = this.#schedule()
    this.#watchdog = setInterval(() => {
      this.#checkTask()
    }, WATCHDOG_INTERVAL_MS)
    if (!keepAlive) this.#watchdog.unref()
  }

  #schedule(): ScheduledTask {
    const noop = () => undefined
    return schedule(
      '* * * * *',
      () => {
        this.#tick()
      },
      {
        timezone: 'UTC',
        noOverlap: true,
        suppressMissedWarning: true,
        unref: !this.#keepAlive,
        logger: { info: noop, warn: noop, error: noop, debug: noop },
      },
    )
  }

  #checkTask(): void {
    if (systemClock.monotonic() - this.#lastTick < WATCHDOG_TIMEOUT_MS && !hasEnded(this.#task)) return
    void Promise.resolve(this.#task.destroy()).catch(() => undefined)
    this.#task = this.#schedule()
    this.#tick()
  }

  /** Schedules one additional tick after a delay of up to a minute. A later call replaces an earlier one. */
  scheduleWithin(milliseconds: number): void {
    clearTimeout(this.#earlyTick)
    // The regular tick comes within a minute anyway.
    const wait = Math.min(Math.max(milliseconds, SECOND / 20), MINUTE)
    this.#earlyTick = setTimeout(() => {
      this.#tick()
    }, wait)
    if (!this.#keepAlive) this.#earlyTick.unref()
  }

  stop(): void {
    clearTimeout(this.#earlyTick)
    clearInterval(this.#watchdog)
    void Promise.resolve(this.#task.destroy()).catch(() => undefined)
  }
}
