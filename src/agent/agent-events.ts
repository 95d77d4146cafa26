import { EventEmitter } from 'node:events'
import { getLicenseState } from '../../machines/index.ts'
import type { AgentEvent } from './event-catalog.ts'
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
  readonly #emitter = new EventEmitter<AgentEventMap>()
  readonly #logger: AgentLogger
  readonly #readStatus: StatusReader

  constructor(runner: MachineRunner, logger: AgentLogger, readStatus: StatusReader) {
    this.#logger = logger
    this.#readStatus = readStatus
    runner.events.on('transition', (transition) => {
      this.#announce(transition)
    })
  }

  /** Adds a listener. Returns a function that removes it. */
  on<E extends keyof AgentEventMap>(event: E, listener: (...args: AgentEventMap[E]) => void): () => void {
    const guarded = (...args: AgentEventMap[E]) => {
      try {
        listener(...args)
      } catch (error) {
        // An error of a listener must not stop the agent.
        this.#logger.error('a listener failed', { event, reason: String(error) })
      }
    }
    this.#emitter.on(event, guarded as never)
    return () => this.#emitter.off(event, guarded as never)
  }

  #announce(transition: Transition): void {
    for (const notice of transition.notices) this.#emitter.emit('notice', notice)
    this.#emitter.emit('transition', transition)
    if (this.#emitter.listenerCount('state') === 0) return
    const { event, before, after } = transition
    if (event.type !== 'tick' || getLicenseState(before.value) !== getLicenseState(after.value))
      this.#emitter.emit('state', this.#readStatus())
  }
}
