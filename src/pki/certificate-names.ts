import type { X509Certificate } from 'node:crypto'
import { readExtension, SUBJECT_ALTERNATIVE_NAME, URI_NAME } from './certificate-extensions.ts'
import { DerError, readElements, readSingleElement, SEQUENCE } from './der.ts'
import { type CertificateRole, CERTIFICATE_ROLES } from './roles.ts'

/** Role and names of a certificate, to be trusted only after its chain is validated. */
export interface CertificateNames {
  readonly role: CertificateRole
  /** Smart account of the certificate. */
  readonly account: string
  /** Id of the authority of the certificate. */
  readonly authorityId: string
  /** Product instance of an ID certificate; null in every role except `instance`. */
  readonly instanceId: string | null
}

const URN_PATTERN = /^urn:smart-licensing:(role|account|authority|instance):(.+)$/
type Kind = 'role' | 'account' | 'authority' | 'instance'

const formatUri = (kind: Kind, value: string): string =>
  `urn:smart-licensing:${kind}:${encodeURIComponent(value)}`

/** Formats the URI of the product instance that an ID certificate identifies. */
export const formatInstanceUri = (instanceId: string): string => formatUri('instance', instanceId)

/** Formats the names as URI subject alternative names (RFC 8141), which every library can read. */
export const formatCertificateUris = ({
  role,
  account,
  authorityId,
  instanceId,
}: CertificateNames): string[] => [
  formatUri('role', role),
  formatUri('account', account),
  formatUri('authority', authorityId),
  ...(instanceId === null ? [] : [formatInstanceUri(instanceId)]),
]

/** Decodes a percent-encoded value; null unless the text is its canonical encoding. */
function decode(text: string): string | null {
  try {
    const value = decodeURIComponent(text)
    return encodeURIComponent(value) === text ? value : null
  } catch (error) {
    if (error instanceof URIError) return null
    throw error
  }
}

/**
 * Parses the names from their URIs. Returns null unless there is exactly one role, one account and one authority, an
 * instance only in the role `instance`, each in canonical form, and no other URI. Duplicate URIs are therefore never
 * read differently by different programs.
 */
export function parseCertificateUris(uris: readonly string[]): CertificateNames | null {
  const values = new Map<string, string>()
  for (const text of uris) {
    const [, kind, encoded] = URN_PATTERN.exec(text) ?? []
    const value = encoded === undefined ? null : decode(encoded)
    if (kind === undefined || value === null || values.has(kind)) return null
    values.set(kind, value)
  }
  const role = CERTIFICATE_ROLES.find((name) => name === values.get('role'))
  const account = values.get('account')
  const authorityId = values.get('authority')
  const instanceId = values.get('instance') ?? null
  if (role === undefined || account === undefined || authorityId === undefined) return null
  if ((role === 'instance') !== (instanceId !== null)) return null
  return { role, account, authorityId, instanceId }
}

/** Caches the names of certificates, because the same ones come with every message. */
const namesCache = new WeakMap<X509Certificate, CertificateNames | null>()

/** Reads the names of a certificate; null if they are malformed or the certificate is not of an authority. */
export function readCertificateNames(certificate: X509Certificate): CertificateNames | null {
  const cached = namesCache.get(certificate)
  if (cached !== undefined) return cached
  const names = parseNames(certificate)
  namesCache.set(certificate, names)
  return names
}

/**
 * Returns the authority of a server from the names of its TLS certificate or of the CA above. Both must have been
 * verified by TLS. Returns null for a certificate that is not of an authority, such as that of a gateway.
 */
export function readServerAuthority(leaf: X509Certificate): string | null {
  // The TLS certificate of a satellite has only host names.
  const { issuerCertificate: ca } = leaf
  return (readCertificateNames(leaf) ?? (ca ? readCertificateNames(ca) : null))?.authorityId ?? null
}

function parseNames(certificate: X509Certificate): CertificateNames | null {
  try {
    const value = readExtension(certificate, SUBJECT_ALTERNATIVE_NAME)
    if (value === null) return null
    const uris = readElements(readSingleElement(value, SEQUENCE)).filter(({ tag }) => tag === URI_NAME)
    return parseCertificateUris(uris.map(({ content }) => content.toString('latin1')))
  } catch (error) {
    if (error instanceof DerError) return null
    throw error
  }
}
