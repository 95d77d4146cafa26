import { createPublicKey, type KeyObject } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/** SubjectPublicKeyInfo of a P-256 key (RFC 5480 §2) without the uncompressed point that follows. */
const SPKI_PREFIX = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex')
const COORDINATE_BYTES = 32

/** P-256 public key with its canonical encoding. */
export interface P256Key {
  readonly key: KeyObject
  /** SubjectPublicKeyInfo: DER. */
  readonly spki: Buffer
}

/** Keys of devices that send requests often, such as at every change of their usage. A key takes about 2 KiB. */
const MAX_CACHED_KEYS = 4_096
const keyCache = new LRUCache<string, P256Key>({ max: MAX_CACHED_KEYS })

/** Returns true if a key is of the curve P-256, the only one of ES256 (RFC 7518 §3.4). */
export const isP256Key = (key: KeyObject | null): key is KeyObject =>
  key?.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1'

/**
 * Imports a SubjectPublicKeyInfo; null for another kind of key or a point that is not on the curve. An import costs as
 * much as a verification, so the newest keys are cached.
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
    // Importing a JWK is faster than importing DER, for which Node tries several formats.
    const jwk = { kty: 'EC', crv: 'P-256', x: x.toString('base64url'), y: y.toString('base64url') }
    return { key: createPublicKey({ key: jwk, format: 'jwk' }), spki: Buffer.from(spki) }
  } catch {
    return null
  }
}
