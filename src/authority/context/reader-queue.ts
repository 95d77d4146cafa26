import { setImmediate as nextTurn } from 'node:timers/promises'

/**
 * Queue of the reads for consoles, the REST API and reports. A few reads run at a time, and each begins in a new turn of
 * the event loop. An exchange therefore waits for these few at most, however many viewers there are.
 */
export class ReaderQueue {
  readonly #maxRunning: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(maxRunning: number) {
    this.#maxRunning = maxRunning
  }

  async run<T>(read: () => Promise<T>): Promise<T> {
    if (this.#running < this.#maxRunning) this.#running++
    else
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
      })
    try {
      await nextTurn()
      return await read()
    } finally {
      const next = this.#waiting.shift()
      // The next read takes over the place of this one.
      if (next) next()
      else this.#running--
    }
  }
}
