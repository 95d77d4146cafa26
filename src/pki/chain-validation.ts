import { createHash, type X509Certificate } from 'node:crypto'
// Node 20 cannot make a TLS context in a process that asks a certificate for its legacy form before it has loaded TLS.
import 'node:tls'
import type { Instant } from '../core/time.ts'
import { isIssuedBy, readCertificate } from './certificate-cache.ts'
import { readCertificateNames } from './certificate-names.ts'
import type { CertificateRole } from './roles.ts'

/** What a satellite's issuing CA may issue. Mandates and synchronization answers are its manager's alone. */
const SATELLITE_ROLES: readonly CertificateRole[] = [
  'instance',
  'answer-signer',
  'reservation-signer',
  'audit-signer',
  'tls',
]

/** Why a chain was not accepted. The caller, who knows what it was for, chooses the error code. */
export class ChainError extends Error {
  override readonly name = 'ChainError'
  readonly reason: 'untrusted' | 'role' | 'dates' | 'authority'
  constructor(reason: ChainError['reason'], message: string) {
    super(message)
    this.reason = reason
  }
}

/** A certificate that was checked: its key, and whom it names. */
export interface CertificateInfo {
  readonly certificate: X509Certificate
  /** What people call it, of its subject: believed by nobody. */
  readonly name: string
  /** Null for a certificate that says nothing of an authority, or not in the form it must. */
  readonly role: CertificateRole | null
  /** The smart account it is for; empty where it has no role. */
  readonly account: string
  /** The id of the authority it is of; empty where it has no role. */
  readonly authorityId: string
  /** The product instance it identifies; null in every role but `instance`. */
  readonly instanceId: string | null
  readonly notAfter: Instant
}

/** A certificate whose chain was followed to a root. */
export interface ValidatedChain extends CertificateInfo {
  /** The authority whose root it is: the manager. A certificate of another authority is a satellite's. */
  readonly managerId: string
  /** The CA that issued it: PEM. */
  readonly issuingCa: string
}

/** SHA-256 of the certificate's DER, base64url: how a certificate is named in messages and tables. */
export const computeThumbprint = (certificate: X509Certificate): string =>
  createHash('sha256').update(certificate.raw).digest('base64url')

function hasReadableKey(certificate: X509Certificate): boolean {
  try {
    return certificate.publicKey.type === 'public'
  } catch {
    return false
  }
}

/** The names a certificate carries, unchecked. @throws ChainError where its key cannot be read */
export function readCertificateInfo(certificate: X509Certificate): CertificateInfo {
  // Node 24 ends the process when it is asked for the subject of one whose key it does not know.
  if (!hasReadableKey(certificate))
    throw new ChainError('untrusted', 'the key of a certificate cannot be read')
  const { CN, OU } = certificate.toLegacyObject().subject as unknown as Record<
    string,
    string | string[] | undefined
  >
  const called = CN ?? OU
  const names = readCertificateNames(certificate)
  return {
    certificate,
    name: typeof called === 'string' ? called : '',
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

/** While a root is replaced, the issuing CA has a certificate by each: the verifier takes the one whose root it has. */
const MAX_ISSUERS = 3

/**
 * Checks a chain of [leaf, sub-CA] up to one of the roots, at an instant, for one role. Longer chains do not exist here: a
 * sub-CA issues no CA. What may follow are further certificates of the same sub-CA, by other roots. The leaf must be of the
 * sub-CA's own authority; under a satellite's CA, of its own smart account and in a role that a satellite issues.
 *
 * @throws ChainError
 */
export function validateChain(
  pem: readonly string[],
  expected: { role: CertificateRole; at: Instant; roots: readonly X509Certificate[] },
): ValidatedChain {
  const [leaf, first, ...further] = pem.map(parseCertificate)
  if (!leaf || !first || further.length >= MAX_ISSUERS) {
    throw new ChainError('untrusted', 'the chain is not a certificate and its issuing CA')
  }
  const findRoot = (one: X509Certificate) =>
    expected.roots.find((root) => root.ca && hasRole(root, 'root') && isIssuedBy(one, root))
  const subCa = [first, ...further].find((one) => findRoot(one) !== undefined) ?? first
  const root = findRoot(subCa)
  if (!subCa.ca || !root) {
    throw new ChainError(
      'untrusted',
      `the chain of ${readCertificateInfo(leaf).name || 'the certificate'} does not lead to a trusted root`,
    )
  }
  if (!isIssuedBy(leaf, subCa))
    throw new ChainError('untrusted', 'the certificate was not issued by the CA beside it')
  if (!hasRole(subCa, 'sub-ca') || !hasRole(leaf, expected.role) || leaf.ca) {
    throw new ChainError(
      'role',
      `the certificate of ${readCertificateInfo(leaf).name} is not one for the role ${expected.role}`,
    )
  }
  const ca = readCertificateInfo(subCa)
  const checked = {
    ...readCertificateInfo(leaf),
    managerId: readCertificateInfo(root).authorityId,
    issuingCa: subCa.toString(),
  }
  if (checked.authorityId !== ca.authorityId) {
    throw new ChainError('authority', 'the certificate and its issuing CA are of different authorities')
  }
  // A manager's CA issues for all of its smart accounts. What a satellite's may issue is its own alone (trust §1).
  if (checked.authorityId !== checked.managerId) {
    if (checked.account !== ca.account)
      throw new ChainError('authority', 'the certificate and its issuing CA are for different smart accounts')
    if (!SATELLITE_ROLES.includes(expected.role))
      throw new ChainError('role', `a satellite signs nothing in the role ${expected.role}`)
  }
  if (!isValidAt(leaf, expected.at) || !isValidAt(subCa, expected.at)) {
    throw new ChainError(
      'dates',
      `the certificate of ${checked.name} is not valid at ${new Date(expected.at).toISOString()}`,
    )
  }
  return checked
}

function parseCertificate(pem: string): X509Certificate {
  try {
    return readCertificate(pem)
  } catch {
    throw new ChainError('untrusted', 'a certificate of the chain cannot be read')
  }
}

/** Reads the certificates of a PEM file, whatever they are for. @throws ChainError when it holds none that can be read */
export function parseCertificates(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g)
  if (!blocks) throw new ChainError('untrusted', 'the file holds no certificate')
  return blocks.map(parseCertificate)
}

/**
 * Reads the root certificates of a PEM file.
 *
 * @throws ChainError when it holds none, or one that is not a self-signed CA of the role root
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
