import { createHash, X509Certificate } from 'node:crypto'

const formatFingerprint = (bytes: Uint8Array): string =>
  (createHash('sha256').update(bytes).digest('hex').toUpperCase().match(/../g) ?? []).join(':')

/** Formats the fingerprint of a key (SPKI, base64url): SHA-256 as pairs of hexadecimal digits. */
export const formatKeyFingerprint = (spki: string): string =>
  formatFingerprint(Buffer.from(spki, 'base64url'))

/** Formats the fingerprint of a certificate: SHA-256 of its DER as pairs of hexadecimal digits. */
export const formatCertificateFingerprint = (pem: string): string =>
  formatFingerprint(new X509Certificate(pem).raw)

/** Compares two fingerprints without regard to case, spaces, colons and a `SHA256:` prefix. */
export const fingerprintsEqual = (a: string, b: string): boolean => {
  const normalize = (text: string) =>
    text
      .replace(/^sha256:?/i, '')
      .replace(/[\s:]/g, '')
      .toUpperCase()
  return normalize(a) === normalize(b)
}
