import {
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'

/**
 * Key agreement for the codes of one reservation, without a connection between device and authority. The request code
 * carries the device's X25519 key (RFC 7748). The authorization file carries the authority's. HKDF-SHA256 (RFC 5869)
 * derives the shared key.
 */

/** Bytes before the 32 bytes of an X25519 key in PKCS #8 and in SPKI (RFC 8410). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex')

/** Generates the secret that key pairs are derived from: base64url, for a file of mode 0600. */
export const generateSeed = (): string => randomBytes(32).toString('base64url')

/** Derives the key pair of a number, so that no key must be stored for a number that may never be used. */
export function deriveKeyPair(seed: string, number: number): KeyObject {
  const bytes = hkdfSync('sha256', Buffer.from(seed, 'base64url'), '', `agreement key ${number}`, 32)
  return createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, Buffer.from(bytes)]),
    format: 'der',
    type: 'pkcs8',
  })
}

/** Returns the 32 bytes of the public key. */
export const exportRawPublicKey = (privateKey: KeyObject): Uint8Array =>
  Uint8Array.from(
    createPublicKey(privateKey.export({ type: 'pkcs8', format: 'pem' }))
      .export({ type: 'spki', format: 'der' })
      .subarray(SPKI_PREFIX.length),
  )

/**
 * Derives the key for the codes of one reservation.
 *
 * @param theirs public key of the other side, 32 bytes
 * @returns 32 bytes; null for a public key that would make the secret predictable (RFC 7748 §6.1)
 */
export function deriveSharedKey(
  mine: KeyObject,
  theirs: Uint8Array,
  reservationId: string,
): Uint8Array | null {
  const publicKey = createPublicKey({
    key: Buffer.concat([SPKI_PREFIX, theirs]),
    format: 'der',
    type: 'spki',
  })
  try {
    const secret = diffieHellman({ privateKey: mine, publicKey })
    const salt = createHash('sha256').update(reservationId).digest()
    return new Uint8Array(hkdfSync('sha256', secret, salt, 'offline codes', 32))
  } catch {
    return null
  }
}
