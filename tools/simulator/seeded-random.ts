import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

/** Seeded pseudo-random number generator: the same seed gives the same sequence. */
export class SeededRandom {
  readonly #generator

  /** @param seed a number, or a number and a purpose: generators of different purposes are independent */
  constructor(seed: number | string) {
    this.#generator = xoroshiro128plus(typeof seed === 'number' ? seed : hash(seed))
  }

  /** Returns a number from 0 (included) to 1 (excluded). */
  nextFloat(): number {
    return uniformFloat64(this.#generator)
  }

  /** Returns a whole number between two bounds, both included. */
  nextInt(min: number, max: number): number {
    return uniformInt(this.#generator, Math.round(min), Math.round(max))
  }

  nextBoolean(probability: number): boolean {
    return this.nextFloat() < probability
  }

  /** @throws RangeError for an empty list */
  pick<T>(from: readonly T[]): T {
    const picked = from[this.nextInt(0, from.length - 1)]
    if (picked === undefined) throw new RangeError('The list to pick from is empty.')
    return picked
  }

  /** Returns one entry with a probability in proportion to its weight. */
  pickWeighted<T>(from: readonly (readonly [weight: number, entry: T])[]): T {
    let left = this.nextFloat() * from.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, entry] of from) {
      left -= weight
      if (left < 0) return entry
    }
    return this.pick(from)[1]
  }

  nextBytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.nextInt(0, 255)))
  }
}

/** Computes the 32-bit FNV-1a hash. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193)
  return value | 0
}
