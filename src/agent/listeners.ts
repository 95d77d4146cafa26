import { types } from 'node:util'
import { type AgentLogger, noopLogger } from './logger.ts'

/**
 * Listeners of a product. An error of a listener does not stop the agent: the logger gets it, or without a logger the
 * process gets one warning.
 */
export class Listeners<EventMap extends Record<keyof EventMap, unknown[]>> {
  readonly #listeners: { [E in keyof EventMap]?: Set<(...args: EventMap[E]) => void> } = {}
  readonly #logger: AgentLogger
  #isWarned = false

  constructor(logger: AgentLogger) {
    this.#logger = logger
  }

  /** Adds a listener. Returns a function that removes it. */
  on<E extends keyof EventMap & string>(event: E, listener: (...args: EventMap[E]) => unknown): () => void {
    const guarded = (...args: EventMap[E]) => {
      try {
        const result = listener(...args)
        if (types.isPromise(result))
          result.catch((error: unknown) => {
            this.#report(event, error)
          })
      } catch (error) {
        this.#report(event, error)
      }
    }
    const listeners = (this.#listeners[event] ??= new Set())
    listeners.add(guarded)
    return () => listeners.delete(guarded)
  }

  emit<E extends keyof EventMap & string>(event: E, ...args: EventMap[E]): void {
    // A listener may add or remove listeners.
    for (const listener of [...(this.#listeners[event] ?? [])]) listener(...args)
  }

  has(event: keyof EventMap & string): boolean {
    return (this.#listeners[event]?.size ?? 0) > 0
  }

  #report(event: string, error: unknown): void {
    if (this.#logger !== noopLogger) {
      this.#logger.error('a listener failed', { event, reason: String(error) })
      return
    }
    if (this.#isWarned) return
    this.#isWarned = true
    // The message of the error stays out of the warning, because it may contain what the listener received.
    const [name, frames] =
      error instanceof Error
        ? [error.name, (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))]
        : [typeof error, []]
    process.emitWarning(`A listener of "${event}" of the licensing agent failed: ${name}.`, {
      type: 'LicensingAgentWarning',
      code: 'LISTENER_FAILED',
      detail: ['Give the agent a logger to see each failure with its message.', ...frames].join('\n'),
    })
  }
}
