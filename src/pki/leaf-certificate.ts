import { createHash } from 'node:crypto'
import type { Instant } from '../core/time.ts'
import { DerError, readElements, readInstant, readSingleElement, SEQUENCE } from './der.ts'
import { type P256Key, importP256Key } from './p256-key.ts'

/** What is taken of a certificate that is known, or not, by its thumbprint. Nothing of it is believed for itself. */
export interface LeafCertificate extends P256Key {
  /** SHA-256 of its DER, base64url. */
  readonly thumbprint: string
  readonly notAfter: Instant
}

/** Reads the certificate of a P-256 key; null for what is none. Its signature is not looked at. */
export function parseLeafCertificate(pem: string): LeafCertificate | null {
  try {
    const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
    const [tbs] = readElements(readSingleElement(der, SEQUENCE))
    const [, , , , validity, , spki] = tbs ? readElements(tbs) : []
    const [, notAfter] = validity ? readElements(validity) : []
    const key = spki && importP256Key(spki.whole)
    if (!key || !notAfter) return null
    const thumbprint = createHash('sha256').update(der).digest('base64url')
    return { ...key, thumbprint, notAfter: readInstant(notAfter) }
  } catch (error) {
    if (error instanceof DerError) return null
    throw error
  }
}
