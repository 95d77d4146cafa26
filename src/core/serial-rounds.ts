/**
 * Runs work in rounds, one round at a time. A request during a round gets the next round, because the current one may have
 * read its data before the caller changed them.
 */
export class SerialRounds<T> {
  readonly #work: () => Promise<T>
  #current: Promise<T> | null = null
  #next: Promise<T> | null = null

  constructor(work: () => Promise<T>) {
    this.#work = work
  }

  /** Current round. Null between rounds. */
  get current(): Promise<T> | null {
    return this.#current
  }

  /** Returns the result of a round that starts after this call. Waiting callers share the same round. */
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
        // A round that started between the two turns also serves the waiting callers.
        return this.#current ?? this.#start()
      })
    return this.#next
  }

  #start(): Promise<T> {
    // Start in a microtask, so that `#current` is set before the work can end.
    const round = Promise.resolve()
      .then(() => this.#work())
      .finally(() => {
        this.#current = null
      })
    this.#current = round
    return round
  }
}
