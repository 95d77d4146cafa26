import { schedule, type ScheduledTask } from 'node-cron'
import { systemClock } from '../core/system-clock.ts'
import { MINUTE, SECOND } from '../core/time.ts'

/** No beat for so long, by the monotonic clock, and the watchdog beats and mends the schedule. */
const SILENCE = 75 * SECOND
const WATCH = 20 * SECOND

/**
 * Reports whether the task will not beat again. The product may use the same copy of node-cron, whose tasks are all in one
 * list: `cron.shutdown()` ends this one too.
 */
const isOver = (task: ScheduledTask): boolean => ['stopped', 'destroyed'].includes(task.getStatus())

/**
 * The heartbeat: one beat a minute by node-cron, in UTC, and an alarm for what is due sooner. The
 * calendar is not here: a beat only says that time has passed (decision 8).
 *
 * node-cron stands still when the clock is set back, and a process may be suspended: a watchdog on the
 * monotonic clock notices the silence, beats itself, and sets the schedule anew.
 */
export class Heartbeat {
  readonly #beat: () => void
  #task: ScheduledTask
  #watchdog: NodeJS.Timeout
  #alarm: NodeJS.Timeout | undefined
  #lastBeat = systemClock.monotonic()

  constructor(beat: () => void) {
    this.#beat = () => {
      this.#lastBeat = systemClock.monotonic()
      beat()
    }
    this.#task = this.#schedule()
    this.#watchdog = setInterval(() => {
      this.#watch()
    }, WATCH)
  }

  #schedule(): ScheduledTask {
    const quiet = () => undefined
    return schedule(
      '* * * * *',
      () => {
        this.#beat()
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
    if (systemClock.monotonic() - this.#lastBeat < SILENCE && !isOver(this.#task)) return
    void Promise.resolve(this.#task.destroy()).catch(() => undefined)
    this.#task = this.#schedule()
    this.#beat()
  }

  /** Beats once more when so many milliseconds have passed; later calls replace earlier ones. */
  alarmIn(milliseconds: number): void {
    clearTimeout(this.#alarm)
    // A minute brings the next beat anyway; longer waits are the beat's, shorter ones the alarm's.
    const wait = Math.min(Math.max(milliseconds, SECOND / 20), MINUTE)
    this.#alarm = setTimeout(() => {
      this.#beat()
    }, wait)
  }

  stop(): void {
    clearTimeout(this.#alarm)
    clearInterval(this.#watchdog)
    void Promise.resolve(this.#task.destroy()).catch(() => undefined)
  }
}
