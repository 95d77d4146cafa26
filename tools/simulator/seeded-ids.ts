import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { LRUCache } from 'lru-cache'
import type { Dice } from './seeded-random.ts'

let dice: Dice | null = null
let installed = false

/** Keys that are kept read. */
const MOST_KEYS = 1_000

/**
 * Has the identifiers, nonces and waits of what runs meanwhile come from dice, so that a history is the same when it is made
 * again. Keys and signatures stay as they are: nothing that happens depends on their bytes.
 */
export function throwIdsWith(next: Dice | null): void {
  if (!installed) install()
  dice = next
}

function install(): void {
  installed = true
  const { randomBytes, randomUUID, randomInt, createPrivateKey } = crypto
  const bytes = (length: number) => dice?.bytes(length) ?? randomBytes(length)
  const uuid = () => {
    if (!dice) return randomUUID()
    const raw = dice.bytes(16)
    raw[6] = ((raw[6] ?? 0) & 0x0f) | 0x40
    raw[8] = ((raw[8] ?? 0) & 0x3f) | 0x80
    return raw.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  }
  const int = (...bounds: [number] | [number, number]) => {
    if (!dice) return bounds.length === 1 ? randomInt(bounds[0]) : randomInt(...bounds)
    const [from, to] = bounds.length === 1 ? [0, bounds[0]] : bounds
    return dice.between(from, to - 1)
  }
  // Reading a key takes longer than most of what a history does, and each box of many reads its own at each of its requests.
  const read = new LRUCache<string, crypto.KeyObject>({ max: MOST_KEYS })
  const privateKey = (key: Parameters<typeof createPrivateKey>[0]) => {
    if (!dice || typeof key !== 'string') return createPrivateKey(key)
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
