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
 * The key that a box and its authority share for the codes of one reservation, without ever being in touch: X25519
 * (RFC 7748) between a key of the box, which its request code carries, and one of the authority, which the
 * authorization file carries; then HKDF-SHA256 (RFC 5869).
 */

/** RFC 8410: what stands before the 32 bytes of an X25519 key in PKCS #8 and in SPKI. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex')

/** A secret that agreement keys are made from: base64url, for a file of mode 0600. */
export const generateSeed = (): string => randomBytes(32).toString('base64url')

/** The agreement key of a number, always the same: nothing has to be kept for a number that may never be used. */
export function deriveKeyPair(seed: string, number: number): KeyObject {
  const bytes = hkdfSync('sha256', Buffer.from(seed, 'base64url'), '', `agreement key ${number}`, 32)
  return createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, Buffer.from(bytes)]),
    format: 'der',
    type: 'pkcs8',
  })
}

/** Its public part: 32 bytes. */
export const exportRawPublicKey = (privateKey: KeyObject): Uint8Array =>
  Uint8Array.from(
    createPublicKey(privateKey.export({ type: 'pkcs8', format: 'pem' }))
      .export({ type: 'spki', format: 'der' })
      .subarray(SPKI_PREFIX.length),
  )

/**
 * The key for the codes of one reservation.
 *
 * @param theirs the other side's public key, 32 bytes
 * @returns 32 bytes; null for a public key that would make the secret known to all (RFC 7748 §6.1)
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
