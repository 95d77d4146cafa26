import { createHash, type X509Certificate } from 'node:crypto'
// Node 20 cannot create a TLS context if toLegacyObject() of a certificate was called before TLS was loaded.
import 'node:tls'
import type { Instant } from '../core/time.ts'
import { isIssuedBy, readCertificate } from './certificate-cache.ts'
import { readCertificateNames } from './certificate-names.ts'
import type { CertificateRole } from './roles.ts'

/** Roles that a satellite's issuing CA may issue. Only managers sign delegations and synchronization answers. */
const SATELLITE_ROLES: readonly CertificateRole[] = [
  'instance',
  'answer-signer',
  'reservation-signer',
  'audit-signer',
  'tls',
]

/** Reason why a chain is not valid. The caller chooses the error code by the purpose of the chain. */
export class ChainError extends Error {
  override readonly name = 'ChainError'
  readonly reason: 'untrusted' | 'role' | 'dates' | 'authority'
  constructor(reason: ChainError['reason'], message: string) {
    super(message)
    this.reason = reason
  }
}

/** Certificate with its names. */
export interface CertificateInfo {
  readonly certificate: X509Certificate
  /** Display name from the subject, which must not be trusted. */
  readonly name: string
  /** Null for a certificate without valid names of an authority. */
  readonly role: CertificateRole | null
  /** Smart account; empty if the role is null. */
  readonly account: string
  /** Id of the authority; empty if the role is null. */
  readonly authorityId: string
  /** Product instance of an ID certificate; null in every role except `instance`. */
  readonly instanceId: string | null
  readonly notAfter: Instant
}

/** Certificate whose chain leads to a trusted root. */
export interface ValidatedChain extends CertificateInfo {
  /** Id of the manager, which owns the root. A certificate of another authority is a satellite's. */
  readonly managerId: string
  /** Certificate of the issuing CA: PEM. */
  readonly issuingCa: string
}

/** Computes the thumbprint that identifies a certificate in messages and tables: SHA-256 of its DER, base64url. */
export const computeThumbprint = (certificate: X509Certificate): string =>
  createHash('sha256').update(certificate.raw).digest('base64url')

function hasReadableKey(certificate: X509Certificate): boolean {
  try {
    return certificate.publicKey.type === 'public'
  } catch {
    return false
  }
}

/** Reads the unverified names of a certificate. @throws ChainError if its key cannot be read */
export function readCertificateInfo(certificate: X509Certificate): CertificateInfo {
  // Node 24 crashes when it converts a certificate with an unknown kind of key.
  if (!hasReadableKey(certificate))
    throw new ChainError('untrusted', 'the key of a certificate cannot be read')
  const { CN, OU } = certificate.toLegacyObject().subject as unknown as Record<
    string,
    string | string[] | undefined
  >
  const displayName = CN ?? OU
  const names = readCertificateNames(certificate)
  return {
    certificate,
    name: typeof displayName === 'string' ? displayName : '',
    role: names?.role ?? null,
    account: names?.account ?? '',
    authorityId: names?.authorityId ?? '',
    instanceId: names?.instanceId ?? null,
    notAfter: Date.parse(certificate.validTo),
  }
}

const hasRole = (certificate: X509Certificate, role: CertificateRole): boolean =>
  readCertificateNames(certificate)?.role === role

const isValidAt = (certificate: X509Certificate, at: Instant): boolean =>
  Date.parse(certificate.validFrom) <= at && at <= Date.parse(certificate.validTo)

/**
 * Limit of the issuing CA's certificates in a chain. During a root rotation, the CA has one under each root, and
 * the verifier uses one whose root it trusts.
 */
const MAX_ISSUERS = 3

/**
 * Validates a chain of a leaf and its issuing CA up to a trusted root, at an instant, for one role. Longer chains do not
 * exist, because an issuing CA issues no CAs. Further certificates must be certificates of the same issuing CA
 * under other roots.
 *
 * The leaf must have the authority of its issuing CA. Under a satellite's CA, it must also have the smart account of the
 * CA and a role that satellites may issue.
 *
 * @throws ChainError
 */
export function validateChain(
  pem: readonly string[],
  expected: { role: CertificateRole; at: Instant; roots: readonly X509Certificate[] },
): ValidatedChain {
  const [leaf, first, ...others] = pem.map(parseCertificate)
  if (!leaf || !first || others.length >= MAX_ISSUERS) {
    throw new ChainError('untrusted', 'the chain does not consist of a certificate and its issuing CA')
  }
  const findRoot = (certificate: X509Certificate) =>
    expected.roots.find((root) => root.ca && hasRole(root, 'root') && isIssuedBy(certificate, root))
  const subCa = [first, ...others].find((certificate) => findRoot(certificate) !== undefined) ?? first
  const root = findRoot(subCa)
  if (!subCa.ca || !root) {
    throw new ChainError(
      'untrusted',
      `the chain of ${readCertificateInfo(leaf).name || 'the certificate'} does not lead to a trusted root`,
    )
  }
  if (!isIssuedBy(leaf, subCa))
    throw new ChainError('untrusted', 'the certificate was not issued by the issuing CA of the chain')
  if (!hasRole(subCa, 'sub-ca') || !hasRole(leaf, expected.role) || leaf.ca) {
    throw new ChainError(
      'role',
      `the certificate of ${readCertificateInfo(leaf).name} does not have the role ${expected.role}`,
    )
  }
  const ca = readCertificateInfo(subCa)
  const validated = {
    ...readCertificateInfo(leaf),
    managerId: readCertificateInfo(root).authorityId,
    issuingCa: subCa.toString(),
  }
  if (validated.authorityId !== ca.authorityId) {
    throw new ChainError('authority', 'the certificate and its issuing CA belong to different authorities')
  }
  // A manager's CA issues for every smart account, a satellite's CA only for its own (docs/security.md).
  if (validated.authorityId !== validated.managerId) {
    if (validated.account !== ca.account)
      throw new ChainError(
        'authority',
        'the certificate and its issuing CA belong to different smart accounts',
      )
    if (!SATELLITE_ROLES.includes(expected.role))
      throw new ChainError('role', `a satellite cannot sign in the role ${expected.role}`)
  }
  if (!isValidAt(leaf, expected.at) || !isValidAt(subCa, expected.at)) {
    throw new ChainError(
      'dates',
      `the certificate of ${validated.name} is not valid at ${new Date(expected.at).toISOString()}`,
    )
  }
  return validated
}

function parseCertificate(pem: string): X509Certificate {
  try {
    return readCertificate(pem)
  } catch {
    throw new ChainError('untrusted', 'a certificate of the chain cannot be read')
  }
}

/** Reads the certificates of a PEM file, of any role. @throws ChainError if one cannot be read or there is none */
export function parseCertificates(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g)
  if (!blocks) throw new ChainError('untrusted', 'the file contains no certificate')
  return blocks.map(parseCertificate)
}

/**
 * Reads the root certificates of a PEM file.
 *
 * @throws ChainError if there is none, or one that is not a self-signed CA of the role `root`
 */
export function parseRoots(pem: string): X509Certificate[] {
  return parseCertificates(pem).map((root) => {
    if (!root.ca || !isIssuedBy(root, root) || !hasRole(root, 'root')) {
      throw new ChainError(
        'role',
        `the certificate of ${readCertificateInfo(root).name || 'unknown subject'} is not the root of an authority`,
      )
    }
    return root
  })
}
