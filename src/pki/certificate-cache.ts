import { X509Certificate } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/** Certificates that are kept: of roots, issuing CAs and signers, which come again with every message. */
const MOST_KEPT = 256
const kept = new LRUCache<string, X509Certificate>({ max: MOST_KEPT })

/** A certificate of its PEM; reading one costs as much as a verification. @throws Error of Node for what is none */
export function readCertificate(pem: string): X509Certificate {
  const known = kept.get(pem)
  if (known) return known
  const certificate = new X509Certificate(pem)
  kept.set(pem, certificate)
  return certificate
}

const issued = new WeakMap<X509Certificate, WeakMap<X509Certificate, boolean>>()

/** Whether one was issued by the other: by its names, and its signature. */
export function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  const known = issued.get(certificate) ?? new WeakMap<X509Certificate, boolean>()
  issued.set(certificate, known)
  const before = known.get(issuer)
  if (before !== undefined) return before
  const is = certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
  known.set(issuer, is)
  return is
}
