import { nextDeadline } from '../../machines/index.ts'
import { toLicensingError } from '../core/errors.ts'
import { MINUTE } from '../core/time.ts'
import type { LicenseClock } from './license-clock.ts'
import type { AgentLogger } from './logger.ts'
import type { MachineRunner } from './machine-runner.ts'
import type { RequestRunner } from './request-runner.ts'
import type { TickScheduler } from './tick-scheduler.ts'

/**
 * Runs what is due by itself, once it was started: ticks, and after every transaction the requests that are stored. Until then the
 * owner of the agent calls `tick()` and `idle()`.
 */
export class WorkScheduler {
  readonly #runner: MachineRunner
  readonly #requests: RequestRunner
  readonly #clock: LicenseClock
  readonly #logger: AgentLogger
  #ticks: TickScheduler | null = null
  /** The run of requests that is watched already. */
  #watched: Promise<void> | null = null

  constructor(runner: MachineRunner, requests: RequestRunner, clock: LicenseClock, logger: AgentLogger) {
    this.#runner = runner
    this.#requests = requests
    this.#clock = clock
    this.#logger = logger
    // A request that a transaction stored is sent at once, whoever made it.
    runner.events.on('committed', () => {
      this.wake()
    })
  }

  /** Starts to tick. @param tick applies the time that passed */
  async start(tick: () => void): Promise<void> {
    const { TickScheduler } = await import('./tick-scheduler.ts')
    this.#ticks = new TickScheduler(() => {
      try {
        tick()
      } catch (error) {
        // On a full disk for example. Nothing has changed, and the next tick charges what this one could not.
        this.#logger.error('a heartbeat could not be written', { reason: toLicensingError(error).message })
      }
    })
    this.#runner.recordNotice('AGENT_READY')
    this.wake()
  }

  /** Sends the stored requests, and ticks again when something is due. Does nothing before `start` and after `stop`. */
  wake(): void {
    if (!this.#ticks) return
    const run = this.#requests.run()
    if (run !== this.#watched) {
      this.#watched = run
      run.then(
        () => {
          this.#scheduleTick()
        },
        (error: unknown) => {
          // The outcome could not be written, on a full disk for example: the request is still there, for the next tick.
          this.#logger.error('a request could not be concluded', { reason: toLicensingError(error).message })
        },
      )
    }
    this.#scheduleTick()
  }

  #scheduleTick(): void {
    const dueAt = nextDeadline(this.#runner.snapshot)
    if (dueAt === null) return
    const wait = dueAt - this.#clock.now()
    if (wait < MINUTE) this.#ticks?.scheduleWithin(wait)
  }

  stop(): void {
    this.#ticks?.stop()
    this.#ticks = null
  }
}
