import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { LRUCache } from 'lru-cache'
import type { SeededRandom } from './seeded-random.ts'

let random: SeededRandom | null = null
let isInstalled = false

const MAX_CACHED_KEYS = 1_000

/**
 * Patches `node:crypto` so that identifiers, nonces and random delays come from a seeded generator and a run can be repeated.
 * Keys and signatures stay random: no event depends on their bytes.
 *
 * @param next the generator, or null to use real random values again
 */
export function useSeededUuids(next: SeededRandom | null): void {
  if (!isInstalled) install()
  random = next
}

function install(): void {
  isInstalled = true
  const { randomBytes, randomUUID, randomInt, createPrivateKey } = crypto
  const bytes = (length: number) => random?.nextBytes(length) ?? randomBytes(length)
  const uuid = () => {
    if (!random) return randomUUID()
    const raw = random.nextBytes(16)
    raw[6] = ((raw[6] ?? 0) & 0x0f) | 0x40
    raw[8] = ((raw[8] ?? 0) & 0x3f) | 0x80
    return raw.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  }
  const int = (...bounds: [number] | [number, number]) => {
    if (!random) return bounds.length === 1 ? randomInt(bounds[0]) : randomInt(...bounds)
    const [from, to] = bounds.length === 1 ? [0, bounds[0]] : bounds
    return random.nextInt(from, to - 1)
  }
  // Parsing a key is slow, and each device parses its own key at every request.
  const cache = new LRUCache<string, crypto.KeyObject>({ max: MAX_CACHED_KEYS })
  const privateKey = (key: Parameters<typeof createPrivateKey>[0]) => {
    if (!random || typeof key !== 'string') return createPrivateKey(key)
    const known = cache.get(key) ?? createPrivateKey(key)
    cache.set(key, known)
    return known
  }
  Object.assign(crypto, {
    randomBytes: bytes,
    randomUUID: uuid,
    randomInt: int,
    createPrivateKey: privateKey,
  })
  syncBuiltinESMExports()
}
