import { nextDeadline } from '../../machines/index.ts'
import { toLicensingError } from '../core/errors.ts'
import { MINUTE } from '../core/time.ts'
import type { AgentCore } from './agent-core.ts'
import type { LicenseClock } from './license-clock.ts'
import type { AgentLogger } from './logger.ts'
import type { MachineRunner } from './machine-runner.ts'
import type { RequestRunner } from './request-runner.ts'
import type { TickScheduler } from './tick-scheduler.ts'

/**
 * Runs due work automatically after `start`: ticks, and the stored requests after every transaction. Without `start`, the
 * owner of the agent calls `tick()` and `idle()`.
 */
export class WorkScheduler {
  readonly #runner: MachineRunner
  readonly #requests: RequestRunner
  readonly #clock: LicenseClock
  readonly #logger: AgentLogger
  readonly #keepAlive: boolean
  #ticks: TickScheduler | null = null
  /** Run of requests whose end is already watched. */
  #watched: Promise<void> | null = null

  /** @param keepAlive false to let the process end between ticks */
  constructor({ runner, clock, logger }: AgentCore, requests: RequestRunner, keepAlive: boolean) {
    this.#runner = runner
    this.#requests = requests
    this.#clock = clock
    this.#logger = logger
    this.#keepAlive = keepAlive
    // Send a request immediately after the transaction that stored it.
    runner.events.on('committed', () => {
      this.wake()
    })
  }

  /** Starts to tick. @param tick applies the elapsed time */
  async start(tick: () => void): Promise<void> {
    const { TickScheduler } = await import('./tick-scheduler.ts')
    this.#ticks = new TickScheduler(() => {
      try {
        tick()
      } catch (error) {
        // The disk may be full. Nothing was charged, and the next tick charges the time.
        this.#logger.error('a tick could not be stored', { reason: toLicensingError(error).message })
      }
    }, this.#keepAlive)
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
          // The disk may be full. The request is still stored, and the next tick sends it again.
          this.#logger.error('the outcome of a request could not be stored', {
            reason: toLicensingError(error).message,
          })
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
