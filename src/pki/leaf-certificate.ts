import { createHash } from 'node:crypto'
import type { Instant } from '../core/time.ts'
import { DerError, readElements, readInstant, readSingleElement, SEQUENCE } from './der.ts'
import { type P256Key, importP256Key } from './p256-key.ts'

/** Fields of an ID certificate. The authority trusts them only if it has stored the thumbprint. */
export interface LeafCertificate extends P256Key {
  /** SHA-256 of the DER, base64url. */
  readonly thumbprint: string
  readonly notAfter: Instant
}

/** Parses the certificate of a P-256 key without verifying its signature; null for any other text. */
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
