import { verify } from 'node:crypto'
import { BIT_STRING, DerError, readElements, INTEGER, readSingleElement, SEQUENCE } from './der.ts'
import { type P256Key, importP256Key } from './p256-key.ts'

/** AlgorithmIdentifier of ecdsa-with-SHA256 (RFC 5758 §3.2). */
const ECDSA_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex')
const PEM_PATTERN =
  /^\s*-----BEGIN CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE REQUEST-----\s*$/

/**
 * Returns the public key of a PEM certificate request (PKCS #10, RFC 2986); null unless its self-signature is valid and
 * the key is P-256. The other content of the request is not trusted.
 */
export function parseCsr(pem: string): P256Key | null {
  try {
    const [info, algorithm, signature] = readElements(readSingleElement(decodePem(pem), SEQUENCE))
    if (!info || signature?.tag !== BIT_STRING || !algorithm?.whole.equals(ECDSA_SHA256)) return null
    const [version, , spki] = readElements(info)
    if (version?.tag !== INTEGER || !spki) return null
    const found = importP256Key(spki.whole)
    if (!found) return null
    // The first byte of a bit string is the number of unused bits, which must be 0.
    const isSignatureValid =
      signature.content[0] === 0 && verify('sha256', info.whole, found.key, signature.content.subarray(1))
    return isSignatureValid ? found : null
  } catch (error) {
    if (error instanceof DerError) return null
    throw error
  }
}

/** @throws DerError */
function decodePem(pem: string): Buffer {
  const base64 = PEM_PATTERN.exec(pem)?.[1]?.replace(/\s/g, '')
  if (base64 === undefined) throw new DerError('not PEM')
  const der = Buffer.from(base64, 'base64')
  if (der.toString('base64') !== base64) throw new DerError('not base64')
  return der
}
