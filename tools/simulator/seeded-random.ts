import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

/** Chance that is the same every time: everything a history leaves to chance is thrown with dice that have its seed. */
export class SeededRandom {
  readonly #generator

  /** @param seed a number, or a number and what it is for: dice of different purposes know nothing of each other */
  constructor(seed: number | string) {
    this.#generator = xoroshiro128plus(typeof seed === 'number' ? seed : hash(seed))
  }

  /** From 0 up to 1. */
  nextFloat(): number {
    return uniformFloat64(this.#generator)
  }

  /** A whole number, both ends included. */
  nextInt(least: number, most: number): number {
    return uniformInt(this.#generator, Math.round(least), Math.round(most))
  }

  nextBoolean(probability: number): boolean {
    return this.nextFloat() < probability
  }

  /** @throws RangeError for an empty list */
  pick<T>(from: readonly T[]): T {
    const picked = from[this.nextInt(0, from.length - 1)]
    if (picked === undefined) throw new RangeError('There is nothing to pick from.')
    return picked
  }

  /** One of those that have a weight, in proportion to it. */
  pickWeighted<T>(from: readonly (readonly [weight: number, one: T])[]): T {
    let left = this.nextFloat() * from.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, one] of from) {
      left -= weight
      if (left < 0) return one
    }
    return this.pick(from)[1]
  }

  nextBytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.nextInt(0, 255)))
  }
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193)
  return value | 0
}
