import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { LRUCache } from 'lru-cache'
import type { SeededRandom } from './seeded-random.ts'

let random: SeededRandom | null = null
let isInstalled = false

/** Keys that are kept read. */
const MAX_CACHED_KEYS = 1_000

/**
 * Has the identifiers, nonces and waits of what runs meanwhile come from dice, so that a history is the same when it is made
 * again. Keys and signatures stay as they are: nothing that happens depends on their bytes.
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
  // Reading a key takes longer than most of what a history does, and each box of many reads its own at each of its requests.
  const read = new LRUCache<string, crypto.KeyObject>({ max: MAX_CACHED_KEYS })
  const privateKey = (key: Parameters<typeof createPrivateKey>[0]) => {
    if (!random || typeof key !== 'string') return createPrivateKey(key)
    const known = read.get(key) ?? createPrivateKey(key)
    read.set(key, known)
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
