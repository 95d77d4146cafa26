/**
 * Runs one piece of work in rounds, one round at a time. A caller that asks while a round runs gets the next round, because the
 * present one may have looked at its data before the caller changed them.
 */
export class SerialRounds<T> {
  readonly #work: () => Promise<T>
  #current: Promise<T> | null = null
  #next: Promise<T> | null = null

  constructor(work: () => Promise<T>) {
    this.#work = work
  }

  /** The round that runs now; null between rounds. */
  get current(): Promise<T> | null {
    return this.#current
  }

  /** Returns the outcome of a round that begins after this call. Callers that wait for the same round share it. */
  request(): Promise<T> {
    const { current } = this
    if (current === null) return this.#start()
    this.#next ??= current
      .then(
        () => undefined,
        () => undefined,
      )
      .then(() => {
        this.#next = null
        // A round that began between the two turns serves the waiting callers too.
        return this.#current ?? this.#start()
      })
    return this.#next
  }

  #start(): Promise<T> {
    // The work begins in a microtask, so that it never ends before it is remembered.
    const round = Promise.resolve()
      .then(() => this.#work())
      .finally(() => {
        this.#current = null
      })
    this.#current = round
    return round
  }
}
