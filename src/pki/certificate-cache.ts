import { X509Certificate } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/** Enough for the roots, issuing CAs and signers, whose certificates come with every message. */
const MAX_CACHED_CERTIFICATES = 256
const certificateCache = new LRUCache<string, X509Certificate>({ max: MAX_CACHED_CERTIFICATES })

/** Parses a PEM certificate, with a cache because parsing costs as much as a verification. @throws Error of Node */
export function readCertificate(pem: string): X509Certificate {
  const known = certificateCache.get(pem)
  if (known) return known
  const certificate = new X509Certificate(pem)
  certificateCache.set(pem, certificate)
  return certificate
}

const issuedByCache = new WeakMap<X509Certificate, WeakMap<X509Certificate, boolean>>()

/** Tells whether a certificate was issued by another, by its issuer name and its signature. */
export function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  const known = issuedByCache.get(certificate) ?? new WeakMap<X509Certificate, boolean>()
  issuedByCache.set(certificate, known)
  const cached = known.get(issuer)
  if (cached !== undefined) return cached
  const isIssued = certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
  known.set(issuer, isIssued)
  return isIssued
}
