import { getLicenseState } from '../../machines/index.ts'
import type { AgentEvent } from './event-catalog.ts'
import { Listeners } from './listeners.ts'
import type { AgentLogger } from './logger.ts'
import type { MachineRunner, Transition } from './machine-runner.ts'
import type { Status, StatusReader } from './status.ts'

/** Events that an agent emits. */
export interface AgentEventMap {
  /** Emitted when the license state or any other part of the status has changed. */
  state: [status: Status]
  notice: [notice: AgentEvent]
  transition: [transition: Transition]
}

/** Notifies the listeners of an agent, after an event is on disk. */
export class AgentEvents {
  readonly #listeners: Listeners<AgentEventMap>
  readonly #readStatus: StatusReader

  constructor(runner: MachineRunner, logger: AgentLogger, readStatus: StatusReader) {
    this.#listeners = new Listeners(logger)
    this.#readStatus = readStatus
    runner.events.on('transition', (transition) => {
      this.#announce(transition)
    })
  }

  /** Adds a listener. Returns a function that removes it. */
  on<E extends keyof AgentEventMap>(event: E, listener: (...args: AgentEventMap[E]) => unknown): () => void {
    return this.#listeners.on(event, listener)
  }

  #announce(transition: Transition): void {
    for (const notice of transition.notices) this.#listeners.emit('notice', notice)
    this.#listeners.emit('transition', transition)
    if (!this.#listeners.has('state')) return
    const { event, before, after } = transition
    if (event.type !== 'clock.tick' || getLicenseState(before.value) !== getLicenseState(after.value))
      this.#listeners.emit('state', this.#readStatus())
  }
}
