import { X509Certificate } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/** Certificates that are kept: of roots, issuing CAs and signers, which come again with every message. */
const MAX_CACHED_CERTIFICATES = 256
const certificateCache = new LRUCache<string, X509Certificate>({ max: MAX_CACHED_CERTIFICATES })

/** A certificate of its PEM; reading one costs as much as a verification. @throws Error of Node for what is none */
export function readCertificate(pem: string): X509Certificate {
  const known = certificateCache.get(pem)
  if (known) return known
  const certificate = new X509Certificate(pem)
  certificateCache.set(pem, certificate)
  return certificate
}

const issuedByCache = new WeakMap<X509Certificate, WeakMap<X509Certificate, boolean>>()

/** Whether one was issued by the other: by its names, and its signature. */
export function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  const known = issuedByCache.get(certificate) ?? new WeakMap<X509Certificate, boolean>()
  issuedByCache.set(certificate, known)
  const before = known.get(issuer)
  if (before !== undefined) return before
  const is = certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
  known.set(issuer, is)
  return is
}
