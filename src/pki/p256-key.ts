import { createPublicKey, type KeyObject } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/** SubjectPublicKeyInfo of a P-256 key (RFC 5480 §2): all but the point, which is not compressed. */
const SPKI_PREFIX = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex')
const COORDINATE_BYTES = 32

/** A P-256 public key, and its one encoding. */
export interface P256Key {
  readonly key: KeyObject
  /** SubjectPublicKeyInfo: DER. */
  readonly spki: Buffer
}

/** Keys that are kept, about 2 KiB each: of boxes that come again and again, such as when what they use changes. */
const MAX_CACHED_KEYS = 4_096
const keyCache = new LRUCache<string, P256Key>({ max: MAX_CACHED_KEYS })

/**
 * Imports a SubjectPublicKeyInfo; null for a key of another kind, or no point of the curve. One import costs as much as a
 * verification, so the newest keys are kept.
 */
export function importP256Key(spki: Buffer): P256Key | null {
  const name = spki.toString('latin1')
  const known = keyCache.get(name)
  if (known) return known
  const key = parsePoint(spki)
  if (key) keyCache.set(name, key)
  return key
}

function parsePoint(spki: Buffer): P256Key | null {
  const x = spki.subarray(SPKI_PREFIX.length, SPKI_PREFIX.length + COORDINATE_BYTES)
  const y = spki.subarray(SPKI_PREFIX.length + COORDINATE_BYTES)
  if (
    !spki.subarray(0, SPKI_PREFIX.length).equals(SPKI_PREFIX) ||
    x.length !== COORDINATE_BYTES ||
    y.length !== COORDINATE_BYTES
  )
    return null
  try {
    // By its coordinates it is read in less time than by its encoding, which Node tries as many things.
    const jwk = { kty: 'EC', crv: 'P-256', x: x.toString('base64url'), y: y.toString('base64url') }
    return { key: createPublicKey({ key: jwk, format: 'jwk' }), spki: Buffer.from(spki) }
  } catch {
    return null
  }
}
