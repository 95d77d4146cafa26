import { X509Certificate } from 'node:crypto'
import { Newest } from '../core/lru-cache.ts'

/** Certificates that are kept: of roots, issuing CAs and signers, which come again with every message. */
const MOST_KEPT = 256
const kept = new Newest<X509Certificate>(MOST_KEPT)

/** A certificate of its PEM; reading one costs as much as a verification. @throws Error of Node for what is none */
export const readCertificate = (pem: string): X509Certificate => kept.get(pem, () => new X509Certificate(pem))

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
