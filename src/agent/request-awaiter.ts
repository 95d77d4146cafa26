import type { Failure, RequestKind } from '../../machines/index.ts'
import { LicensingError } from '../core/errors.ts'
import { startDeadline } from '../transports/deadline.ts'
import type { MachineRunner, Transition } from './machine-runner.ts'
import type { RequestOutcome, RequestRunner } from './request-runner.ts'
import type { Status, StatusReader } from './status.ts'
import type { WorkScheduler } from './work-scheduler.ts'

/** Time that a caller waits for the first outcome of its request. */
const OUTCOME_TIMEOUT_MS = 35_000

/** Expected outcome of a request. */
interface ExpectedOutcome {
  /** Waits for the outcome. @throws LicensingError the failure of the request, TIMED_OUT, or AGENT_CLOSED */
  readonly wait: () => Promise<Status>
  /** Stops waiting. The request continues in the background. */
  readonly detach: () => Status
}

/** Waits for the outcomes of requests on behalf of callers. */
export class RequestAwaiter {
  readonly #runner: MachineRunner
  readonly #requests: RequestRunner
  readonly #scheduler: WorkScheduler
  readonly #readStatus: StatusReader

  constructor(
    runner: MachineRunner,
    requests: RequestRunner,
    scheduler: WorkScheduler,
    readStatus: StatusReader,
  ) {
    this.#runner = runner
    this.#requests = requests
    this.#scheduler = scheduler
    this.#readStatus = readStatus
  }

  /**
   * Expects the first outcome of each kind, in the given order, such as a registration and then its authorization. Starts
   * to listen immediately, so that no outcome is missed before `wait`.
   */
  expect(kinds: readonly RequestKind[]): ExpectedOutcome {
    const { outcome, stop } = this.#listen(kinds)
    return {
      detach: () => {
        stop()
        this.#scheduler.wake()
        return this.#readStatus()
      },
      wait: async () => {
        this.#scheduler.wake()
        const failed = new Promise<never>((_, reject) => {
          this.#requests.run().catch(reject)
        })
        const failure = await Promise.race([outcome, failed])
        if (failure) throw failure
        return this.#readStatus()
      },
    }
  }

  /** Sends the stored requests. Resolves when no request is in progress. */
  idle(): Promise<void> {
    return this.#requests.run()
  }

  #listen(kinds: readonly RequestKind[]): {
    outcome: Promise<LicensingError | null>
    stop: () => void
  } {
    let stop = (): void => undefined
    const outcome = new Promise<LicensingError | null>((resolve) => {
      const deadline = startDeadline(OUTCOME_TIMEOUT_MS)
      deadline.signal.addEventListener('abort', () => {
        resolve(
          new LicensingError('TIMED_OUT', 'The request has no outcome yet. It continues in the background.'),
        )
      })
      const left = [...kinds]
      const onSettled = ({ kind, failure }: RequestOutcome) => {
        if (kind !== left[0]) return
        left.shift()
        if (failure || left.length === 0) resolve(failure)
      }
      // The end of a registration also ends the requests made under it.
      const onTransition = ({ after }: Transition) => {
        const { registration, registering, registrationFailure } = after.context
        if (registration !== null || registering !== null || left[0] === 'deregister') return
        if (left[0] !== 'register') resolve(registrationEndedError(registrationFailure))
      }
      const onStopped = () => {
        resolve(new LicensingError('AGENT_CLOSED', 'The agent was closed before the request had an outcome.'))
      }
      stop = () => {
        deadline.stop()
        this.#requests.events.off('settled', onSettled).off('stopped', onStopped)
        this.#runner.events.off('transition', onTransition)
      }
      // Run before the agent's own listeners, which may start further work on this outcome.
      this.#requests.events.prependListener('settled', onSettled).on('stopped', onStopped)
      this.#runner.events.on('transition', onTransition)
    }).finally(() => {
      stop()
    })
    return {
      outcome,
      stop: () => {
        stop()
      },
    }
  }
}

/** Creates the error for a caller whose request ended with its registration. */
const registrationEndedError = (failure: Failure | null): LicensingError =>
  failure
    ? LicensingError.fromDocument(failure)
    : new LicensingError('NOT_REGISTERED', 'The registration ended before the request was answered.')
