import { createHash, X509Certificate } from 'node:crypto'

const formatFingerprint = (bytes: Uint8Array): string =>
  (createHash('sha256').update(bytes).digest('hex').toUpperCase().match(/../g) ?? []).join(':')

/** The fingerprint of a key (SPKI, base64url) as people compare it: SHA-256, in pairs. */
export const formatKeyFingerprint = (spki: string): string =>
  formatFingerprint(Buffer.from(spki, 'base64url'))

/** The fingerprint of a certificate as people compare it: SHA-256 of its DER, in pairs. */
export const formatCertificateFingerprint = (pem: string): string =>
  formatFingerprint(new X509Certificate(pem).raw)

/** Whether two fingerprints are the same, however they are written. */
export const fingerprintsEqual = (a: string, b: string): boolean => {
  const normalize = (text: string) =>
    text
      .replace(/^sha256:?/i, '')
      .replace(/[\s:]/g, '')
      .toUpperCase()
  return normalize(a) === normalize(b)
}
