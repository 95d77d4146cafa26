/** What was worked out lately, so that it need not be again: the newest so many results, by what they were worked out of. */
export class Newest<V> {
  readonly #most: number
  /** Those used last at the end. */
  readonly #kept = new Map<string, V>()

  /** @param most results that are kept at most */
  constructor(most: number) {
    this.#most = most
  }

  /** What is kept for a key, or else what is worked out now; null is not kept. */
  get(key: string, workOut: () => V): V
  get(key: string, workOut: () => V | null): V | null
  get(key: string, workOut: () => V | null): V | null {
    const value = this.#kept.get(key) ?? workOut()
    if (value === null) return null
    this.#kept.delete(key)
    this.#kept.set(key, value)
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.#most) break
      this.#kept.delete(oldest)
    }
    return value
  }
}
